// A model source -> files, tokenizer, decoder, adapter, checked together; then weights for graphs.
import type { Engine } from '../engine/runtime/session.ts';
import { printable, SipfError } from '../errors.ts';
import { checkpointHash, sha256 } from '../hashing.ts';
import type { CacheOptions } from '../io/cache.ts';
import type { ModelSource } from '../records.ts';
import type { Architecture, Decoder } from './architectures/architecture.ts';
import { architectureOf } from './architectures/architectures.ts';
import { decoderOf } from './architectures/form.ts';
import { withBase } from './files/adapter-base.ts';
import { type AdapterFiles, adapterHash, readAdapter } from './files/adapter-files.ts';
import { type ModelFiles, openModelFiles } from './files/model-files.ts';
import { resolveAdapter } from './files/model-source.ts';
import { checkVocabulary, loadTokenizer, type Tokenizer } from './tokenizer/tokenizer.ts';
import { AdaptedWeights } from './weights/adapted-weights.ts';
import { checkWeights } from './weights/check-weights.ts';
import { feedingFor, GraphWeights, type ModelValues } from './weights/graph-weights.ts';
import { mergeWeights } from './weights/merged-weights.ts';
import { quantisedWeights } from './weights/quantised-weights.ts';
import type { Quantisation } from './weights/quantisers/quantisers.ts';

/** A model whose weights are not read yet. */
export interface OpenModel {
  /** As given; an adapter's folder given as the model has become its base with that adapter. */
  readonly source: ModelSource;
  readonly files: ModelFiles;
  readonly adapter: AdapterFiles | null;
  readonly architecture: Architecture;
  readonly decoder: Decoder;
  readonly tokenizer: Tokenizer;
  /** How its frozen matrices are stored; null: as they are, in float32. */
  readonly quantisation: Quantisation | null;
  /** Of the weights, as they are stored. */
  readonly baseHash: string;
  /** Of weights and adapter. */
  readonly hash: string;
  /** What the user should know of the model's files, though they can be used. */
  readonly warnings: readonly string[];
}

export interface OpenModelOptions extends CacheOptions {
  /** How its frozen matrices are stored. Absent or null: in float32. */
  readonly quantisation?: Quantisation | null | undefined;
}

/** @throws SipfError where files are missing, do not belong together, or are not supported. */
export async function openModel(given: ModelSource, options: OpenModelOptions = {}): Promise<OpenModel> {
  const { quantisation = null } = options;
  const source = await withBase(given, options);
  const files = await openModelFiles(source.model, options);
  const architecture = architectureOf(files.config, files.configFile);
  const decoder = decoderOf(architecture, files.config, files.configFile);
  checkWeights(decoder, files);
  const tokenizer = await tokenizerOf(source.model, options);
  const padding = checkVocabulary(tokenizer, decoder.config.vocab, files.path);
  const folder = source.adapter === undefined ? null : await resolveAdapter(source.adapter, options);
  const adapter = folder === null ? null : await readAdapter(folder);
  if (adapter) checkAdapter(adapter, files, source.adapter as string);
  const adapted = folder === null ? null : await adapterHash(folder, options);
  const baseHash = quantisation === null ? files.hash : sha256(`${files.hash}\n${quantisation}`);
  return {
    source,
    files,
    adapter,
    architecture,
    decoder,
    tokenizer,
    quantisation,
    baseHash,
    hash: checkpointHash(baseHash, adapted),
    warnings: [...files.warnings, ...tokenizer.warnings, ...padding],
  };
}

/** A model's graph and its weights. Disposing deletes merged weights: programs made of them go first. */
export interface ModelWeights extends AsyncDisposable {
  readonly decoder: Decoder;
  readonly values: ModelValues;
}

/**
 * Weights without the adapter, which nothing changes; its matrices as the model stores them.
 * @throws SipfError 'write-failed' where the disk refuses what has to be converted.
 */
export async function openBase(
  engine: Engine,
  { files, decoder, quantisation }: OpenModel,
  options: CacheOptions = {},
): Promise<ModelValues> {
  if (quantisation === null) {
    const slices = await files.weights();
    return new GraphWeights(engine, slices, feedingFor(engine.provider, slices));
  }
  const { slices, quantised } = await quantisedWeights(decoder, files, quantisation, options);
  return new GraphWeights(engine, slices, 'mapped', quantised);
}

/**
 * Weights with the adapter merged in; beside them where they are quantised.
 * @throws SipfError where the sum is no number, or the disk refuses.
 */
export async function openWeights(engine: Engine, model: OpenModel, options: CacheOptions = {}): Promise<ModelWeights> {
  if (model.quantisation !== null) return besideQuantised(engine, model, options);
  const merged = await mergeWeights(engine, model, options);
  const values = new GraphWeights(engine, merged.slices, feedingFor(engine.provider, merged.slices));
  return {
    decoder: model.decoder,
    values,
    async [Symbol.asyncDispose]() {
      values[Symbol.dispose]();
      await merged[Symbol.asyncDispose]();
    },
  };
}

async function besideQuantised(engine: Engine, model: OpenModel, options: CacheOptions): Promise<ModelWeights> {
  const base = await openBase(engine, model, options);
  const values = model.adapter === null ? base : new AdaptedWeights(engine, base, model.adapter);
  return { decoder: model.decoder, values, [Symbol.asyncDispose]: async () => values[Symbol.dispose]() };
}

function checkAdapter({ tensors, rank }: AdapterFiles, { shapes }: ModelFiles, folder: string): void {
  for (const [module, { a, b }] of tensors) {
    const shape = shapes.get(`${module}.weight`);
    if (shape && shape[1] === a.length / rank && shape[0] === b.length / rank) continue;
    throw new SipfError(
      'bad-input',
      `Expected an adapter for this model in ${folder}, got factors of ${printable(module)} for [${b.length / rank}, ${a.length / rank}] where the model has ${shape ? `[${shape}]` : 'no such layer'}. Use the base that the adapter was trained on.`,
    );
  }
}

/** A folder without tokenizer.json still computes with ids; what needs text gets the error that says what is missing. */
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
