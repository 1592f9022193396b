// Streams of records -> units, and records by question.
import { expect, test } from 'vitest';
import { inUnits, QuestionStream } from './units.ts';

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function* rows(...ids: string[]) {
  for (const [n, questionId] of ids.entries()) yield { questionId, n };
}

test('takes records by question and notices those out of order', async () => {
  await using stream = new QuestionStream(rows('a', 'a', 'c'));
  const ids = ['a', 'b', 'c', 'd'];
  const taken: number[][] = [];
  for (const id of ids) taken.push((await stream.take(id)).map(({ n }) => n));
  expect(taken).toEqual([[0, 1], [], [2], []]);
  await stream.end();
  await using unordered = new QuestionStream(rows('b', 'a'));
  expect(await unordered.take('a')).toEqual([]);
  expect(await unordered.take('b')).toHaveLength(1);
  await expect(unordered.end()).rejects.toThrow(/a out of place/);
  await expect(new QuestionStream(rows('a')).end()).rejects.toThrow(/a out of place/);
});

test('cuts a stream into units', async () => {
  expect(await collect(inUnits([1, 2, 3], 2))).toEqual([[1, 2], [3]]);
});
