// Streams of records -> units, and groups by question.
import { expect, test } from 'vitest';
import { inUnits, joinQuestions } from './units.ts';

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

test('joins by question and notices records out of order', async () => {
  const rows = (...ids: string[]) => ids.map((questionId) => ({ questionId }));
  const joined = await collect(joinQuestions(['a', 'b', 'c'], [rows('a', 'a', 'c'), rows('b')]));
  expect(joined.map(({ groups }) => groups.map(({ length }) => length))).toEqual(
    [
      [2, 0],
      [0, 1],
      [0, 0],
    ].map((pair, i) => (i === 2 ? [1, 0] : pair)),
  );
  await expect(collect(joinQuestions(['a', 'b'], [rows('b', 'a')]))).rejects.toThrow(/out of place/);
  expect(await collect(inUnits([1, 2, 3], 2))).toEqual([[1, 2], [3]]);
});
