// A model source -> tokenizer, configuration and weights with the adapter merged in, checked to belong together. Leaves programs to language-model.ts.
import type { ModelSource } from '../backends/backend.ts';
import type { Engine } from '../engine/session.ts';
import { architectureOf } from '../models/architectures.ts';
import { mergeWeights } from '../models/merged-weights.ts';
import { type CacheOptions, openModelFiles } from '../models/model-files.ts';
import { checkVocabulary, loadTokenizer, type Tokenizer } from '../models/tokenizer.ts';
import type { ModelWeights } from './passes.ts';

/** Disposing deletes merged weights: programs made of them go first. */
export interface OpenModel extends AsyncDisposable {
  readonly weights: ModelWeights;
  readonly tokenizer: Tokenizer;
  readonly hash: string;
}

/** @throws SipfError where files are missing, do not fit each other, or are not supported. */
export async function openModel(engine: Engine, source: ModelSource, options: CacheOptions = {}): Promise<OpenModel> {
  const files = await openModelFiles(source.model, options);
  const architecture = architectureOf(files.config);
  const config = architecture.configure(files.config);
  const tokenizer = await loadTokenizer(source.model, options);
  checkVocabulary(tokenizer, config.vocab);
  const merged = await mergeWeights(engine, files, source.adapter, options);
  return {
    weights: { architecture, config, slices: merged.slices },
    tokenizer,
    hash: merged.hash,
    [Symbol.asyncDispose]: () => merged[Symbol.asyncDispose](),
  };
}
