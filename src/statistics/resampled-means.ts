// Values by seed and question -> means under resamples of seeds, and of the questions of each.
import type { BootstrapOptions } from './intervals.ts';

/** Of one row (a trained method): `[seed][question]`. */
export type SeededValues = readonly (readonly number[])[];

/**
 * `[row][resample]` means over seeds of each seed's mean. A resample draws seeds with replacement, then the questions of each drawn seed; all rows see the
 * same draw, so that differences of rows are paired. So a difference's spread covers what other seeds and other questions would give. One seed stays itself.
 * @throws RangeError where rows have other numbers of seeds or questions, or a seed none.
 */
export function resampledMeans(
  rows: readonly SeededValues[],
  { random, resamples = 1000 }: BootstrapOptions,
): Float64Array[] {
  const sizes = sizesOf(rows);
  const cells = rows.map((row) => row.map((values) => Float64Array.from(values)));
  const means = rows.map(() => new Float64Array(resamples));
  for (let at = 0; at < resamples; at += 1) {
    for (let draw = 0; draw < sizes.length; draw += 1) {
      const seed = sizes.length === 1 ? 0 : random.int(0, sizes.length - 1);
      const questions = drawn(sizes[seed] ?? 0, random);
      for (const [row, own] of cells.entries()) means[row]![at]! += meanOf(own[seed]!, questions) / sizes.length;
    }
  }
  return means;
}

function sizesOf([first = [], ...others]: readonly SeededValues[]): number[] {
  const sizes = first.map(({ length }) => length);
  const isSame = (row: SeededValues) =>
    row.length === sizes.length && row.every(({ length }, i) => length === sizes[i]);
  if (sizes.length > 0 && !sizes.includes(0) && others.every(isSame)) return sizes;
  throw new RangeError('Expected as many questions of each seed in every row, and one at least.');
}

function drawn(count: number, random: BootstrapOptions['random']): Int32Array {
  const questions = new Int32Array(count);
  for (let i = 0; i < count; i += 1) questions[i] = Math.floor(random.next() * count);
  return questions;
}

function meanOf(values: Float64Array, places: Int32Array): number {
  let total = 0;
  for (const place of places) total += values[place]!;
  return total / places.length;
}
