// ROC curves within groups -> corners by hand, and areas that are the AUC of random groups.
import { expect, it } from 'vitest';
import { createRandom } from '../random.ts';
import { type Scored, withinGroupAuc } from './auc.ts';
import { type RocPoint, withinGroupRoc } from './roc.ts';

const scored = (...members: readonly (readonly [number, boolean])[]): Scored[] =>
  members.map(([score, positive]) => ({ score, positive }));

function areaUnder(points: readonly RocPoint[]): number {
  let area = 0;
  for (const [n, [rate, height]] of points.entries()) {
    const [before, from] = points[n - 1] ?? [0, 0];
    area += ((rate - before) * (height + from)) / 2;
  }
  return area;
}

it('has the corners of one group', () => {
  expect(withinGroupRoc([scored([3, true], [2, false], [1, true], [0, false])])).toEqual([
    [0, 0],
    [0, 0.5],
    [0.5, 0.5],
    [0.5, 1],
    [1, 1],
  ]);
  expect(withinGroupRoc([scored([1, true], [1, false])])).toEqual([
    [0, 0],
    [1, 1],
  ]);
});

it('weighs groups by their pairs, and leaves out those of one kind', () => {
  const good = scored([2, true], [1, false]);
  const bad = scored([2, false], [1, true], [0, true]);
  expect(withinGroupRoc([good, bad, scored([1, true], [2, true]), []])).toEqual([
    [0, 0],
    [0, 1 / 3],
    [1, 1 / 3],
    [1, 1],
  ]);
  expect(withinGroupRoc([scored([1, true])])).toEqual([]);
});

it('has the area of the AUC within groups, and never falls', () => {
  const random = createRandom('roc');
  for (let n = 0; n < 200; n += 1) {
    const groups = Array.from({ length: random.int(2, 8) }, () =>
      Array.from({ length: random.int(0, 9) }, () => ({ score: random.int(0, 4), positive: random.next() < 0.5 })),
    );
    const auc = withinGroupAuc(groups, { random: createRandom('any'), resamples: 2 });
    const points = withinGroupRoc(groups);
    if (auc !== null) expect(areaUnder(points)).toBeCloseTo(auc.value, 10);
    if (points.length > 0)
      expect([points[0], points.at(-1)]).toEqual([
        [0, 0],
        [1, 1],
      ]);
    for (const [at, [rate, height]] of points.entries()) {
      expect(rate).toBeGreaterThanOrEqual(points[at - 1]?.[0] ?? 0);
      expect(height).toBeGreaterThanOrEqual((points[at - 1]?.[1] ?? 0) - 1e-12);
    }
  }
});
