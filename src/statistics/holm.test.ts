// Holm's adjustment -> the step-down test itself, decided at every level.
import { expect, test } from 'vitest';
import { createRandom } from '../random.ts';
import { holm } from './holm.ts';

/** Holm's procedure as it is written: from the smallest p on, reject while p <= level / (m - j). */
function rejectedAt(pValues: readonly number[], level: number): boolean[] {
  const rejected = pValues.map(() => false);
  const left = new Set(pValues.keys());
  while (left.size > 0) {
    const smallest = [...left].reduce((best, at) => (pValues[at]! < pValues[best]! ? at : best));
    if (pValues[smallest]! * left.size > level) return rejected;
    rejected[smallest] = true;
    left.delete(smallest);
  }
  return rejected;
}

test('an adjusted p is the smallest level at which the procedure rejects', () => {
  const random = createRandom('holm');
  for (let round = 0; round < 300; round += 1) {
    const pValues = Array.from({ length: random.int(0, 8) }, () => random.int(0, 40) / 200);
    const adjusted = holm(pValues);
    for (const level of adjusted.filter((p) => p < 1))
      expect(adjusted.map((p) => p <= level)).toEqual(rejectedAt(pValues, level));
    for (const level of [0, 0.013, 0.05, 0.2, 0.7])
      expect(adjusted.map((p) => p <= level)).toEqual(rejectedAt(pValues, level));
  }
});

test('by hand', () => {
  expect(holm([])).toEqual([]);
  expect(holm([0.01, 0.04, 0.03])).toEqual([0.03, 0.06, 0.06]);
  expect(holm([0.9, 0.8])).toEqual([1, 1]);
});
