// A weight and its LoRA factors -> the merged weight, and two adapters of one model -> a single one. Leaves files to adapter-files.ts.
import type { LoraFactors } from './adapter-files.ts';

/** Adds scale · B A to `weight [out, in]` in place; A `[rank, in]`, B `[out, rank]`. Sums are float64, rounded once. */
export function mergeFactors(weight: Float32Array, { a, b }: LoraFactors, rank: number, scale: number): void {
  const width = a.length / rank;
  const row = new Float64Array(width);
  for (let out = 0; out < b.length / rank; out++) {
    row.fill(0);
    for (let r = 0; r < rank; r++) {
      const factor = scale * (b[out * rank + r] as number);
      if (factor === 0) continue;
      for (let i = 0; i < width; i++) row[i] = (row[i] as number) + factor * (a[r * width + i] as number);
    }
    for (let i = 0; i < width; i++) weight[out * width + i] = (weight[out * width + i] as number) + (row[i] as number);
  }
}

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
