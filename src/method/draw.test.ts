// Grades that end in any order, or fail -> their own order, and nothing left running.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { gradeBeside } from './draw.ts';

test('grades come in the order they were handed over, whichever ends first', async () => {
  const late = async (ms: number) => {
    await sleep(ms);
    return ms;
  };
  const { result, grades } = await gradeBeside<string, number>(async (hand) => {
    for (const ms of [30, 1, 15]) hand(late(ms));
    return 'written';
  });
  expect({ result, grades }).toEqual({ result: 'written', grades: [30, 1, 15] });
});

test('a failure ends the writing at the next grade, after all others have ended', async () => {
  let [written, ended] = [0, 0];
  const grade = async (n: number) => {
    await sleep(n === 1 ? 1 : 40);
    ended += 1;
    if (n === 1) throw new Error('no sandbox');
  };
  const writing = gradeBeside(async (hand) => {
    for (; written < 100; written += 1) {
      hand(grade(written));
      await sleep(5);
    }
  });
  await expect(writing).rejects.toThrow('no sandbox');
  expect(written).toBeLessThan(20);
  // The one that was handed over last is waited for, too.
  expect(ended).toBe(written + 1);
});

test('what ends the writing is thrown, a grade that fails later or not', async () => {
  const writing = gradeBeside(async (hand) => {
    hand(sleep(10).then(() => Promise.reject(new Error('late'))));
    throw new Error('stopped');
  });
  await expect(writing).rejects.toThrow('stopped');
});
