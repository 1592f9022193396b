// A committed fixture model -> what inference needs of it, for tests.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Engine } from '../src/engine/runtime/session.ts';
import type { KvCache } from '../src/inference/kv-cache.ts';
import { LanguageModel } from '../src/inference/language-model.ts';
import { type ModelWeights, openModel } from '../src/models/open-model.ts';
import { loadTokenizer, type Tokenizer } from '../src/models/tokenizer/tokenizer.ts';
import { type Feeding, feedingFor, GraphWeights } from '../src/models/weights/graph-weights.ts';
import { mergeWeights } from '../src/models/weights/merged-weights.ts';

export const fixtures = join(import.meta.dirname, 'fixtures');

/** A generator over a fixture, with what must be disposed. */
export interface TinyModel extends AsyncDisposable {
  readonly weights: ModelWeights;
  readonly model: LanguageModel;
  readonly tokenizer: Tokenizer;
  readonly hash: string;
  /** A cache of its own for each number of slots. */
  cache(slots: number): KvCache;
}

/** Opens test/fixtures/NAME (a model folder) with the common fixture tokenizer. */
export async function openTiny(
  engine: Engine,
  name: string,
  { adapter, feeding }: { readonly adapter?: string; readonly feeding?: Feeding } = {},
): Promise<TinyModel> {
  const cache = await mkdtemp(join(tmpdir(), 'sipf-tiny-'));
  const source = { model: join(fixtures, name), adapter: adapter && join(fixtures, adapter) };
  const opened = await openModel(source, { cache });
  const merged = await mergeWeights(engine, opened, { cache });
  const values = new GraphWeights(engine, merged.slices, feeding ?? feedingFor(engine.provider, merged.slices));
  const weights: ModelWeights = {
    decoder: opened.decoder,
    values,
    async [Symbol.asyncDispose]() {
      values[Symbol.dispose]();
      await merged[Symbol.asyncDispose]();
    },
  };
  const tokenizer = await loadTokenizer(join(fixtures, 'tokenizer'));
  const model = new LanguageModel(engine, weights, tokenizer.eosIds);
  return {
    weights,
    model,
    tokenizer,
    hash: opened.hash,
    cache: (slots) => model.cache(slots),
    async [Symbol.asyncDispose]() {
      await model[Symbol.asyncDispose]();
      await weights[Symbol.asyncDispose]();
      await rm(cache, { recursive: true, force: true });
    },
  };
}
