// A text key -> random numbers that depend on nothing else. Not for cryptography.
import { createHash } from 'node:crypto';

const INV_24 = 2 ** -24;

/** A stream of uniforms. `next()` is in [0, 1) with 32 random bits; the others are drawn from it. */
export interface Random {
  next(): number;
  /** A whole number in [lo, hi], both included. */
  int(lo: number, hi: number): number;
  pick<T>(items: readonly T[]): T;
  /** A shuffled copy (Fisher-Yates). */
  shuffle<T>(items: readonly T[]): T[];
}

/** First four 32-bit words (big endian) of the SHA-256 of `key` as UTF-8. */
function keyWords(key: string): [number, number, number, number] {
  const digest = createHash('sha256').update(key, 'utf8').digest();
  return [digest.readUInt32BE(0), digest.readUInt32BE(4), digest.readUInt32BE(8), digest.readUInt32BE(12)];
}

/** The 32-bit finaliser of MurmurHash3: every input bit changes every output bit with probability near one half. */
function mix(word: number): number {
  let h = word | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A 32-bit hash of a text, e.g. to cut a split by question id: equal on every machine. */
export function hash32(text: string): number {
  return keyWords(text)[0];
}

/**
 * Counter-based uniforms of one key: `keyedUniform(key)(position)` needs no earlier position, so a sequence's numbers do not depend on
 * what else is in the batch. Values are k / 2^24 with 0 <= k < 2^24: exact in float32 and below 1. `position` is a whole number >= 0.
 */
export function keyedUniform(key: string): (position: number) => number {
  const [a, b, c, d] = keyWords(key);
  return (position) => {
    const low = position >>> 0;
    const high = Math.floor(position / 2 ** 32) >>> 0;
    // Two dependent rounds over all 128 key bits: keys that agree in one word still give unrelated streams.
    const first = mix(low ^ a) ^ b;
    const second = mix((first + c + Math.imul(high, 0x9e3779b1)) | 0) ^ d;
    return (mix(second) >>> 8) * INV_24;
  };
}

/**
 * sfc32 (Chris Doty-Humphrey, PractRand: 128 bits of state, period about 2^127) seeded by the SHA-256 of `key`.
 * @throws RangeError, from pick, where there is no item.
 */
export function createRandom(key: string): Random {
  let [a, b, c, counter] = keyWords(key);
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return (sum >>> 0) * 2 ** -32;
  };
  const int = (lo: number, hi: number): number => lo + Math.floor(next() * (hi - lo + 1));
  return {
    next,
    int,
    pick: <T>(items: readonly T[]): T => {
      if (items.length === 0) throw new RangeError('Expected at least one item to pick from, got none.');
      return items[int(0, items.length - 1)] as T;
    },
    shuffle: <T>(items: readonly T[]): T[] => {
      const out = [...items];
      for (let i = out.length - 1; i > 0; i--) {
        const j = int(0, i);
        [out[i], out[j]] = [out[j] as T, out[i] as T];
      }
      return out;
    },
  };
}
