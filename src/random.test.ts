// The random streams -> checks of range, evenness, independence and values that never change.
import { expect, test } from 'vitest';
import { createRandom, hash32, keyedUniform } from './random.ts';

test('uniform is a pure function of key and position, exact in float32 and below 1', () => {
  const draw = keyedUniform('seed 1');
  const seen = new Set<number>();
  for (let i = 0; i < 10_000; i++) {
    const u = draw(i);
    expect(u).toBe(Math.fround(u));
    expect(u >= 0 && u < 1).toBe(true);
    seen.add(u);
  }
  expect(seen.size).toBeGreaterThan(9_980); // birthday collisions among 2^24 values: about 3
  expect(keyedUniform('seed 1')(77)).toBe(draw(77));
  expect(draw(2 ** 32 + 5)).not.toBe(draw(5));
});

test('values are pinned: a change would silently change every recorded run', () => {
  expect([0, 1, 2].map((i) => keyedUniform('a')(i) * 2 ** 24)).toEqual([14413204, 14463693, 15341963]);
  expect(hash32('a')).toBe(0xca978112); // SHA-256("a") = ca978112...
  const random = createRandom('a');
  expect([random.int(0, 999), random.int(0, 999), random.int(0, 999)]).toEqual([182, 208, 980]);
});

test.each(['positions', 'keys', 'sfc32'])(
  '%s are evenly spread and uncorrelated (chi-square over 64 cells)',
  (kind) => {
    const stream = createRandom('chi');
    const draw = keyedUniform('chi');
    const value = (i: number): number =>
      kind === 'positions' ? draw(i) : kind === 'keys' ? keyedUniform(`k${i}`)(0) : stream.next();
    const n = 20_000;
    const cells = new Float64Array(64);
    const values = Array.from({ length: n }, (_, i) => value(i));
    for (let i = 1; i < n; i += 2) {
      const cell = Math.floor(values[i - 1]! * 8) * 8 + Math.floor(values[i]! * 8);
      cells[cell] = cells[cell]! + 1;
    }
    const expected = n / 2 / 64;
    const chi = cells.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    expect(chi).toBeLessThan(110); // 63 degrees of freedom: mean 63, P(> 110) about 2e-4, and the streams are fixed
    expect(chi).toBeGreaterThan(30);
  },
);

test('shuffle keeps every item and pick refuses an empty list', () => {
  const random = createRandom('s');
  const items = Array.from({ length: 50 }, (_, i) => i);
  const shuffled = random.shuffle(items);
  expect([...shuffled].sort((a, b) => a - b)).toEqual(items);
  expect(shuffled).not.toEqual(items);
  expect(() => random.pick([])).toThrow(/at least one/);
});
