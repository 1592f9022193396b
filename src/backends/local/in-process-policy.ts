// A model in this process -> a Policy: text in, completions and log-probabilities out.

import type { CallOptions, DrawOptions, GenerateRequest, GenerateStats, OnFinished, Policy } from '../../backend.ts';
import type { Engine } from '../../engine/runtime/session.ts';
import { ContextEncoder } from '../../inference/context.ts';
import { generate } from '../../inference/generate.ts';
import type { KvCache } from '../../inference/kv-cache.ts';
import { LanguageModel } from '../../inference/language-model.ts';
import { completionLogps } from '../../inference/logps.ts';
import { type ModelWeights, type OpenModel, openModel, openWeights } from '../../models/open-model.ts';
import { renderChat } from '../../models/tokenizer/chat-template.ts';
import type { ModelSource } from '../../records.ts';
import { CallQueue } from './call-queue.ts';

export interface InProcessOptions {
  /** Folder of converted and merged weights; default: $SIPF_CACHE or ~/.cache/sipf. */
  readonly cache?: string;
  /** Sequences decoded at once. */
  readonly slots?: number;
}

/** The fastest of 32, 64 and 128 at 135M parameters on 2 threads. */
const SLOTS = 64;

/** @throws SipfError where the model, its tokenizer or the adapter is missing, damaged or does not fit. */
export async function openInProcessPolicy(
  engine: Engine,
  source: ModelSource,
  { cache, slots = SLOTS }: InProcessOptions = {},
): Promise<Policy> {
  const model = await openModel(source, { cache });
  return new InProcessPolicy(engine, model, await openWeights(engine, model, { cache }), slots);
}

class InProcessPolicy implements Policy {
  readonly hash: string;
  readonly contextLength: number;
  readonly warnings: readonly string[];
  readonly #opened: OpenModel;
  readonly #weights: ModelWeights;
  readonly #model: LanguageModel;
  readonly #slots: number;
  readonly #calls = new CallQueue();
  #cache: KvCache | undefined;

  constructor(engine: Engine, opened: OpenModel, weights: ModelWeights, slots: number) {
    this.hash = opened.hash;
    this.contextLength = opened.decoder.config.contextLength;
    this.warnings = opened.warnings;
    this.#opened = opened;
    this.#weights = weights;
    this.#model = new LanguageModel(engine, weights, opened.tokenizer.eosIds);
    this.#slots = slots;
  }

  generate(
    requests: readonly GenerateRequest[],
    onFinished: OnFinished,
    { signal, onText }: DrawOptions = {},
  ): Promise<GenerateStats> {
    return this.#calls.take(() => {
      this.#cache ??= this.#model.cache(this.#slots);
      const generator = { model: this.#model, cache: this.#cache, tokenizer: this.#opened.tokenizer };
      return generate(generator, requests, onFinished, { signal, onText });
    });
  }

  logps(items: Parameters<Policy['logps']>[0], { signal }: CallOptions = {}): Promise<number[][]> {
    const scorer = { model: this.#model, tokenizer: this.#opened.tokenizer };
    return this.#calls.take(() => completionLogps(scorer, items, { signal }));
  }

  async encode(contexts: Parameters<Policy['encode']>[0]): Promise<number[][]> {
    const encoder = new ContextEncoder(this.#opened.tokenizer, this.#opened.decoder.config.vocab);
    return contexts.map((pieces) => encoder.encode(pieces));
  }

  async chatPrompt(messages: Parameters<Policy['chatPrompt']>[0]): Promise<string> {
    return renderChat(this.#opened.tokenizer, messages, { model: this.#opened.source.model });
  }

  async countTokens(texts: readonly string[]): Promise<number[]> {
    return texts.map((text) => this.#opened.tokenizer.encodeContinuation(text).length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#calls.close(async () => {
      this.#cache?.[Symbol.dispose]();
      this.#cache = undefined;
      await this.#model[Symbol.asyncDispose]();
      await this.#weights[Symbol.asyncDispose]();
    });
  }
}
