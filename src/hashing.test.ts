// Question ids -> checks of the held-out share: few ids leave some, many follow the hash alone.
import { expect, test } from 'vitest';
import { isHeldOut, shareHeldOut } from './hashing.ts';

const ids = (count: number, prefix: string) => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

test.each([4, 5, 8, 20, 24, 60])('of %d questions one is held out at least, never all', (count) => {
  for (let seed = 0; seed < 60; seed += 1) {
    const own = ids(count, `${seed}/`);
    const heldOut = own.filter((id) => isHeldOut(id, shareHeldOut(own, 0.1)));
    expect(heldOut.length).toBeGreaterThan(0);
    expect(heldOut.length).toBeLessThan(count);
    const byHash = own.filter((id) => isHeldOut(id, 0.1));
    if (byHash.length > 0) expect(heldOut).toEqual(byHash);
    else expect(heldOut).toHaveLength(Math.max(1, Math.round(count / 10)));
  }
});

test('nothing is held out where nothing shall be, nor of very few questions', () => {
  expect(shareHeldOut(ids(30, 'a'), 0)).toBe(0);
  expect(shareHeldOut(ids(3, 'a'), 0.1)).toBe(0.1);
  expect(shareHeldOut(ids(3000, 'a'), 0.1)).toBe(0.1);
});
