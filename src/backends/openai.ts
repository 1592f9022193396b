// A server that speaks POST /v1/completions -> a Sampler for the one model that it serves.
import { resolve } from 'node:path';
import type {
  Backend,
  CallOptions,
  Completion,
  ContextPiece,
  DrawOptions,
  GenerateRequest,
  GenerateStats,
  ModelDescription,
  OnFinished,
  Policy,
  Sampler,
  SamplingOptions,
} from '../backend.ts';
import type { OpenAiSettings } from '../engine-settings.ts';
import { SipfError, throwIfAborted } from '../errors.ts';
import { hash32 } from '../random.ts';
import type { ModelSource } from '../records.ts';
import { type Answer, CompletionServer, type ServerOptions, type ServerParts } from './completion-server.ts';

export interface OpenAiOptions extends ServerOptions, Pick<OpenAiSettings, 'others' | 'dialect' | 'prompts'> {
  /** The files of the model that the server has. */
  readonly serves: ModelSource;
}

interface OpenAiParts extends ServerParts {
  /** Has the model's files: lengths, templates, log-probabilities of given texts, and other models. */
  readonly local: Backend;
  /** Told once of each model that the server does not serve. */
  readonly log: (message: string) => void;
}

/**
 * Draws from the server what it serves; other models as `others` says. Disposing it leaves `local` open.
 * @throws SipfError 'unsupported', from openPolicy, for a model that the server does not serve; the calls of its policy throw 'unreachable' where the server fails.
 */
