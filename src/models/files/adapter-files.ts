// A PEFT adapter folder <-> rank, alpha, targets and factors. Other kinds are refused by name.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { printable, SipfError, shown } from '../../errors.ts';
import type { CacheOptions } from '../../io/cache.ts';
import { exists, readExactly, readJsonObject, withFile } from '../../io/file-bytes.ts';
import { contentHash } from '../../io/file-hashes.ts';
import { writeJson } from '../../io/files.ts';
import { foreignFile } from '../../io/foreign-file.ts';
import { foreignName, noAdapterWeights } from './foreign-models.ts';
import { readSafetensorsHeader, readTensor, type Tensor, type TensorToWrite, writeSafetensors } from './safetensors.ts';

/** The two factors of one linear layer: y = Wx + scale * b(ax). */
export interface LoraFactors {
  /** `[rank, in]` */
  readonly a: Float32Array;
  /** `[out, rank]` */
  readonly b: Float32Array;
}

export interface AdapterFiles {
  readonly rank: number;
  readonly alpha: number;
  readonly dropout: number;
  /** Module names (q_proj ...), sorted. */
  readonly targets: readonly string[];
  /** scale = alpha / sqrt(rank) instead of alpha / rank. */
  readonly useRslora: boolean;
  readonly taskType: 'CAUSAL_LM' | 'TOKEN_CLS';
  /** The base model, as the trainer of the adapter named it. */
  readonly baseModel: string | null;
  /** By module path: `model.layers.0.self_attn.q_proj`. */
  readonly tensors: ReadonlyMap<string, LoraFactors>;
  /** Modules trained in full (PEFT's modules_to_save), by tensor name: `score.weight`. */
  readonly extra: ReadonlyMap<string, Tensor>;
}

/** What the factors' product is multiplied with. */
export function adapterScale({ rank, alpha, useRslora }: Pick<AdapterFiles, 'rank' | 'alpha' | 'useRslora'>): number {
  return alpha / (useRslora ? Math.sqrt(rank) : rank);
}

const PREFIX = 'base_model.model.';
const CONFIG = 'adapter_config.json';
const WEIGHTS = 'adapter_model.safetensors';
/** Heads that may be trained in full beside the factors. */
const HEADS: readonly string[] = ['score', 'classifier'];

const empty = z.union([z.null(), z.literal(false), z.array(z.never()), z.record(z.string(), z.never())]).optional();

/** Settings that would change the numbers: each must be off. */
const OFF = {
  use_dora: empty,
  use_qalora: empty,
  use_bdlora: empty,
  lora_bias: empty,
  fan_in_fan_out: empty,
  rank_pattern: empty,
  alpha_pattern: empty,
  layer_replication: empty,
  trainable_token_indices: empty,
  target_parameters: empty,
  alora_invocation_tokens: empty,
  arrow_config: empty,
  kasa_config: empty,
  monteclora_config: empty,
  velora_config: empty,
} as const;

const AdapterConfig = z.object({
  peft_type: z.literal('LORA'),
  task_type: z.enum(['CAUSAL_LM', 'TOKEN_CLS']).nullish(),
  base_model_name_or_path: z.string().nullish(),
  r: z.number().int().positive(),
  lora_alpha: z.number(),
  lora_dropout: z.number().min(0).max(1).default(0),
  use_rslora: z.boolean().default(false),
  target_modules: z.union([z.string(), z.array(z.string())]).nullish(),
  bias: z.literal('none').default('none'),
  modules_to_save: z.array(z.enum(['score', 'classifier'])).nullish(),
  init_lora_weights: z.union([z.boolean(), z.enum(['gaussian', 'orthogonal'])]).default(true),
  ...OFF,
});

/** Keys whose values may be anything of their kind: a wrong one is no other kind of adapter. */
const VALUES = ['base_model_name_or_path', 'r', 'lora_alpha', 'lora_dropout', 'use_rslora', 'target_modules'];

/** @throws SipfError where files are missing or corrupt, a feature is not supported (named), or shapes disagree with the rank. */
export async function readAdapter(folder: string): Promise<AdapterFiles> {
  const configFile = join(folder, CONFIG);
  if (!(await exists(configFile))) {
    const got = await fileInstead(folder);
    if (got !== null)
      throw new SipfError('unsupported', `Expected an adapter folder (adapter_config.json, ${WEIGHTS}), got ${got}`);
    throw new SipfError(
      'not-found',
      `Expected ${CONFIG} in the adapter folder ${folder}, got none. Give a folder that PEFT or sipf wrote.`,
    );
  }
  if (!(await exists(join(folder, WEIGHTS)))) throw await noAdapterWeights(folder);
  const config = parseConfig(configFile, await readJsonObject(configFile));
  const { factors, extra } = await readFactors(join(folder, WEIGHTS), config.r);
  return {
    rank: config.r,
    alpha: config.lora_alpha,
    dropout: config.lora_dropout,
    targets: [...new Set([...factors.keys()].map((path) => path.slice(path.lastIndexOf('.') + 1)))].sort(),
    useRslora: config.use_rslora,
    taskType: config.task_type ?? 'CAUSAL_LM',
    baseModel: config.base_model_name_or_path ?? null,
    tensors: factors,
    extra,
  };
}

/** What a file is that should be a folder, and what to do; null: no file. */
async function fileInstead(path: string): Promise<string | null> {
  const info = await stat(path).catch(() => null);
  const gguf = `the GGUF file ${path}. Give the PEFT folder that it was made from.`;
  if (!info?.isFile()) return path.endsWith('.gguf') ? gguf : null;
  const head = await withFile(path, (handle, size) => readExactly(handle, path, 0, Math.min(size, 32)));
  if (path.endsWith('.gguf') || Buffer.from(head).toString('latin1').startsWith('GGUF')) return gguf;
  return `${path}: ${foreignFile(head) ?? foreignName(path) ?? 'a file. Give the folder that holds it.'}`;
}

