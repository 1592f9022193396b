// A Hugging Face folder, .gguf file or hub id -> its configuration, tensor shapes, content hash and float32 weights. Knows no architecture and no graph.
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { SipfError } from '../errors.ts';
import { contentHash } from './content-hash.ts';
import { exists, readJsonObject } from './file-bytes.ts';
import { readGguf } from './gguf.ts';
import { ggufModel } from './gguf-architectures.ts';
import { type CacheOptions, resolveSource } from './hub.ts';
import { readSafetensorsHeader } from './safetensors.ts';
import { ggufWeights, safetensorsWeights, type WeightSlice } from './weight-cache.ts';

export type { CacheOptions } from './hub.ts';
export type { WeightSlice } from './weight-cache.ts';

/**
 * What config.json says, in its own words (model_type, hidden_size, ...); GGUF metadata is put into the same words. RoPE stands either in
 * `rope_parameters` (transformers 5, GGUF) or in `rope_theta` + `rope_scaling` (before).
 */
export type ModelConfig = Readonly<Record<string, unknown>>;

export interface ModelFiles {
  /** As the user gave it. */
  readonly source: string;
  readonly format: 'safetensors' | 'gguf';
  /** Absolute path of the folder or .gguf file. */
  readonly path: string;
  readonly config: ModelConfig;
  /** Hexadecimal sha256 of configuration and weights: the same wherever they lie. */
  readonly hash: string;
  /** Shapes by Hugging Face name (`model.layers.0.self_attn.q_proj.weight`). */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** Float32 slices by the same names; the first call may convert into the cache. */
  weights(): Promise<Map<string, WeightSlice>>;
}

/**
 * Opens a model without reading its weights (except for the hash of files it has not seen).
 * @throws SipfError where files are missing, corrupt, truncated, or of a kind that is not supported.
 */
export async function openModelFiles(source: string, options: CacheOptions = {}): Promise<ModelFiles> {
  const { path, kind } = await resolveSource(source, options);
  return kind === 'gguf' ? openGguf(source, path, options) : openFolder(source, path, options);
}

async function openGguf(source: string, path: string, options: CacheOptions): Promise<ModelFiles> {
  const { config, weights } = await ggufModel(await readGguf(path));
  const hash = await contentHash([path], options);
  return {
    source,
    format: 'gguf',
    path,
    config,
    hash,
    shapes: new Map(weights.map(({ name, shape }) => [name, shape])),
    weights: () => ggufWeights(weights, hash, options),
  };
}

async function openFolder(source: string, path: string, options: CacheOptions): Promise<ModelFiles> {
  await checkFolder(path);
  const config = await readJsonObject(join(path, 'config.json'));
  const entries = await readSafetensorsHeader(await weightsFile(path));
  const files = [...new Set([...entries.values()].map((entry) => entry.file))];
  const hash = await contentHash([join(path, 'config.json'), ...files], options);
  return {
    source,
    format: 'safetensors',
    path,
    config,
    hash,
    shapes: new Map([...entries].map(([name, { shape }]) => [name, shape])),
    weights: () => safetensorsWeights(entries, hash, options),
  };
}

async function checkFolder(path: string): Promise<void> {
  if (await exists(join(path, 'config.json'))) return;
  const names = await readdir(path);
  const gguf = names.find((name) => name.endsWith('.gguf'));
  const hint = names.includes('adapter_config.json')
    ? 'It holds a PEFT adapter, and its base is not where adapter_config.json says: give the base as the model and this folder as the adapter.'
    : gguf
      ? `Give the file itself: ${join(path, gguf)}.`
      : 'Give a folder with config.json and model.safetensors.';
  throw new SipfError('not-found', `Expected config.json in the model folder ${path}, got none. ${hint}`);
}

async function weightsFile(path: string): Promise<string> {
  const single = join(path, 'model.safetensors');
  if (await exists(single)) return single;
  if (await exists(`${single}.index.json`)) return `${single}.index.json`;
  const others = (await readdir(path)).filter((name) => /\.(bin|pt|pth|h5|msgpack)$/.test(name));
  if (others.length > 0) {
    throw new SipfError(
      'unsupported',
      `Expected model.safetensors in ${path}, got ${others.map((name) => basename(name)).join(', ')}. Save the model again with safe_serialization=True.`,
    );
  }
  throw new SipfError(
    'not-found',
    `Expected model.safetensors or model.safetensors.index.json in ${path}, got neither. Download the model again.`,
  );
}
