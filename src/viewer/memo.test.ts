// Keys, versions and computations -> which of these run, and which results stay.
import { expect, it } from 'vitest';
import { Memo } from './memo.ts';

it('computes once for each key and version, and again after a failure', async () => {
  const memo = new Memo<number>();
  let calls = 0;
  const next = async () => ++calls;
  expect(await Promise.all([memo.get('a', 1, next), memo.get('a', 1, next)])).toEqual([1, 1]);
  expect(await memo.get('b', 1, next)).toBe(2);
  expect(await memo.get('a', 2, next)).toBe(3);
  expect(await memo.get('a', 2, next)).toBe(3);
  await expect(memo.get('a', 3, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await memo.get('a', 3, next)).toBe(4);
});

it('keeps the keys that were asked for last', async () => {
  const memo = new Memo<number>(2);
  let calls = 0;
  const next = async () => ++calls;
  for (const key of ['a', 'b', 'a', 'c', 'a']) await memo.get(key, 1, next);
  expect(calls).toBe(3);
  expect(await memo.get('b', 1, next)).toBe(4);
});
