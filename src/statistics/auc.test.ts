// Hand-made and random scores -> checks of the within-question area.
import { expect, test } from 'vitest';
import { createRandom } from '../random.ts';
import { withinGroupAuc } from './auc.ts';

const random = () => createRandom('test');

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

test('the area depends on the order of scores alone, and becomes its complement with the classes exchanged', () => {
  const draw = createRandom('order');
  for (let round = 0; round < 20; round += 1) {
    const groups = Array.from({ length: 6 }, () =>
      Array.from({ length: 5 }, () => ({ score: draw.int(0, 4), positive: draw.next() < 0.5 })),
    );
    const value = (change: (path: { score: number; positive: boolean }) => { score: number; positive: boolean }) =>
      withinGroupAuc(
        groups.map((group) => group.map(change)),
        { random: random(), resamples: 10 },
      )?.value ?? Number.NaN;
    const area = value((path) => path);
    expect(value(({ score, positive }) => ({ score: Math.exp(score) - 7, positive }))).toBe(area);
    expect(value(({ score, positive }) => ({ score, positive: !positive }))).toBeCloseTo(1 - area, 12);
    expect(value(({ positive }) => ({ score: 1, positive }))).toBe(0.5);
  }
});
