// A committed fixture model -> what inference needs of it, for tests.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Engine } from '../src/engine/runtime/session.ts';
import type { KvCache } from '../src/inference/kv-cache.ts';
import { LanguageModel } from '../src/inference/language-model.ts';
import type { ModelWeights } from '../src/inference/passes.ts';
import { decoderOf } from '../src/models/architectures/architectures.ts';
import { openModelFiles } from '../src/models/files/model-files.ts';
import { loadTokenizer, type Tokenizer } from '../src/models/tokenizer/tokenizer.ts';
import { HeldWeights, type Holding, holdingFor } from '../src/models/weights/held-weights.ts';
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
  { adapter, holding }: { readonly adapter?: string; readonly holding?: Holding } = {},
): Promise<TinyModel> {
  const cache = await mkdtemp(join(tmpdir(), 'sipf-tiny-'));
  const files = await openModelFiles(join(fixtures, name), { cache });
  const { architecture, config } = decoderOf(files);
  const merged = await mergeWeights(engine, files, adapter && join(fixtures, adapter), { cache });
  const held = new HeldWeights(merged.slices, holding ?? holdingFor(engine.provider, merged.slices));
  const weights: ModelWeights = { architecture, config, held };
  const tokenizer = await loadTokenizer(join(fixtures, 'tokenizer'));
  const model = new LanguageModel(engine, weights, tokenizer.eosIds);
  return {
    weights,
    model,
    tokenizer,
    hash: merged.hash,
    cache: (slots) => model.cache(slots),
    async [Symbol.asyncDispose]() {
      await model[Symbol.asyncDispose]();
      await merged[Symbol.asyncDispose]();
      await rm(cache, { recursive: true, force: true });
    },
  };
}
