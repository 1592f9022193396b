// A model elsewhere, and the same here -> a Policy that draws there, and asks the rest here.
import { isDeepStrictEqual } from 'node:util';
import type { DrawOptions, GenerateRequest, GenerateStats, GivenTokens, OnFinished, Policy } from '../backend.ts';
import { SipfError, throwIfAborted } from '../errors.ts';
import { allOrNone } from '../remote/all-or-none.ts';
import type { Spread } from '../remote/spread.ts';
import { stopperOf } from '../remote/stopper.ts';
import type { Drawn, ServedModel, Together } from './sampler.ts';

interface Drawer {
  /** Sends requests to the servers. */
  readonly spread: Spread;
  /** Completions that are handed on in one group. */
  readonly together: number;
  /** The most completions of one prompt that are asked for at a time. */
  readonly perRequest: number;
  /** Completions that each server draws at a time. */
  readonly perServer: number;
  /** Log-probabilities of given texts. */
  readonly reader: Policy['logps'];
}

/** `here` is the same model: it answers what none `there` does. */
export function servedPolicy(here: Policy, there: readonly ServedModel[], drawer: Drawer): Policy {
  const contextLength = lengthOf(here, there);
  const drawing: Pick<Drawing, 'encode' | 'contextLength' | 'drawer' | 'there'> = {
    encode: (contexts) => here.encode(contexts),
    contextLength,
    drawer,
    there,
  };
  return {
    hash: here.hash,
    contextLength,
    warnings: here.warnings,
    generate: (requests, onFinished, options) => drawInOrder({ ...drawing, requests, onFinished }, options),
    encode: (contexts) => here.encode(contexts),
    logps: drawer.reader,
    ...(here.encodeGiven && { encodeGiven: (items) => here.encodeGiven!(items) }),
    layers: here.layers,
    ...(here.stepStates && { stepStates: (...args) => here.stepStates!(...args) }),
    chatPrompt: (messages) => here.chatPrompt(messages),
    countTokens: (texts) => here.countTokens(texts),
    room: { servers: there.length, completions: drawer.perServer },
    async [Symbol.asyncDispose]() {
      await Promise.all(there.map((model) => model[Symbol.asyncDispose]()));
      await here[Symbol.asyncDispose]();
    },
  };
}

function lengthOf(here: Policy, there: readonly ServedModel[]): number {
  return Math.min(here.contextLength, ...there.map(({ contextLength }) => contextLength));
}

interface Drawing {
  readonly encode: Policy['encode'];
  readonly contextLength: number;
  readonly drawer: Drawer;
  /** The model at each server. */
  readonly there: readonly ServedModel[];
  readonly requests: readonly GenerateRequest[];
  readonly onFinished: OnFinished;
}

/** Completions are handed on in the order of the requests, a fixed number at a time: what is asked for next depends on no network. */
async function drawInOrder(drawing: Drawing, { signal, onText }: DrawOptions = {}): Promise<GenerateStats> {
  throwIfAborted(signal);
  const { drawer, requests, onFinished } = drawing;
  using stopper = stopperOf(signal);
  const stats = { promptTokens: 0, generatedTokens: 0 };
  const queue: Promise<Drawn>[] = [];
  using unit = drawer.spread.unit();
  const draw: Draw = (some, ids) =>
    unit.send((server) => drawing.there[server]!.draw(some, ids, stopper.signal), stopper.signal);
  try {
    queue.push(...(await start(drawing, requests, draw)));
    while (queue.length > 0) {
      const group = await Promise.all(queue.splice(0, drawer.together));
      throwIfAborted(signal);
      for (const { completion, promptTokens } of group) {
        stats.promptTokens += promptTokens;
        stats.generatedTokens += completion.tokens;
      }
      const finished = group.map(({ completion }) => completion);
      onText?.(finished.map(({ id, text }) => ({ id, text })));
      queue.push(...(await start(drawing, await onFinished(finished), draw)));
    }
    return stats;
  } finally {
    stopper.stop();
    await Promise.allSettled(queue);
  }
}

type Draw = (requests: Together, ids: readonly number[]) => Promise<readonly Drawn[]>;

/** Sends requests, those of one prompt together where the settings say so; else the place keeps the prompts that they share. */
async function start(
  { encode, contextLength, drawer: { perRequest } }: Drawing,
  requests: readonly GenerateRequest[],
  draw: Draw,
): Promise<Promise<Drawn>[]> {
  if (requests.length === 0) return [];
  for (const request of requests) checkCalculator(request);
  const contexts = await encode(requests.map(({ context }) => context));
  const asked = requests.map((request, i) => ({ request, ids: contexts[i] ?? [] }));
  return inGroups(asked, perRequest).flatMap(({ some, ids }) => {
    const within = ([first, ...more]: Together): Together => {
      const cut = (request: GenerateRequest) => withinContext(request, ids.length, contextLength);
      return [cut(first), ...more.map(cut)];
    };
    const group = (async () => draw(within(some), ids))();
    return some.map((_, n) => {
      const drawn = group.then((all) => all[n]!);
      // An earlier one that fails ends the wait for this one.
      drawn.catch(() => undefined);
      return drawn;
    });
  });
}

interface Group {
  readonly some: [GenerateRequest, ...GenerateRequest[]];
  readonly ids: readonly number[];
}

/** Requests beside one another that have one prompt and are sampled alike, at most `most` together. */
function inGroups(
  asked: readonly { readonly request: GenerateRequest; readonly ids: readonly number[] }[],
  most: number,
) {
  const groups: Group[] = [];
  for (const { request, ids } of asked) {
    const last = groups.at(-1);
    const isAlike =
      last !== undefined &&
      last.some.length < most &&
      isDeepStrictEqual([last.ids, last.some[0].sampling], [ids, request.sampling]);
    if (isAlike) last.some.push(request);
    else groups.push({ some: [request], ids });
  }
  return groups;
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

/** Log-probabilities by the servers, of token ids that the model's own files give; null: one of them or the engine here cannot. */
export function readerOf(here: Policy, there: readonly ServedModel[], spread: Spread): Policy['logps'] | null {
  const readers = there.flatMap(({ logps }) => logps ?? []);
  if (readers.length < there.length || here.encodeGiven === undefined) return null;
  const contextLength = lengthOf(here, there);
  return async (items, { signal } = {}) => {
    const given = await here.encodeGiven!(items);
    for (const [n, tokens] of given.entries()) checkGiven(n, tokens, contextLength);
    using unit = spread.unit();
    return await allOrNone(signal, given, async (tokens, stopped) => {
      const isForced = new Set(tokens.forced);
      const told = await unit.send((server) => readers[server]!(tokens, stopped), stopped);
      return told.map((logp, place) => (isForced.has(place) ? null : logp));
    });
  };
}

function checkGiven(n: number, { context, completion }: GivenTokens, limit: number): void {
  if (context.length > 0 && context.length + completion.length <= limit) return;
  throw new SipfError(
    'bad-input',
    `Expected a context of at least one token, and at most ${limit} tokens with the completion (the model's context length) in item ${n}, got ${context.length} + ${completion.length}. Shorten it, or give it a prompt.`,
  );
}
