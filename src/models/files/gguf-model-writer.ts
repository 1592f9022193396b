// A model in Hugging Face's form -> a GGUF file: the inverse of gguf-model.ts.
import { rm } from 'node:fs/promises';
import { printable, SipfError } from '../../errors.ts';
import type { Architecture, Decoder, ModelConfig } from '../architectures/architecture.ts';
import { architectureOf } from '../architectures/architectures.ts';
import type { AttentionOptions } from '../architectures/attention.ts';
import { decoderOf } from '../architectures/form.ts';
import { GGUF_SIZES, type GgufKeys, type GgufLayout } from '../architectures/gguf-layout.ts';
import { ropeScaling } from '../architectures/rope.ts';
import { readGguf } from './gguf.ts';
import { WRITTEN_TYPES, type WrittenType, type WrittenTypeName } from './gguf-blocks.ts';
import { ggufModel } from './gguf-model.ts';
import { type GgufEntries, type GgufEntry, type GgufTensorToWrite, writeGguf } from './gguf-writer.ts';
import { joined, type TensorToWrite } from './safetensors.ts';

export interface GgufModelToWrite {
  /** What people see as its name. */
  readonly name: string;
  readonly architecture: Architecture;
  readonly decoder: Decoder;
  readonly config: ModelConfig;
  /** Where the configuration stands, for messages. */
  readonly configFile: string;
  /** By Hugging Face's names. */
  readonly weights: readonly TensorToWrite[];
  /** `tokenizer.*`. */
  readonly vocabulary: GgufEntries;
}

/** `general.file_type` by the type of most tensors. */
const FILE_TYPES: Readonly<Record<WrittenTypeName, number>> = { f32: 0, f16: 1, q8_0: 7 };

/**
 * Writes a model. Norms, biases and RoPE factors are float32, as llama.cpp's converter has them.
 * @returns what the user should know: GGUF files have no windows for some architectures.
 * @throws SipfError 'unsupported' naming what GGUF files of the architecture cannot hold; as `writeGguf` does.
 */
export async function writeGgufModel(file: string, model: GgufModelToWrite, dtype: WrittenTypeName): Promise<string[]> {
  const { architecture, config, weights } = model;
  const factors = ropeFactors(model);
  const tensors = weights.map((weight) => stored(weight, architecture, config, model.configFile, dtype));
  const entries: GgufEntries = new Map<string, GgufEntry>([
    ['general.architecture', { type: 'text', value: architecture.gguf.architecture }],
    ['general.type', { type: 'text', value: 'model' }],
    ['general.name', { type: 'text', value: model.name }],
    ['general.file_type', { type: 'u32', value: FILE_TYPES[dtype] }],
    ['general.quantization_version', { type: 'u32', value: 2 }],
    ...numbersOf(model),
    ...model.vocabulary,
  ]);
  await writeGguf(file, entries, [...factors, ...tensors]);
  try {
    return await lostIn(file, model);
  } catch (thrown) {
    await rm(file);
    throw thrown;
  }
}

/** The numbers of the configuration under their keys. */
function numbersOf({ architecture, decoder, config, configFile }: GgufModelToWrite): [string, GgufEntry][] {
  const { gguf, form } = architecture;
  const sizes = decoder.config;
  const rope = ropeOf(architecture, decoder, config, configFile);
  const u32: Readonly<Record<string, number>> = {
    [GGUF_SIZES.hidden_size]: sizes.hidden,
    [GGUF_SIZES.intermediate_size]: sizes.intermediate,
    [GGUF_SIZES.num_hidden_layers]: sizes.layers,
    [GGUF_SIZES.num_attention_heads]: sizes.heads,
    [GGUF_SIZES.max_position_embeddings]: sizes.contextLength,
    'attention.head_count_kv': sizes.kvHeads,
    'attention.key_length': sizes.headDim,
    'attention.value_length': sizes.headDim,
    'rope.dimension_count': 2 * rope.divisors.length,
    vocab_size: sizes.vocab,
  };
  const entries: [string, GgufEntry][] = [
    ...Object.entries(u32).map(([key, value]): [string, GgufEntry] => [key, { type: 'u32', value }]),
    [form.norm.epsilon.gguf, { type: 'f32', value: sizes.epsilon }],
    ['rope.freq_base', { type: 'f32', value: rope.theta }],
    ...linearScaling(rope.divisors),
    ...ownNumbers(config, gguf.keys),
  ];
  return entries.map(([key, entry]) => [`${gguf.architecture}.${key}`, entry]);
}

function ownNumbers(config: ModelConfig, keys: GgufKeys = {}): [string, GgufEntry][] {
  return Object.entries(keys).flatMap(([name, { key, type }]): [string, GgufEntry][] => {
    const value = config[name];
    return typeof value === 'number' ? [[key, { type, value }]] : [];
  });
}

const ropeOf = ({ gguf, form }: Architecture, { config: { headDim } }: Decoder, config: ModelConfig, file: string) =>
  ropeScaling(gguf.rope?.(config) ?? config, headDim, file, form.rope ?? {});

const isUniform = (divisors: readonly number[]): boolean => divisors.every((divisor) => divisor === divisors[0]);

