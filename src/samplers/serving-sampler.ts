// A model elsewhere, and the same here -> a Sampler that draws there and asks the rest here.
import { resolve } from 'node:path';
import type { DrawOptions, GenerateRequest, GenerateStats, OnFinished, Policy, Sampler } from '../backend.ts';
import { SipfError, throwIfAborted } from '../errors.ts';
import type { ModelSource } from '../records.ts';
import type { Drawn, Place, SamplerParts, ServedModel } from './sampler.ts';

interface ServingOptions {
  /** The files of the model that is elsewhere. */
  readonly serves: ModelSource;
  readonly others: 'refuse' | 'local';
  /** Requests at a time, those of all policies together. */
  readonly concurrency: number;
}

/**
 * Draws from `place` what it has; other models as `others` says. Disposing it leaves `local` open.
 * @throws SipfError 'unsupported', from openPolicy, for a model that is not served; and what the place throws.
 */
export function servingSampler(
  { serves, others, concurrency }: ServingOptions,
  place: Place,
  { local, log }: Pick<SamplerParts, 'local' | 'log'>,
): Sampler {
  const limit = limiter(concurrency);
  const told = new Set<string>();
  const together = Math.max(1, Math.floor(concurrency / 8));
  const openServed = async (source: ModelSource) => {
    const here = await local.openPolicy(source);
    try {
      const there = await place.open(here);
      return servedPolicy(here, there, { draw: (...args) => limit(() => there.draw(...args)), together });
    } catch (error) {
      await here[Symbol.asyncDispose]();
      throw error;
    }
  };
  return {
    async openPolicy(source) {
      const name = nameOf(source);
      if (name === nameOf(serves)) return openServed(source);
      if (others === 'refuse') {
        throw new SipfError(
          'unsupported',
          `Expected a model that ${place.name} serves (${nameOf(serves)}), got ${name}. Set engine.sampler.others local to draw from it here. After a warm-up, which sft.enabled false leaves out, and after each round the policy is another model.`,
        );
      }
      if (!told.has(name)) log(`${place.name} does not serve ${name}: it draws here.`);
      told.add(name);
      return local.openPolicy(source);
    },
    [Symbol.asyncDispose]: () => place[Symbol.asyncDispose](),
  };
}

function nameOf({ model, adapter }: ModelSource): string {
  return adapter === undefined ? resolve(model) : `${resolve(model)} with ${resolve(adapter)}`;
}

/** At most `most` calls at a time, in the order in which they come. */
function limiter(most: number): <T>(call: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let free = most;
  return async (call) => {
    if (free === 0) await new Promise<void>((start) => waiting.push(start));
    else free -= 1;
    try {
      return await call();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}

interface Drawer {
  readonly draw: ServedModel['draw'];
  /** Completions that are handed on in one group. */
  readonly together: number;
}

/** `here` is the same model: it answers what `there` does not. */
function servedPolicy(here: Policy, there: ServedModel, drawer: Drawer): Policy {
  const contextLength = Math.min(here.contextLength, there.contextLength);
  const drawing: Omit<Drawing, 'requests' | 'onFinished'> = {
    encode: (contexts) => here.encode(contexts),
    contextLength,
    drawer,
  };
  return {
    hash: here.hash,
    contextLength,
    warnings: here.warnings,
    generate: (requests, onFinished, options) => drawInOrder({ ...drawing, requests, onFinished }, options),
    encode: (contexts) => here.encode(contexts),
    logps: (items, options) => here.logps(items, options),
    layers: here.layers,
    ...(here.stepStates && { stepStates: (...args) => here.stepStates!(...args) }),
    chatPrompt: (messages) => here.chatPrompt(messages),
    countTokens: (texts) => here.countTokens(texts),
    async [Symbol.asyncDispose]() {
      await there[Symbol.asyncDispose]();
      await here[Symbol.asyncDispose]();
    },
  };
}

interface Drawing {
  readonly encode: Policy['encode'];
  readonly contextLength: number;
  readonly drawer: Drawer;
  readonly requests: readonly GenerateRequest[];
  readonly onFinished: OnFinished;
}

/** Completions are handed on in the order of the requests, a fixed number at a time: what is asked for next depends on no network. */
async function drawInOrder(drawing: Drawing, { signal, onText }: DrawOptions = {}): Promise<GenerateStats> {
  throwIfAborted(signal);
  const { drawer, requests, onFinished } = drawing;
  const stop = new AbortController();
  const abort = () => stop.abort();
  signal?.addEventListener('abort', abort);
  const stats = { promptTokens: 0, generatedTokens: 0 };
  const queue: Promise<Drawn>[] = [];
  try {
    queue.push(...(await start(drawing, requests, stop.signal)));
    while (queue.length > 0) {
      const group = await Promise.all(queue.splice(0, drawer.together));
      throwIfAborted(signal);
      for (const { completion, promptTokens } of group) {
        stats.promptTokens += promptTokens;
        stats.generatedTokens += completion.tokens;
      }
      const finished = group.map(({ completion }) => completion);
      onText?.(finished.map(({ id, text }) => ({ id, text })));
      queue.push(...(await start(drawing, await onFinished(finished), stop.signal)));
    }
    return stats;
  } finally {
    signal?.removeEventListener('abort', abort);
    stop.abort();
    await Promise.allSettled(queue);
  }
}

/** Sends requests; each has a seed of its own, so each is one completion, and the place keeps the prompts that they share. */
async function start(
  { encode, contextLength, drawer: { draw } }: Drawing,
  requests: readonly GenerateRequest[],
  signal: AbortSignal,
): Promise<Promise<Drawn>[]> {
  if (requests.length === 0) return [];
  for (const request of requests) checkCalculator(request);
  const contexts = await encode(requests.map(({ context }) => context));
  return requests.map((request, i) => {
    const ids = contexts[i] ?? [];
    const drawn = (async () => draw(withinContext(request, ids.length, contextLength), ids, signal))();
    // An earlier one that fails ends the wait for this one.
    drawn.catch(() => undefined);
    return drawn;
  });
}

function checkCalculator({ id, sampling }: GenerateRequest): void {
  if (!sampling.calculator) return;
  throw new SipfError(
    'unsupported',
    `Expected an engine that stops at each token for a calculator, got a server in request ${id}. Draw without the calculator, or on this machine (engine.sampler null).`,
  );
}

/** The request with no more tokens asked for than have a place. */
function withinContext(request: GenerateRequest, length: number, contextLength: number): GenerateRequest {
  const room = contextLength - length;
  if (length > 0 && room > 0)
    return { ...request, sampling: { ...request.sampling, maxTokens: Math.min(request.sampling.maxTokens, room) } };
  throw new SipfError(
    'bad-input',
    `Expected a context of 1 to ${contextLength - 1} tokens (the model's context length) in request ${request.id}, got ${length}. Shorten it, or use fewer examples.`,
  );
}
