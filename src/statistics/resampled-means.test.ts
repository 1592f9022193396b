// Means under resamples -> a slow version step by step, and the spread that theory gives.
import { describe, expect, it } from 'vitest';
import { createRandom, type Random } from '../random.ts';
import { mean, middle95, sum } from './intervals.ts';
import { resampledMeans, type SeededValues } from './resampled-means.ts';

/** One resample, written out: which seeds, which of their questions, then each row's mean of means. */
function slowly(rows: readonly SeededValues[], random: Random): number[] {
  const seeds = rows[0]?.length ?? 0;
  const drawn = Array.from({ length: seeds }, () => {
    const seed = seeds === 1 ? 0 : random.int(0, seeds - 1);
    const count = rows[0]?.[seed]?.length ?? 0;
    return { seed, questions: Array.from({ length: count }, () => random.int(0, count - 1)) };
  });
  return rows.map((row) => mean(drawn.map(({ seed, questions }) => mean(questions.map((q) => row[seed]![q]!)))));
}

const draws = (random: Random, n: number, p: number) => Array.from({ length: n }, () => Number(random.next() < p));
const variance = (values: ArrayLike<number>) => {
  const all = Array.from(values);
  return sum(all.map((value) => (value - mean(all)) ** 2)) / (all.length - 1);
};

describe('resampledMeans', () => {
  it.each([1, 2, 4])('is the slow version, with %i seeds', (seeds) => {
    const random = createRandom('rows');
    const sizes = Array.from({ length: seeds }, (_, i) => 5 + i);
    const rows = [0.2, 0.5, 0.9].map((p) => sizes.map((n) => draws(random, n, p)));
    const found = resampledMeans(rows, { random: createRandom('same'), resamples: 50 });
    const slow = createRandom('same');
    for (let at = 0; at < 50; at += 1)
      for (const [row, value] of slowly(rows, slow).entries()) expect(found[row]?.[at]).toBeCloseTo(value, 12);
  });

  it('spreads as between seeds and questions together', () => {
    const random = createRandom('spread');
    const centres = [0.2, 0.35, 0.5, 0.65];
    const rows = [centres.map((p) => draws(random, 500, p))];
    const [found] = resampledMeans(rows, { random: createRandom('many'), resamples: 4000 });
    const means = rows[0]!.map(mean);
    // Var = (variance of the seeds' means + mean variance within a seed / n) / seeds.
    const between = sum(means.map((value) => (value - mean(means)) ** 2)) / means.length;
    const within = mean(means.map((p) => (p * (1 - p)) / 500));
    expect(variance(found!) / ((between + within) / means.length)).toBeGreaterThan(0.93);
    expect(variance(found!) / ((between + within) / means.length)).toBeLessThan(1.07);
  });

  it('pairs rows: the same ones never differ', () => {
    const random = createRandom('pairs');
    const row = [draws(random, 40, 0.5), draws(random, 30, 0.3)];
    const [a, b] = resampledMeans([row, row], { random, resamples: 200 });
    expect(a).toEqual(b);
    expect(middle95([...a!])[0]).toBeLessThan(mean(row.map(mean)));
  });

  it('refuses rows of other questions', () => {
    const random = createRandom('x');
    expect(() => resampledMeans([[[1, 0]], [[1]]], { random })).toThrow(RangeError);
    expect(() => resampledMeans([[[1, 0], []]], { random })).toThrow(RangeError);
    expect(() => resampledMeans([[]], { random })).toThrow(RangeError);
  });
});
