// Counts of right samples -> pass@k, against the combinations.
import { expect, test } from 'vitest';
import { createRandom } from '../random.ts';
import { passAt, passAtFigure } from './pass-at.ts';

/** C(n, k), exactly. */
function choose(n: bigint, k: bigint): bigint {
  let value = 1n;
  for (let i = 1n; i <= k; i++) value = (value * (n - k + i)) / i;
  return k > n ? 0n : value;
}

/** 1 - C(n - c, k) / C(n, k) to 15 digits. */
function exact(n: number, c: number, k: number): number {
  const [wrong, all] = [choose(BigInt(n - c), BigInt(k)), choose(BigInt(n), BigInt(k))];
  return Number(((all - wrong) * 10n ** 15n) / all) / 1e15;
}

test('pass@k is what the combinations say', () => {
  for (let n = 1; n <= 30; n++) {
    for (let c = 0; c <= n; c++) for (let k = 1; k <= n; k++) expect(passAt(n, c, k)).toBeCloseTo(exact(n, c, k), 12);
  }
  for (const [n, c, k] of [
    [200, 1, 100],
    [1000, 3, 10],
    [1000, 500, 100],
    [5000, 17, 1000],
  ] as const) {
    expect(passAt(n, c, k)).toBeCloseTo(exact(n, c, k), 11);
  }
});

test('pass@1 is the share of right samples, none right is 0, too few wrong is 1', () => {
  expect(passAt(20, 7, 1)).toBeCloseTo(0.35, 15);
  expect([passAt(20, 0, 10), passAt(20, 11, 10), passAt(1, 1, 1)]).toEqual([0, 1, 1]);
});

test('it is unbiased: on average over draws it is the chance itself', () => {
  const random = createRandom('unbiased');
  const [p, n, k, rounds] = [0.2, 10, 5, 40_000];
  let sum = 0;
  for (let i = 0; i < rounds; i++) {
    sum += passAt(n, Array.from({ length: n }, () => random.next() < p).filter(Boolean).length, k);
  }
  expect(sum / rounds).toBeCloseTo(1 - (1 - p) ** k, 2);
});

test('numbers out of range are refused', () => {
  for (const [n, c, k] of [
    [5, 6, 1],
    [5, -1, 1],
    [5, 1, 6],
    [5, 1, 0],
    [5, 1.5, 1],
  ] as const) {
    expect(() => passAt(n, c, k)).toThrow(RangeError);
  }
});

test('over questions: the mean, an interval around it, the same each time', () => {
  const questions = [0, 1, 2, 5, 10].map((correct) => ({ n: 10, correct }));
  const figure = passAtFigure(questions, 1);
  expect(figure?.value).toBeCloseTo(0.36, 12);
  expect(figure?.n).toBe(5);
  expect(figure!.ci95[0]).toBeLessThan(0.36);
  expect(figure!.ci95[1]).toBeGreaterThan(0.36);
  expect(passAtFigure(questions, 1)).toEqual(figure);
  expect(passAtFigure([...questions, { n: 3, correct: 3 }], 5)?.n).toBe(5);
  expect(passAtFigure([{ n: 1, correct: 1 }], 1)).toBeNull();
});