export function createOpenAiSampler(options: OpenAiOptions, parts: OpenAiParts): Sampler {
  const server = new CompletionServer(options, parts);
  const { serves, others, url } = options;
  const told = new Set<string>();
  return {
    async openPolicy(source) {
      const name = nameOf(source);
      if (name === nameOf(serves))
        return new ServerPolicy({
          server,
          options,
          described: await parts.local.describe(source),
          open: () => parts.local.openPolicy(source),
        });
      if (others === 'refuse') {
        throw new SipfError(
          'unsupported',
          `Expected a model that ${url} serves (${nameOf(serves)}), got ${name}. Set engine.sampler.others local to draw from it here. After a warm-up, which sft.enabled false leaves out, and after each round the policy is another model.`,
        );
      }
      if (!told.has(name)) parts.log(`${url} does not serve ${name}: it draws here.`);
      told.add(name);
      return parts.local.openPolicy(source);
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

function nameOf({ model, adapter }: ModelSource): string {
  return adapter === undefined ? resolve(model) : `${resolve(model)} with ${resolve(adapter)}`;
}

/** What each kind of server takes beyond the standard, so that it draws from the raw distribution with any defaults of its own. */
const DIALECTS: Readonly<Record<OpenAiSettings['dialect'], (sampling: SamplingOptions) => object>> = {
  vllm: ({ topK = 0, ignoreEos = false }) => ({
    top_k: topK,
    min_p: 0,
    repetition_penalty: 1,
    ignore_eos: ignoreEos,
    return_token_ids: true,
  }),
  'llama.cpp': ({ topK = 0, ignoreEos = false }) => ({
    top_k: topK,
    min_p: 0,
    repeat_penalty: 1,
    ignore_eos: ignoreEos,
    cache_prompt: true,
  }),
  openai({ topK = 0, ignoreEos = false }) {
    if (topK === 0 && !ignoreEos) return {};
    throw new SipfError(
      'unsupported',
      `Expected a server that knows ${topK === 0 ? 'ignore_eos' : 'top_k'}, got engine.sampler.dialect openai. Set the dialect to the server's own, or turn that option off.`,
    );
  },
};

/** A completion with what its prompt cost. */
interface Drawn {
  readonly completion: Completion;
  readonly promptTokens: number;
}

interface ServerPolicyArgs {
  readonly server: CompletionServer;
  readonly options: OpenAiOptions;
  readonly described: ModelDescription;
  /** Opens the same model here. */
  readonly open: () => Promise<Policy>;
}

/** Completions are given on in the order of the requests, a fixed number at a time: what is asked for next depends on no network. */
class ServerPolicy implements Policy {
  readonly hash: string;
  readonly contextLength: number;
  readonly warnings: readonly string[];
  readonly #args: ServerPolicyArgs;
  #local: Promise<Policy> | undefined;
  #isClosed = false;

  constructor(args: ServerPolicyArgs) {
    const { hash, contextLength, warnings } = args.described;
    this.hash = hash;
    this.contextLength = contextLength;
    this.warnings = warnings;
    this.#args = args;
  }

  async generate(
    requests: readonly GenerateRequest[],
    onFinished: OnFinished,
    { signal, onText }: DrawOptions = {},
  ): Promise<GenerateStats> {
    throwIfAborted(signal);
    const stop = new AbortController();
    const abort = () => stop.abort();
    signal?.addEventListener('abort', abort);
    const together = Math.max(1, Math.floor(this.#args.options.concurrency / 8));
    const stats = { promptTokens: 0, generatedTokens: 0 };
    const queue: Promise<Drawn>[] = [];
    try {
      queue.push(...(await this.#start(requests, stop.signal)));
      while (queue.length > 0) {
        const group = await Promise.all(queue.splice(0, together));
        throwIfAborted(signal);
        for (const { completion, promptTokens } of group) {
          stats.promptTokens += promptTokens;
          stats.generatedTokens += completion.tokens;
        }
        const finished = group.map(({ completion }) => completion);
        onText?.(finished.map(({ id, text }) => ({ id, text })));
        queue.push(...(await this.#start(await onFinished(finished), stop.signal)));
      }
      return stats;
    } finally {
      signal?.removeEventListener('abort', abort);
      stop.abort();
      await Promise.allSettled(queue);
    }
  }

  /** Sends requests; each has a seed of its own, so each is one completion (n: 1), and the server keeps the prompts that they share. */
  async #start(requests: readonly GenerateRequest[], signal: AbortSignal): Promise<Promise<Drawn>[]> {
    if (requests.length === 0) return [];
    const contexts = await this.encode(requests.map(({ context }) => context));
    return requests.map((request, i) => {
      const drawn = this.#draw(request, contexts[i] ?? [], signal);
      // Whoever waits for an earlier one hears of this one later.
      drawn.catch(() => undefined);
      return drawn;
    });
  }

  async #draw(request: GenerateRequest, ids: readonly number[], signal: AbortSignal): Promise<Drawn> {
    const { id, context, key, sampling } = request;
    const { prompts, dialect } = this.#args.options;
    const room = this.contextLength - ids.length;
    if (ids.length === 0 || room <= 0) {
      throw new SipfError(
        'bad-input',
        `Expected a context of 1 to ${this.contextLength - 1} tokens (the model's context length) in request ${id}, got ${ids.length}. Shorten it, or use fewer examples.`,
      );
    }
    const answer = await this.#args.server.complete(
      {
        prompt: prompts === 'ids' ? ids : textOf(context),
        n: 1,
        seed: hash32(key) >>> 1,
        temperature: sampling.temperature,
        top_p: sampling.topP ?? 1,
        presence_penalty: 0,
        frequency_penalty: 0,
        max_tokens: Math.min(sampling.maxTokens, room),
        logprobs: 1,
        ...(sampling.stopStrings?.length ? { stop: sampling.stopStrings } : {}),
        ...DIALECTS[dialect](sampling),
      },
      signal,
    );
    return { completion: completionOf(id, answer), promptTokens: answer.usage?.prompt_tokens ?? ids.length };
  }

  async encode(contexts: readonly (readonly ContextPiece[])[]): Promise<number[][]> {
    return (await this.#opened()).encode(contexts);
  }

  async logps(items: Parameters<Policy['logps']>[0], options?: CallOptions): Promise<number[][]> {
    return (await this.#opened()).logps(items, options);
  }

  async chatPrompt(messages: Parameters<Policy['chatPrompt']>[0]): Promise<string> {
    return (await this.#opened()).chatPrompt(messages);
  }

  async countTokens(texts: readonly string[]): Promise<number[]> {
    return (await this.#opened()).countTokens(texts);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await (await this.#local)?.[Symbol.asyncDispose]();
  }

  /** The same model here: what the interface has no request for is asked of it. */
  async #opened(): Promise<Policy> {
    if (this.#isClosed) throw new Error('The model is closed.');
    this.#local ??= this.#args.open();
    return this.#local;
  }
}

function textOf(context: readonly ContextPiece[]): string {
  const texts = context.filter((piece) => typeof piece === 'string');
  if (texts.length === context.length) return texts.join('');
  throw new SipfError(
    'unsupported',
    'Expected prompts of text for engine.sampler.prompts text, got token ids, as chat templates need them. Set engine.sampler.prompts ids.',
  );
}

function completionOf(id: string, { choices: [choice], usage }: Answer): Completion {
  const { text, finish_reason: reason, token_ids: ownIds, logprobs } = choice;
  const { token_logprobs: plain, content } = logprobs ?? {};
  const ids = ownIds ?? content?.map((token) => token.id);
  const tokenIds = ids?.every((token) => token !== undefined) ? ids : null;
  const given = plain ?? content?.map(({ logprob }) => logprob);
  const logps = given?.every((logp) => logp !== null) ? given : null;
  if (tokenIds !== null && logps !== null && tokenIds.length !== logps.length) {
    throw new SipfError(
      'unsupported',
      `Expected one log-probability for each token id of a completion, got ${tokenIds.length} and ${logps.length}. Use a server that tells both of the same tokens.`,
    );
  }
  const tokens = tokenIds?.length ?? usage?.completion_tokens ?? logps?.length;
  if (tokens !== undefined)
    return { id, text, tokens, tokenIds, logps, finishReason: reason === 'length' ? reason : 'stop' };
  throw new SipfError(
    'unsupported',
    'Expected a completion with usage, token ids or log-probabilities, got none: its length is unknown. Use a server that tells one of them.',
  );
}
