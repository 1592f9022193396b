// A model that computed NaN or infinity -> what is to blame, in words.
import type { DecoderConfig } from '../architectures/architecture.ts';
import { readTensorPieces, type TensorEntry } from '../files/safetensors.ts';

/** Products of two values that weights beyond this make leave float32's range. */
const HUGE = 1e17;

/** Two sentences: what was found in the weights, else which settings are to be looked at; and what to do. */
export async function whyNotNumbers(
  slices: ReadonlyMap<string, TensorEntry>,
  { epsilon, ropes, contextLength }: DecoderConfig,
): Promise<string> {
  let largest = { name: '', place: '', size: 0 };
  for (const [name, slice] of slices) {
    const size = await largestOf(name, slice);
    const place = slice.from ?? slice.file;
    if (!Number.isFinite(size))
      return `The weight ${name} in ${place} holds NaN or infinity: it is damaged. Train or download the model again.`;
    if (size > largest.size) largest = { name, place, size };
  }
  if (largest.size > HUGE)
    return `The weights are finite, but ${largest.name} holds ${largest.size}, which overflows (in ${largest.place}). Train or download the model again.`;
  const frequencies = [ropes[0]?.[0], ropes[0]?.at(-1)].map((value) => value?.toPrecision(3)).join(' to ');
  return (
    `Its weights are finite (at most ${largest.size.toPrecision(3)}), so look at its settings: layer_norm_eps or rms_norm_eps ${epsilon}, rope_theta and RoPE scaling ` +
    `(frequencies ${frequencies}), max_position_embeddings ${contextLength}. Compare config.json with the original, or use another model.`
  );
}

/** NaN or infinity where one is among the values. */
async function largestOf(name: string, slice: TensorEntry): Promise<number> {
  let largest = 0;
  for await (const piece of readTensorPieces(name, slice)) {
    for (const value of piece) {
      const size = Math.abs(value);
      if (!(size <= largest)) largest = size;
      if (!Number.isFinite(largest)) return largest;
    }
  }
  return largest;
}
