// Textbook and hand-made cases -> checks of intervals and paired tests.
import { expect, test } from 'vitest';
import { createRandom } from '../random.ts';
import { bootstrap, type Part, pairedDifference, pooledShare, sum, wilson } from './intervals.ts';

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
  expect(result).toMatchObject({ difference: 0.2, better: 30, worse: 10, n: 100 });
  // Agresti and Min: 20/102 -+ 1.96 sqrt(41 - 400/102) / 102
  expect(result.ci95[0]).toBeCloseTo(20 / 102 - (1.959964 * Math.sqrt(41 - 400 / 102)) / 102, 6);
  expect(result.ci95[1]).toBeCloseTo(20 / 102 + (1.959964 * Math.sqrt(41 - 400 / 102)) / 102, 6);
  const [a, b] = pairs(40, 30, 10, 20);
  expect(pairedDifference(b, a).difference).toBe(-0.2);
  expect(pairedDifference([], []).pValue).toBe(1);
  expect(() => pairedDifference([true], [])).toThrow(/got 1 and 0/);
});

test('the bootstrap interval of a mean is about the normal one', () => {
  const draw = createRandom('mean');
  const values = Array.from({ length: 400 }, () => draw.next());
  const mean = (list: readonly number[]) => list.reduce((a, b) => a + b, 0) / list.length;
  const [lo, hi] = bootstrap(values, mean, { random: random(), resamples: 2000 })!.ci95;
  const half = 1.96 * Math.sqrt(1 / 12 / 400);
  expect((hi - lo) / 2 / half).toBeGreaterThan(0.88);
  expect((hi - lo) / 2 / half).toBeLessThan(1.12);
});

test('a paired difference changes its sign, and nothing else, with the order of the models', () => {
  const draw = createRandom('pairs');
  for (let round = 0; round < 50; round += 1) {
    const [a, b] = [0, 1].map(() => Array.from({ length: 40 }, () => draw.next() < 0.6)) as [boolean[], boolean[]];
    const [one, other] = [pairedDifference(a, b), pairedDifference(b, a)];
    expect(one.difference).toBeCloseTo(-other.difference, 12);
    expect(one.ci95[0]).toBeCloseTo(-other.ci95[1], 12);
    expect(one.pValue).toBe(other.pValue);
    expect(one.ci95[0] <= one.difference && one.difference <= one.ci95[1]).toBe(true);
  }
});

test('a pooled share is the bootstrap of its groups, to the last digit', () => {
  const own = random();
  const share = (groups: readonly Part[]) =>
    sum(groups.map(({ part }) => part)) / sum(groups.map(({ whole }) => whole));
  for (let n = 0; n < 40; n += 1) {
    const groups = Array.from({ length: own.int(0, 12) }, (): Part => {
      const whole = own.int(0, 5);
      return { part: whole * own.next(), whole };
    });
    const counted = groups.filter(({ whole }) => whole > 0);
    const expected = bootstrap(counted, share, { random: createRandom(`${n}`), resamples: 50 });
    expect(pooledShare(groups, { random: createRandom(`${n}`), resamples: 50 })).toEqual(expected);
  }
});
