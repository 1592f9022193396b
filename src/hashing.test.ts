// Checks of hashes: the held-out share of few ids and many, and values hashed piece by piece.
import { expect, test } from 'vitest';
import { canonicalHash, canonicalJson, isHeldOut, sha256, shareHeldOut } from './hashing.ts';
import { createRandom, type Random } from './random.ts';

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

/** Any JSON value, and objects with keys that are numbers or lack a value. */
function anyValue(random: Random, depth: number): unknown {
  const leaves = [null, true, 0, -1.5e-7, '', 'a"\u2028ü', 'x'];
  if (depth === 0 || random.next() < 0.3) return random.pick(leaves);
  const inner = Array.from({ length: random.int(0, 4) }, () => anyValue(random, depth - 1));
  if (random.next() < 0.5) return inner;
  const keys = ['b', 'a', '10', '9', 'ü', 'none'];
  const entries = inner.map((value): [string, unknown] => [random.pick(keys), value]);
  return { ...Object.fromEntries(entries), none: undefined };
}

test('a hash that is made piece by piece is that of the whole text', () => {
  const random = createRandom('values');
  for (let n = 0; n < 300; n += 1) {
    const value = anyValue(random, 4);
    expect(canonicalHash(value)).toBe(sha256(canonicalJson(value)));
  }
});
