// LoRA factors of several adapters for one layer -> a single pair.
import type { LoraFactors } from '../files/adapter-files.ts';

/** Factors with the rank and scale of the adapter they come from. */
export interface ScaledFactors extends LoraFactors {
  readonly rank: number;
  readonly scale: number;
}

/**
 * One pair of factors whose product is the scaled sum of several: A's rows below each other, B's columns beside each other with the scales
 * multiplied in, so that the new scale is 1. Parts that a module lacks are zeros of their rank.
 */
export function stackFactors(parts: readonly (ScaledFactors | { readonly rank: number })[]): LoraFactors {
  const rank = parts.reduce((sum, part) => sum + part.rank, 0);
  const sized = parts.find((part): part is ScaledFactors => 'a' in part);
  if (!sized) throw new Error('No factors to stack');
  const [width, height] = [sized.a.length / sized.rank, sized.b.length / sized.rank];
  const stacked = { a: new Float32Array(rank * width), b: new Float32Array(height * rank) };
  let start = 0;
  for (const part of parts) {
    if ('a' in part) {
      stacked.a.set(part.a, start * width);
      for (let out = 0; out < height; out++) {
        for (let r = 0; r < part.rank; r++) {
          stacked.b[out * rank + start + r] = part.scale * (part.b[out * part.rank + r] as number);
        }
      }
    }
    start += part.rank;
  }
  return stacked;
}
