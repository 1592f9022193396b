// Points with known scores and targets -> checks of the bins and of the calibration error.
import { expect, test } from 'vitest';
import { createRandom } from '../random.ts';
import { reliability } from './reliability.ts';

test('reliability: bins and expected error by hand', () => {
  const result = reliability([
    { score: 0.95, target: 1 },
    { score: 1, target: 0 },
    { score: 0.05, target: 0 },
    { score: 0.15, target: 0.5 },
  ]);
  expect(result.bins).toHaveLength(10);
  expect(result.bins[9]).toMatchObject({ n: 2, score: 0.975, frequency: 0.5 });
  expect(result.bins[5]).toMatchObject({ n: 0, score: null, frequency: null });
  expect(result.ece).toBeCloseTo((0.95 + 0.05 + 0.35) / 4, 12);
  expect(reliability([]).ece).toBe(null);
  expect(() => reliability([{ score: Number.NaN, target: 0 }])).toThrow(/NaN/);
});

test('scores that are the true probabilities have next to no error; a shift of all scores is the error', () => {
  const draw = createRandom('reliability');
  const points = Array.from({ length: 20_000 }, () => {
    const score = 0.1 + 0.5 * draw.next();
    return { score, target: Number(draw.next() < score) };
  });
  expect(reliability(points).ece).toBeLessThan(0.02);
  const shifted = points.map(({ score, target }) => ({ score: score + 0.3, target }));
  expect(reliability(shifted).ece).toBeCloseTo(0.3, 1);
  expect(reliability(points).bins.reduce((sum, { n }) => sum + n, 0)).toBe(points.length);
});
