// A model in this process -> a Policy: texts, token ids, log-probabilities and states out.
import { setImmediate as nextEvents } from 'node:timers/promises';
import type { Policy, Serving, Vocabulary } from '../../backend.ts';
import type { Engine } from '../../engine/runtime/session.ts';
import { ContextEncoder } from '../../inference/context.ts';
import { generate } from '../../inference/generate.ts';
import type { KvCache } from '../../inference/kv-cache.ts';
import { LanguageModel } from '../../inference/language-model.ts';
import { completionLogps, completionTokens, encodeGiven } from '../../inference/logps.ts';
import { SharedDraws } from '../../inference/shared-draws.ts';
import { encodePaths } from '../../inference/step-reader.ts';
import { StepStates } from '../../inference/step-states.ts';
import { type OpenModel, openModel, openWeights } from '../../models/open-model.ts';
import { renderChat } from '../../models/tokenizer/chat-template.ts';
import type { Tokenizer } from '../../models/tokenizer/tokenizer.ts';
import type { ModelSource } from '../../records.ts';
import { CallQueue } from './call-queue.ts';
import { aboutModel, type ModelOptions } from './model-options.ts';

/** The fastest of 32, 64 and 128 at 135M parameters on 2 threads. */
const SLOTS = 64;

/** A model whose weights are there. */
interface Loaded extends AsyncDisposable {
  readonly model: LanguageModel;
  readonly states: StepStates;
  /** Draws for callers that come at any time, with a cache of their own. */
  readonly shared: SharedDraws;
  /** That of `generate`, made at the first call. */
  readonly cache: () => KvCache;
}

/**
 * Weights are converted, and an adapter is merged in, when something is first computed: a model that a server draws from needs its tokenizer alone.
 * @throws SipfError where the model, its tokenizer or the adapter is missing, damaged or does not fit.
 */
export async function openInProcessPolicy(
  engine: Engine,
  source: ModelSource,
  { cache: folder, slots = SLOTS, quantisation }: ModelOptions = {},
): Promise<Policy & Serving> {
  const opened = await openModel(source, { cache: folder, quantisation });
  const { tokenizer, decoder } = opened;
  const { vocab, layers } = decoder.config;
  const calls = new CallQueue();
  let loading: Promise<Loaded> | undefined;
  const load = () => (loading ??= loadModel(engine, opened, { calls, slots, cache: folder }));
  return {
    ...aboutModel(opened),
    generate: (requests, onFinished, options = {}) =>
      calls.take(async () => {
        const { model, cache } = await load();
        return generate({ model, cache: cache(), tokenizer }, requests, onFinished, options);
      }),
    logps: (items, options = {}) =>
      calls.take(async () => completionLogps({ model: (await load()).model, tokenizer }, items, options)),
    encodeGiven: async (items) => encodeGiven({ tokenizer, vocab }, items),
    vocabulary: async () => vocabularyOf(tokenizer),
    decode: async (ids) => ids.map((some) => tokenizer.decodeContinuation(some)),
    draw: async (requests, options) => (await calls.take(load)).shared.draw(requests, options),
    readTokens: (items, options) =>
      calls.take(async () => completionTokens({ model: (await load()).model, tokenizer }, items, options)),
    layers,
    async stepStates(paths, layers, options = {}) {
      const read = encodePaths(paths, tokenizer, vocab);
      return calls.take(async () => (await load()).states.read(read, layers, options));
    },
    async encode(contexts) {
      const encoder = new ContextEncoder(tokenizer, vocab);
      const ids: number[][] = [];
      for (const pieces of contexts) {
        ids.push(encoder.encode(pieces));
        // Others draw between two texts.
        await nextEvents();
      }
      return ids;
    },
    chatPrompt: async (messages) => renderChat(tokenizer, messages, { model: opened.source.model }),
    [Symbol.asyncDispose]: () =>
      calls.close(async () => {
        // One that failed has told those that asked for it.
        const loaded = await loading?.catch(() => undefined);
        await loaded?.[Symbol.asyncDispose]();
      }),
  };
}

interface LoadOptions {
  readonly calls: CallQueue;
  readonly slots: number;
  readonly cache: string | undefined;
}

async function loadModel(engine: Engine, opened: OpenModel, { calls, slots, cache }: LoadOptions): Promise<Loaded> {
  const { tokenizer } = opened;
  const weights = await openWeights(engine, opened, { cache });
  const model = new LanguageModel(engine, weights, tokenizer.eosIds);
  const states = new StepStates(engine, weights);
  const [own, common] = [lazyCache(model, slots), lazyCache(model, slots)];
  const shared = new SharedDraws(
    () => ({ model, cache: common.get(), tokenizer }),
    (step) => calls.take(step),
  );
  return {
    model,
    states,
    shared,
    cache: own.get,
    async [Symbol.asyncDispose]() {
      shared[Symbol.dispose]();
      for (const cache of [common, own]) cache[Symbol.dispose]();
      await states[Symbol.asyncDispose]();
      await model[Symbol.asyncDispose]();
      await weights[Symbol.asyncDispose]();
    },
  };
}

/** A cache that is made at its first use. */
function lazyCache(model: LanguageModel, slots: number) {
  let made: KvCache | undefined;
  return {
    get() {
      made ??= model.cache(slots);
      return made;
    },
    [Symbol.dispose]: () => made?.[Symbol.dispose](),
  };
}

function vocabularyOf({ vocabSize, bosId, eosIds, padId, leadingIds, chatTemplate, token }: Tokenizer): Vocabulary {
  const textOf = (id: number | null | undefined) => (id == null ? null : (token(id) ?? null));
  const [eosId] = eosIds;
  return {
    size: vocabSize,
    bos: textOf(bosId),
    eos: textOf(eosId),
    pad: textOf(padId),
    leading: leadingIds,
    chatTemplate,
  };
}