function linearScaling(divisors: readonly number[]): [string, GgufEntry][] {
  const [factor = 1] = divisors;
  if (!isUniform(divisors) || factor === 1) return [];
  return [
    ['rope.scaling.type', { type: 'text', value: 'linear' }],
    ['rope.scaling.factor', { type: 'f32', value: factor }],
  ];
}

/** @throws SipfError 'unsupported' where the architecture's files have no place for them. */
function ropeFactors({ architecture, decoder, config, configFile }: GgufModelToWrite): GgufTensorToWrite[] {
  const { divisors } = ropeOf(architecture, decoder, config, configFile);
  if (isUniform(divisors)) return [];
  const name = architecture.gguf.ropeFactors;
  if (name !== undefined)
    return [{ name, shape: [divisors.length], data: Float32Array.from(divisors), type: WRITTEN_TYPES.f32 }];
  throw lost('its RoPE scaling', configFile, architecture.gguf);
}

/** A weight under its stored name, as it is stored. */
function stored(
  weight: TensorToWrite,
  { gguf, modelType }: Architecture,
  config: ModelConfig,
  file: string,
  dtype: WrittenTypeName,
): GgufTensorToWrite {
  const name = storedName(gguf, weight.name);
  if (name === null)
    throw new SipfError(
      'unsupported',
      `Expected only the tensors of a ${modelType} model beside ${file}, got ${printable(weight.name)}. GGUF files have no place for it.`,
    );
  const change = gguf.change?.(name);
  const { shape } = weight;
  const type = typeOf(shape, dtype);
  if (!change) return { ...weight, name, type };
  const data = async function* () {
    const values = weight.data instanceof Float32Array ? weight.data : await joined(shape, weight.data());
    yield change.write(values, shape, config);
  };
  return { name, shape, data, type };
}

/** null: the architecture has no such weight. Weights that a file could hold below each other are stored apart, as llama.cpp's converter has them. */
export function storedName({ names }: GgufLayout, name: string): string | null {
  const [, layer = ''] = /^model\.layers\.(\d+)\./.exec(name) ?? [];
  const [, module, kind] = /^(.+)\.(weight|bias)$/.exec(name) ?? [];
  const found = Object.entries(names).find(
    ([, own]) => typeof own === 'string' && own.replace('{n}', layer) === module,
  );
  return found ? `${found[0].replace('{n}', layer)}.${kind}` : null;
}

/** Vectors stay float32; rows that are no whole blocks become float16, as in llama.cpp. */
function typeOf(shape: readonly number[], dtype: WrittenTypeName): WrittenType {
  if (shape.length < 2) return WRITTEN_TYPES.f32;
  const type = WRITTEN_TYPES[dtype];
  return Number(shape.at(-1)) % type.blockValues === 0 ? type : WRITTEN_TYPES.f16;
}

/**
 * Reads back the sizes and the attention of the file.
 * @returns a warning where layers with a window have lost it.
 * @throws SipfError 'unsupported' where anything else differs: GGUF files have no key for it.
 */
async function lostIn(file: string, { decoder, configFile, architecture }: GgufModelToWrite): Promise<string[]> {
  const { config } = await ggufModel(await readGguf(file));
  const back = decoderOf(architectureOf(config, file), config, file);
  const size = SIZES.find((key) => back.config[key] !== decoder.config[key]);
  if (size !== undefined) throw lost(size, configFile, architecture.gguf);
  const near = back.config.ropes.every((table, n) => isNear(table, decoder.config.ropes[n] ?? []));
  if (!near || back.config.ropes.length !== decoder.config.ropes.length)
    throw lost('its RoPE settings', configFile, architecture.gguf);
  const pairs = decoder.attention.map((own, n) => [own, back.attention[n] as AttentionOptions] as const);
  const scale = ({ scale = 0, softcap = 0 }: AttentionOptions) => [scale, softcap];
  if (!pairs.every(([own, other]) => isNear(scale(own), scale(other))))
    throw lost('the scale or soft-cap of attention', configFile, architecture.gguf);
  const rope = ({ rope: table = 0 }: AttentionOptions) => table;
  if (!pairs.every(([own, other]) => rope(own) === rope(other)))
    throw lost('which layers have RoPE', configFile, architecture.gguf);
  const windows = pairs.filter(([own, other]) => own.window !== other.window).map(([own]) => own.window);
  if (windows.length === 0) return [];
  if (back.attention.some(({ window }) => window !== undefined))
    throw lost('which layers have a window', configFile, architecture.gguf);
  return [
    `GGUF files have no sliding window for ${architecture.modelType}: texts above ${windows[0]} tokens are read otherwise than here.`,
  ];
}

const SIZES = ['vocab', 'hidden', 'intermediate', 'layers', 'heads', 'kvHeads', 'headDim', 'tied'] as const;

/** Numbers that went through float32. */
function isNear(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  return a.length === b.length && Array.from(a).every((x, n) => Math.abs(x - Number(b[n])) <= 1e-6 * Math.abs(x));
}

function lost(what: string, configFile: string, { architecture }: GgufLayout): SipfError {
  return new SipfError(
    'unsupported',
    `Expected a model that GGUF files of ${architecture} can hold, got another value of ${what} in ${configFile}. Use --to merged or --to peft.`,
  );
}