function parseConfig(file: string, json: unknown): z.infer<typeof AdapterConfig> {
  const parsed = AdapterConfig.safeParse(json);
  if (parsed.success) return parsed.data;
  const key = String(parsed.error.issues[0]?.path[0]);
  const value = shown((json as Record<string, unknown>)[key]);
  if (VALUES.includes(key)) {
    throw new SipfError(
      'bad-input',
      `Expected a sound ${key} in ${file}, got ${value}. Correct it, or save the adapter again.`,
    );
  }
  const hint =
    key in OFF
      ? 'Merge the adapter into its base with PEFT (merge_and_unload), then use that model.'
      : 'Train a plain LoRA adapter, or merge it with PEFT (merge_and_unload).';
  throw new SipfError('unsupported', `Expected a plain LoRA adapter in ${file}, got ${key}: ${value}. ${hint}`);
}

async function readFactors(
  file: string,
  rank: number,
): Promise<{ factors: Map<string, LoraFactors>; extra: Map<string, Tensor> }> {
  const halves = new Map<string, { A?: Tensor; B?: Tensor }>();
  const extra = new Map<string, Tensor>();
  for (const [key, entry] of await readSafetensorsHeader(file)) {
    const name = key.startsWith(PREFIX) ? key.slice(PREFIX.length) : key;
    const [, path, half] = /^(.+)\.lora_([AB])(?:\.default)?\.weight$/.exec(name) ?? [];
    const head = name.replace('.modules_to_save', '').replace('.default.', '.');
    if (path !== undefined)
      halves.set(path, { ...halves.get(path), [half as 'A' | 'B']: await readTensor(key, entry) });
    else if (HEADS.includes(head.split('.')[0] as string)) extra.set(head, await readTensor(key, entry));
    else
      throw new SipfError(
        'unsupported',
        `Expected LoRA factors of linear layers in ${file}, got tensor ${printable(key)}. Merge the adapter with PEFT (merge_and_unload).`,
      );
  }
  const factors = new Map<string, LoraFactors>();
  for (const [path, { A, B }] of halves) factors.set(path, checkedFactors(file, path, rank, A, B));
  if (factors.size === 0)
    throw new SipfError(
      'bad-input',
      `Expected LoRA factors in ${file}, got none. The adapter is empty: train it again.`,
    );
  return { factors, extra };
}

function checkedFactors(
  file: string,
  path: string,
  rank: number,
  a: Tensor | undefined,
  b: Tensor | undefined,
): LoraFactors {
  if (!a || !b)
    throw new SipfError(
      'bad-input',
      `Expected lora_A and lora_B of ${printable(path)} in ${file}, got one of them. Save the adapter again.`,
    );
  if (a.shape.length !== 2 || b.shape.length !== 2 || a.shape[0] !== rank || b.shape[1] !== rank) {
    throw new SipfError(
      'bad-input',
      `Expected lora_A [${rank}, in] and lora_B [out, ${rank}] of ${printable(path)} in ${file}, got [${a.shape}] and [${b.shape}]. Restore ${CONFIG}.`,
    );
  }
  if (!a.data.every(Number.isFinite) || !b.data.every(Number.isFinite)) {
    throw new SipfError(
      'bad-input',
      `Expected numbers in the factors of ${printable(path)} in ${file}, got NaN or infinity. The adapter is damaged, or its training diverged: use another one.`,
    );
  }
  return { a: a.data, b: b.data };
}

/** Writes an adapter folder that PEFT loads, and that readAdapter reads back. @param more keys of its configuration. */
export async function writeAdapter(
  folder: string,
  adapter: AdapterFiles,
  more: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const tensors: TensorToWrite[] = [];
  for (const [path, { a, b }] of adapter.tensors) {
    tensors.push({ name: `${PREFIX}${path}.lora_A.weight`, shape: [adapter.rank, a.length / adapter.rank], data: a });
    tensors.push({ name: `${PREFIX}${path}.lora_B.weight`, shape: [b.length / adapter.rank, adapter.rank], data: b });
  }
  for (const [name, { shape, data }] of adapter.extra) tensors.push({ name: PREFIX + name, shape, data });
  tensors.sort((x, y) => (x.name < y.name ? -1 : 1));
  await writeSafetensors(join(folder, WEIGHTS), tensors);
  await writeJson(join(folder, CONFIG), { ...peftConfig(adapter), ...more });
}

function peftConfig(adapter: AdapterFiles): Record<string, unknown> {
  const heads = [...new Set([...adapter.extra.keys()].map((name) => name.split('.')[0]))].sort();
  return {
    alpha_pattern: {},
    base_model_name_or_path: adapter.baseModel,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    lora_alpha: adapter.alpha,
    lora_dropout: adapter.dropout,
    modules_to_save: heads.length > 0 ? heads : null,
    peft_type: 'LORA',
    r: adapter.rank,
    rank_pattern: {},
    target_modules: [...adapter.targets].sort(),
    task_type: adapter.taskType,
    use_dora: false,
    use_rslora: adapter.useRslora,
  };
}

/** Hexadecimal sha256 of an adapter's configuration and factors. */
export function adapterHash(folder: string, options: CacheOptions = {}): Promise<string> {
  return contentHash([join(folder, CONFIG), join(folder, WEIGHTS)], options);
}
