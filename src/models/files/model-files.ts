// A folder, .gguf file or hub id -> configuration, tensor shapes, content hash and weights.
import { join } from 'node:path';
import type { CacheOptions } from '../../io/cache.ts';
import { exists, readJsonObject } from '../../io/file-bytes.ts';
import { contentHash } from '../../io/file-hashes.ts';
import type { ModelConfig } from '../architectures/architecture.ts';
import { tiesByDefault } from '../architectures/architectures.ts';
import { settleOutputHead } from '../architectures/output-head.ts';
import { areMappable, cachedEntries, FLOAT32, type StoredTensors, storedTensors } from '../weights/weight-cache.ts';
import { noConfig, noWeights } from './foreign-models.ts';
import { readGguf } from './gguf.ts';
import { ggufModel } from './gguf-model.ts';
import { resolveSource } from './model-source.ts';
import { refuseQuantisedConfig, refuseQuantisedTensors } from './quantised.ts';
import { readSafetensorsHeader, type TensorEntry } from './safetensors.ts';

export interface ModelFiles {
  /** Absolute path of the folder or .gguf file. */
  readonly path: string;
  /** As the weights have it: `tie_word_embeddings` is false where another head is stored. */
  readonly config: ModelConfig;
  /** Where the configuration stands: config.json, or the .gguf file. */
  readonly configFile: string;
  /** What the user should know of these files, though they can be used. */
  readonly warnings: readonly string[];
  /** Hexadecimal sha256 of configuration and weights: the same wherever they lie. */
  readonly hash: string;
  /** Shapes by Hugging Face name (`model.layers.0.self_attn.q_proj.weight`). */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** The tensors as they are stored, read in float32. */
  readonly stored: StoredTensors;
  /** Float32 tensors by the same names; the first call may convert into the cache. */
  weights(): Promise<ReadonlyMap<string, TensorEntry>>;
}

/**
 * Opens a model without reading its weights (except for the hash of files it has not seen).
 * @throws SipfError where files are missing, corrupt, truncated, or of a kind that is not supported.
 */
export async function openModelFiles(source: string, options: CacheOptions = {}): Promise<ModelFiles> {
  const { path, kind } = await resolveSource(source, options);
  return kind === 'gguf' ? openGguf(path, options) : openFolder(path, options);
}

async function openGguf(path: string, options: CacheOptions): Promise<ModelFiles> {
  const gguf = await readGguf(path);
  const { config, weights } = await ggufModel(gguf);
  const hash = await contentHash(gguf.files, options);
  const stored: StoredTensors = { tensors: weights, fileOf: () => path };
  return {
    path,
    config,
    configFile: path,
    warnings: [],
    hash,
    shapes: new Map(weights.map(({ name, shape }) => [name, shape])),
    stored,
    weights: () => cachedEntries(stored, `${hash}.${FLOAT32}`, options),
  };
}

async function openFolder(path: string, options: CacheOptions): Promise<ModelFiles> {
  const configFile = join(path, 'config.json');
  if (!(await exists(configFile))) throw await noConfig(path);
  const json = await readJsonObject(configFile);
  refuseQuantisedConfig(json, configFile);
  const stored = await readSafetensorsHeader(await weightsFile(path));
  refuseQuantisedTensors(stored);
  const { config, entries, warnings } = await settleOutputHead(json, stored, path, tiesByDefault(json));
  const files = [...new Set([...stored.values()].map((entry) => entry.file))];
  const hash = await contentHash([configFile, ...files], options);
  return {
    path,
    config,
    configFile,
    warnings,
    hash,
    shapes: new Map([...entries].map(([name, { shape }]) => [name, shape])),
    stored: storedTensors(entries),
    weights: async () =>
      areMappable(entries) ? entries : cachedEntries(storedTensors(entries), `${hash}.${FLOAT32}`, options),
  };
}

async function weightsFile(path: string): Promise<string> {
  const single = join(path, 'model.safetensors');
  if (await exists(single)) return single;
  if (await exists(`${single}.index.json`)) return `${single}.index.json`;
  throw await noWeights(path);
}
