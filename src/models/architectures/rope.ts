// A model's RoPE settings -> inverse frequencies, and tables of cosines and sines by position.
import { isDeepStrictEqual } from 'node:util';
import { SipfError, shown } from '../../errors.ts';
import { ConfigReader } from './config-reader.ts';
import { llama3Factors } from './rope-factors.ts';

type Settings = Readonly<Record<string, unknown>>;

/** Where the settings stand: now, and before transformers 5. */
const PLACES = ['rope_parameters', 'rope_scaling'] as const;
const ORIGINAL = 'original_max_position_embeddings';
/** Beyond these a table of angles is of no use. */
const MIN_FACTOR = 1e-6;
const MAX_FACTOR = 1e9;
const MAX_THETA = 1e15;

const factor = (read: ConfigReader, key: string, min: number): number => read.number(key, { min, max: MAX_FACTOR });

/** What each inverse frequency is divided by, `[dim / 2]`. */
type Scaling = (args: { theta: number; dim: number; read: ConfigReader }) => readonly number[];

/** By `rope_type`. */
const SCALING: Readonly<Record<string, Scaling>> = {
  default: ({ dim }) => Array<number>(dim / 2).fill(1),
  linear: ({ dim, read }) => Array<number>(dim / 2).fill(factor(read, 'factor', 1)),
  llama3: ({ theta, dim, read }) => {
    const scaling = {
      factor: factor(read, 'factor', 1),
      low_freq_factor: factor(read, 'low_freq_factor', MIN_FACTOR),
      high_freq_factor: factor(read, 'high_freq_factor', MIN_FACTOR),
      [ORIGINAL]: factor(read, ORIGINAL, 1),
    };
    if (scaling.high_freq_factor > scaling.low_freq_factor) return llama3Factors(theta, dim, scaling);
    throw read.bad('high_freq_factor', `more than low_freq_factor ${scaling.low_freq_factor}`);
  },
  freq_factors: ({ dim, read }) => {
    const factors = read.config['freq_factors'];
    const isComplete = Array.isArray(factors) && factors.length === dim / 2;
    if (isComplete && factors.every((value) => typeof value === 'number' && value > 0 && value <= MAX_FACTOR))
      return factors as number[];
    throw read.bad('freq_factors', `${dim / 2} positive numbers`);
  },
};

/** Those a config.json may name; freq_factors is our own name for what GGUF files store. */
const SUPPORTED = Object.keys(SCALING).filter((type) => type !== 'freq_factors');

/** Where the settings do not say. */
export interface RopeDefaults {
  readonly theta?: number;
  /** The share of each head that is rotated; absent: all of it, whatever the settings say. */
  readonly partial?: number;
}

/** Inverse frequency i is theta^(-2i / dim) / divisors[i], `[dim / 2]`. */
interface RopeScaling {
  readonly theta: number;
  readonly divisors: readonly number[];
}

/**
 * Inverse frequencies `[dim / 2]` of a Hugging Face config.
 * @throws SipfError as `ropeScaling` does.
 */
export function inverseFrequencies(
  config: Settings,
  headDim: number,
  file = 'config.json',
  defaults: RopeDefaults = {},
): Float32Array {
  const { theta, divisors } = ropeScaling(config, headDim, file, defaults);
  return Float32Array.from(divisors, (divisor, i) => 1 / theta ** (i / divisors.length) / divisor);
}

/**
 * What a Hugging Face config says of RoPE: `rope_parameters` (transformers 5), or `rope_scaling` with `rope_theta` beside it.
 * Values are looked for in both places, as transformers does: theta within the settings first, `original_max_position_embeddings` beside them first.
 * @throws SipfError 'unsupported' naming a scaling this version does not know, 'bad-input' naming a key that is missing or out of range.
 */
