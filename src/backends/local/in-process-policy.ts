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
import { openModel, openWeights } from '../../models/open-model.ts';
import { renderChat } from '../../models/tokenizer/chat-template.ts';
import type { Tokenizer } from '../../models/tokenizer/tokenizer.ts';
import type { ModelSource } from '../../records.ts';
import { CallQueue } from './call-queue.ts';
import { aboutModel, type ModelOptions } from './model-options.ts';

/** The fastest of 32, 64 and 128 at 135M parameters on 2 threads. */
const SLOTS = 64;

/** @throws SipfError where the model, its tokenizer or the adapter is missing, damaged or does not fit. */
export async function openInProcessPolicy(
  engine: Engine,
  source: ModelSource,
  { cache: folder, slots = SLOTS, quantisation }: ModelOptions = {},
): Promise<Policy & Serving> {
  const opened = await openModel(source, { cache: folder, quantisation });
  const weights = await openWeights(engine, opened, { cache: folder });
  const { tokenizer, decoder } = opened;
  const model = new LanguageModel(engine, weights, tokenizer.eosIds);
  const states = new StepStates(engine, weights);
  const calls = new CallQueue();
  let cache: KvCache | undefined;
  let sharedCache: KvCache | undefined;
  const shared = new SharedDraws(
    () => {
      sharedCache ??= model.cache(slots);
      return { model, cache: sharedCache, tokenizer };
    },
    (step) => calls.take(step),
  );
  return {
    ...aboutModel(opened),
    generate: (requests, onFinished, options = {}) =>
      calls.take(() => {
        cache ??= model.cache(slots);
        return generate({ model, cache, tokenizer }, requests, onFinished, options);
      }),
    logps: (items, options = {}) => calls.take(() => completionLogps({ model, tokenizer }, items, options)),
    encodeGiven: async (items) => encodeGiven({ model, tokenizer }, items),
    vocabulary: async () => vocabularyOf(tokenizer),
    decode: async (ids) => ids.map((some) => tokenizer.decodeContinuation(some)),
    draw: (requests, options) => shared.draw(requests, options),
    readTokens: (items, options) => calls.take(() => completionTokens({ model, tokenizer }, items, options)),
    layers: decoder.config.layers,
    async stepStates(paths, layers, options = {}) {
      const read = encodePaths(paths, tokenizer, decoder.config.vocab);
      return calls.take(() => states.read(read, layers, options));
    },
    async encode(contexts) {
      const encoder = new ContextEncoder(tokenizer, decoder.config.vocab);
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
        shared[Symbol.dispose]();
        sharedCache?.[Symbol.dispose]();
        cache?.[Symbol.dispose]();
        await states[Symbol.asyncDispose]();
        await model[Symbol.asyncDispose]();
        await weights[Symbol.asyncDispose]();
      }),
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
