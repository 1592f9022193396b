// Calls that end in any order -> never too many at a time, all of them made, and the first error.
import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { eachAtOnce } from './at-once.ts';

async function* numbers(count: number): AsyncGenerator<number> {
  for (let n = 0; n < count; n += 1) yield n;
}

/** So many turns of the event loop. */
async function turns(count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) await setImmediate();
}

it.each([1, 3, 100])('at most %i at a time, in their order', async (most) => {
  const begun: number[] = [];
  let [open, highest] = [0, 0];
  await eachAtOnce(
    numbers(20),
    () => most,
    async (n) => {
      begun.push(n);
      open += 1;
      highest = Math.max(highest, open);
      await turns(1 + ((n * 7) % 5));
      open -= 1;
    },
  );
  expect([begun, highest, open]).toEqual([Array.from({ length: 20 }, (_, n) => n), Math.min(most, 20), 0]);
});

it('ends at the first error, when those that began have ended', async () => {
  const ended: number[] = [];
  const calls = eachAtOnce(
    numbers(20),
    () => 3,
    async (n) => {
      await turns(n === 4 ? 1 : 9);
      ended.push(n);
      if (n === 4) throw new Error('four');
    },
  );
  await expect(calls).rejects.toThrow('four');
  expect(ended.toSorted((a, b) => a - b)).toEqual(Array.from({ length: ended.length }, (_, n) => n));
  expect(ended.length).toBeLessThanOrEqual(7);
});

it('ends at an error of the items', async () => {
  const items = async function* () {
    yield 1;
    throw new Error('no more');
  };
  const ended: number[] = [];
  const calls = eachAtOnce(
    items(),
    () => 2,
    async (n) => {
      await turns(5);
      ended.push(n);
    },
  );
  await expect(calls).rejects.toThrow('no more');
  expect(ended).toEqual([1]);
});
