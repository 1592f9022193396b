// A model's RoPE settings -> tables of cosines and sines by position. Rotation itself is an op of the engine.
import { SipfError } from '../errors.ts';
import { type Llama3Scaling, llama3Factors } from './rope-factors.ts';

/** `rope_type` -> what each inverse frequency is divided by. */
const SCALING: Readonly<
  Record<string, (theta: number, dim: number, parameters: Record<string, unknown>) => readonly number[]>
> = {
  default: (_, dim) => Array(dim / 2).fill(1),
  linear: (_, dim, { factor }) => Array(dim / 2).fill(Number(factor)),
  llama3: (theta, dim, parameters) => llama3Factors(theta, dim, parameters as unknown as Llama3Scaling),
  freq_factors: (_theta, _dim, parameters) => parameters['freq_factors'] as readonly number[],
};

/**
 * Inverse frequencies `[dim / 2]` from a Hugging Face config (`rope_parameters`, or `rope_theta` and `rope_scaling`).
 * @throws SipfError 'unsupported' naming a scaling this version does not know.
 */
export function inverseFrequencies(config: Readonly<Record<string, unknown>>, dim: number): Float32Array {
  const scaling = (config['rope_parameters'] ?? config['rope_scaling'] ?? {}) as Record<string, unknown>;
  const theta = Number(scaling['rope_theta'] ?? config['rope_theta'] ?? 10_000);
  const type = String(scaling['rope_type'] ?? scaling['type'] ?? 'default');
  const factors = SCALING[type];
  if (!factors) {
    throw new SipfError(
      'unsupported',
      `Expected rope_type ${Object.keys(SCALING).join(', ')} in config.json, got ${type}. Use another model.`,
    );
  }
  const divisors = factors(theta, dim, scaling);
  return Float32Array.from({ length: dim / 2 }, (_, i) => 1 / theta ** ((2 * i) / dim) / (divisors[i] as number));
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