export function ropeScaling(
  config: Settings,
  headDim: number,
  file: string,
  { theta: usual = 10_000, partial }: RopeDefaults,
): RopeScaling {
  const [name, stated] = ropeSettings(config, file);
  const settings: Settings = {
    ...stated,
    rope_theta: stated['rope_theta'] ?? config['rope_theta'],
    partial_rotary_factor: stated['partial_rotary_factor'] ?? config['partial_rotary_factor'],
    [ORIGINAL]: config[ORIGINAL] ?? stated[ORIGINAL],
  };
  const read = new ConfigReader(settings, `${name} of ${file}`);
  const dim = rotatedOf(read, headDim, partial);
  const theta = read.number('rope_theta', { fallback: usual, min: 1, max: MAX_THETA });
  const type = settings['rope_type'] ?? 'default';
  const factors = typeof type === 'string' && Object.hasOwn(SCALING, type) ? SCALING[type] : undefined;
  if (!factors) {
    throw new SipfError(
      'unsupported',
      `Expected rope_type ${SUPPORTED.join(', ')} in ${name} of ${file}, got ${shown(type)}. Use another model.`,
    );
  }
  return { theta, divisors: factors({ theta, dim, read }) };
}

/** The settings' place in the file, and the settings; those by layer type where all are alike. */
function ropeSettings(config: Settings, file: string): [name: string, settings: Settings] {
  const [now, before] = PLACES.map((name) => withOneType(settingsAt(config, name, file)));
  if (!now || !before) return now ? [PLACES[0], now] : [PLACES[1], before ?? {}];
  const differing = Object.keys(before).find((key) => key in now && !isDeepStrictEqual(now[key], before[key]));
  if (differing === undefined) return [PLACES.join(' and '), { ...before, ...now }];
  throw new SipfError(
    'bad-input',
    `Expected one ${differing} in ${PLACES.join(' and ')} of ${file}, got ${shown(now[differing])} and ${shown(before[differing])}. Remove the wrong one.`,
  );
}

/** The old name of the type says the same as the new one. */
function withOneType(settings: Settings | null): Settings | null {
  if (settings === null) return null;
  const { type, rope_type, ...rest } = settings;
  const named = rope_type ?? type;
  return named === undefined ? rest : { ...rest, rope_type: named };
}

/** null: nothing there. */
function settingsAt(config: Settings, name: string, file: string): Settings | null {
  const value = config[name] ?? null;
  if (value === null) return null;
  const read = new ConfigReader(config, file);
  if (!isRecord(value)) throw read.bad(name, 'an object');
  const layers = Object.entries(value).filter(([key]) => key.endsWith('_attention'));
  const [first] = layers;
  if (!first) return value;
  if (!isRecord(first[1])) throw read.bad(name, 'an object by layer type');
  if (layers.every(([, settings]) => isDeepStrictEqual(settings, first[1]))) return first[1];
  throw new SipfError(
    'unsupported',
    `Expected one set of ${name} for all layers in ${file}, got others for ${layers.map(([key]) => key).join(', ')}. Use another model.`,
  );
}

function isRecord(value: unknown): value is Settings {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** How many dimensions of each head are rotated. */
function rotatedOf(read: ConfigReader, headDim: number, usual: number | undefined): number {
  const factor = read.config['partial_rotary_factor'] ?? usual ?? 1;
  const dim = Math.floor(headDim * Number(factor));
  if (factor === 1 || (usual !== undefined && dim >= 2 && dim <= headDim && dim % 2 === 0)) return dim;
  if (usual !== undefined)
    throw read.bad('partial_rotary_factor', `an even part of the ${headDim} dimensions of a head`);
  throw new SipfError(
    'unsupported',
    `Expected partial_rotary_factor 1 in ${read.file} (all of each head is rotated), got ${shown(factor)}. Use another model.`,
  );
}

/** Cosines and sines `[positions, dim / 2]`; the angle is rounded to float32 first, as the reference implementations do. */
export function ropeTables(frequencies: Float32Array, positions: number): { cos: Float32Array; sin: Float32Array } {
  const width = frequencies.length;
  const cos = new Float32Array(positions * width);
  const sin = new Float32Array(positions * width);
  for (let position = 0; position < positions; position++) {
    for (let i = 0; i < width; i++) {
      const angle = Math.fround(position * (frequencies[i] as number));
      cos[position * width + i] = Math.cos(angle);
      sin[position * width + i] = Math.sin(angle);
    }
  }
  return { cos, sin };
}
