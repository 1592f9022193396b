// Learning rates against the formulas of transformers' schedulers.
import { expect, test } from 'vitest';
import { learningRate, warmupSteps } from './schedule.ts';

const rates = (schedule: 'linear' | 'cosine' | 'constant', warmup: number, steps: number): number[] =>
  Array.from({ length: steps }, (_, step) => learningRate({ learningRate: 1, schedule, warmup }, step, steps));

test('linear: up from 0 during the warm-up, then down to 0 at the end', () => {
  expect(rates('linear', 2, 6)).toEqual([0, 0.5, 1, 0.75, 0.5, 0.25]);
  expect(rates('linear', 0, 4)).toEqual([1, 0.75, 0.5, 0.25]);
});

test('cosine and constant', () => {
  expect(rates('cosine', 1, 5)[3]).toBeCloseTo(0.5, 12);
  expect(rates('constant', 2, 4)).toEqual([0, 0.5, 1, 1]);
});

test('a fraction is of all steps, rounded up, and a short run still moves', () => {
  expect(warmupSteps(0.1, 25)).toBe(3);
  expect(warmupSteps(3, 25)).toBe(3);
  expect(rates('linear', 0.1, 1)).toEqual([1]);
  expect(rates('linear', 50, 2)).toEqual([0, 1]);
});
