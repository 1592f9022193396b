// A model source -> tokenizer, configuration and weights with the adapter merged in, checked to belong together. Leaves programs to language-model.ts.
import type { ModelSource } from '../backend.ts';
import type { Engine } from '../engine/runtime/session.ts';
import { SipfError } from '../errors.ts';
import type { ModelWeights } from '../inference/passes.ts';
import { decoderOf } from './architectures/architectures.ts';
import { type CacheOptions, openModelFiles } from './files/model-files.ts';
import { checkVocabulary, loadTokenizer, type Tokenizer } from './tokenizer/tokenizer.ts';
import { checkWeights } from './weights/check-weights.ts';
import { HeldWeights, holdingFor } from './weights/held-weights.ts';
import { mergeWeights } from './weights/merged-weights.ts';

/** Disposing deletes merged weights: programs made of them go first. */
export interface OpenModel extends AsyncDisposable {
  readonly weights: ModelWeights;
  readonly tokenizer: Tokenizer;
  readonly hash: string;
  /** What the user should know of the model's files, though they can be used. */
  readonly warnings: readonly string[];
}

/** @throws SipfError where files are missing, do not fit each other, or are not supported. */
export async function openModel(engine: Engine, source: ModelSource, options: CacheOptions = {}): Promise<OpenModel> {
  const files = await openModelFiles(source.model, options);
  const { architecture, config } = decoderOf(files);
  checkWeights(architecture, config, files);
  const tokenizer = await tokenizerOf(source.model, options);
  checkVocabulary(tokenizer, config.vocab);
  const merged = await mergeWeights(engine, files, source.adapter, options);
  const { slices } = merged;
  return {
    weights: { architecture, config, held: new HeldWeights(slices, holdingFor(engine.provider, slices)) },
    tokenizer,
    hash: merged.hash,
    warnings: [...files.warnings, ...tokenizer.warnings],
    [Symbol.asyncDispose]: () => merged[Symbol.asyncDispose](),
  };
}

/** A folder without tokenizer.json still computes with ids; whatever needs text gets the error that says what is missing. */
async function tokenizerOf(model: string, options: CacheOptions): Promise<Tokenizer> {
  try {
    return await loadTokenizer(model, options);
  } catch (error) {
    if (error instanceof SipfError && error.code === 'not-found') return idsOnly(error);
    throw error;
  }
}

function idsOnly(missing: SipfError): Tokenizer {
  const refuse = (): never => {
    throw missing;
  };
  return {
    encode: refuse,
    encodeContinuation: refuse,
    decode: refuse,
    decodeContinuation: refuse,
    stream: refuse,
    token: refuse,
    leadingIds: [],
    bosId: null,
    eosIds: [],
    padId: null,
    vocabSize: 0,
    warnings: [],
    get chatTemplate(): never {
      return refuse();
    },
  };
}
