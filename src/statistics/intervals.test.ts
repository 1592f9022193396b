// Textbook and hand-made cases -> checks of intervals, tests, areas and reliability.
import { expect, test } from 'vitest';
import { createRandom } from '../random.ts';
import { withinGroupAuc } from './auc.ts';
import { bootstrap, pairedDifference, wilson } from './intervals.ts';
import { firstErrorAccuracy, firstErrorAt, firstErrorF1, stepAccuracy } from './prm-figures.ts';
import { reliability } from './reliability.ts';

const random = () => createRandom('test');

test('wilson: Newcombe 1998, table I', () => {
  const close = ([lo, hi]: [number, number], [a, b]: [number, number]) => {
    expect(lo).toBeCloseTo(a, 4);
    expect(hi).toBeCloseTo(b, 4);
  };
  close(wilson(81, 263), [0.2553, 0.3662]);
  close(wilson(15, 148), [0.0624, 0.1605]);
  close(wilson(0, 20), [0, 0.1611]);
  close(wilson(1, 29), [0.0061, 0.1718]);
  expect(wilson(20, 20)[1]).toBe(1);
  expect(wilson(0, 0)).toEqual([0, 1]);
});

const pairs = (both: number, onlyA: number, onlyB: number, neither: number): [boolean[], boolean[]] => {
  const row = (n: number, value: boolean) => Array<boolean>(n).fill(value);
  return [
    [...row(both, true), ...row(onlyA, true), ...row(onlyB, false), ...row(neither, false)],
    [...row(both, true), ...row(onlyA, false), ...row(onlyB, true), ...row(neither, false)],
  ];
};

test('paired difference: the exact sign test by hand', () => {
  // 9 against 1 of 10 that differ: 2 * (1 + 10) / 1024
  expect(pairedDifference(...pairs(5, 9, 1, 5)).pValue).toBeCloseTo(22 / 1024, 12);
  expect(pairedDifference(...pairs(5, 3, 3, 5)).pValue).toBe(1);
  expect(pairedDifference(...pairs(5, 0, 0, 5)).pValue).toBe(1);
  expect(pairedDifference(...pairs(5, 6, 0, 5)).pValue).toBeCloseTo(2 / 64, 12);
  const many = pairedDifference(...pairs(1000, 1500, 1300, 200));
  expect(many.pValue).toBeGreaterThan(1e-4);
  expect(many.pValue).toBeLessThan(2e-4); // z = (200 - 1) / sqrt(2800) = 3.761: 1.7e-4
});

test('paired difference: sign, size and interval', () => {
  const result = pairedDifference(...pairs(40, 30, 10, 20));
  expect(result).toMatchObject({ difference: 0.2, onlyA: 30, onlyB: 10, n: 100 });
  // Agresti and Min: 20/102 -+ 1.96 sqrt(41 - 400/102) / 102
  expect(result.ci95[0]).toBeCloseTo(20 / 102 - (1.959964 * Math.sqrt(41 - 400 / 102)) / 102, 6);
  expect(result.ci95[1]).toBeCloseTo(20 / 102 + (1.959964 * Math.sqrt(41 - 400 / 102)) / 102, 6);
  const [a, b] = pairs(40, 30, 10, 20);
  expect(pairedDifference(b, a).difference).toBe(-0.2);
  expect(pairedDifference([], []).pValue).toBe(1);
  expect(() => pairedDifference([true], [])).toThrow(/got 1 and 0/);
});

test('the area counts pairs within a group only, ties half', () => {
  const p = (score: number, positive: boolean) => ({ score, positive });
  const groups = [
    [p(0.9, true), p(0.1, false), p(0.5, false)], // 2 of 2
    [p(0.2, true), p(0.8, false), p(0.2, false)], // 0.5 of 2
    [p(0.99, false), p(0.98, false)], // no pair: a pooled area would suffer
  ];
  const auc = withinGroupAuc(groups, { random: random() });
  expect(auc?.value).toBe(2.5 / 4);
  expect(auc?.n).toBe(2);
  expect(auc?.ci95).toEqual([0.25, 1]);
  expect(withinGroupAuc([[p(1, true)]], { random: random() })).toBe(null);
  expect(() => withinGroupAuc([[p(Number.NaN, true)]], { random: random() })).toThrow(/NaN/);
});

test('the area of chance is one half and its interval says so; seeds repeat', () => {
  const draw = createRandom('scores');
  const groups = Array.from({ length: 200 }, () =>
    Array.from({ length: 8 }, () => ({ score: draw.next(), positive: draw.next() < 0.4 })),
  );
  const auc = withinGroupAuc(groups, { random: random() });
  expect(auc!.ci95[0]).toBeLessThan(0.5);
  expect(auc!.ci95[1]).toBeGreaterThan(0.5);
  expect(auc!.ci95[1] - auc!.ci95[0]).toBeLessThan(0.08);
  expect(withinGroupAuc(groups, { random: random() })).toEqual(auc);
});

test('the bootstrap interval of a mean is about the normal one', () => {
  const draw = createRandom('mean');
  const values = Array.from({ length: 400 }, () => draw.next());
  const mean = (list: readonly number[]) => list.reduce((a, b) => a + b, 0) / list.length;
  const [lo, hi] = bootstrap(values, mean, { random: random(), resamples: 2000 })!;
  const half = 1.96 * Math.sqrt(1 / 12 / 400);
  expect((hi - lo) / 2 / half).toBeGreaterThan(0.88);
  expect((hi - lo) / 2 / half).toBeLessThan(1.12);
});

test('step accuracy and first errors', () => {
  const p = (score: number, positive: boolean) => ({ score, positive });
  expect(stepAccuracy([[p(0.5, true), p(0.4, true)], [p(0.1, false)], []], { random: random() })?.value).toBeCloseTo(
    2 / 3,
  );
  expect(firstErrorAt([0.9, 0.5, 0.4, 0.1])).toBe(2);
  expect(firstErrorAt([0.9])).toBe(-1);
  const paths = [
    { predicted: 1, label: 1 },
    { predicted: 0, label: 1 },
    { predicted: -1, label: 2 },
    { predicted: 3, label: 3 },
    { predicted: -1, label: -1 },
    { predicted: 2, label: -1 },
    { predicted: -1, label: -1 },
  ];
  const found = firstErrorAccuracy(paths);
  expect(found.wrong).toMatchObject({ value: 0.5, n: 4 });
  expect(found.right).toMatchObject({ value: 2 / 3, n: 3 });
  expect(found.f1).toBeCloseTo((2 * 0.5 * (2 / 3)) / (0.5 + 2 / 3), 12);
  expect(firstErrorAccuracy(paths.slice(0, 4)).f1).toBe(null);
  expect(
    firstErrorF1(
      paths.map((path) => [path]),
      { random: random() },
    )?.value,
  ).toBe(found.f1);
});

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
