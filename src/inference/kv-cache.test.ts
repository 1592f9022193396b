import { expect, it } from 'vitest';
import { keyedUniform } from '../random.ts';
import { bytesPerToken, CpuKvCache, type KvRows, splitRows } from './kv-cache.ts';

const shape = { layers: 2, kvHeads: 3, headDim: 4 };
const PARTS = 2 * shape.layers;

/** Values that say where they belong: sequence, token, part, head and column. */
const placeValue = (sequence: number, token: number, part: number, head: number, column: number) =>
  Math.fround(sequence * 1e5 + token * 100 + part * 20 + head * 5 + column);

function rowsOf(sequence: number, from: number, to: number): KvRows {
  const tokens = to - from;
  const data = new Float32Array(PARTS * shape.kvHeads * tokens * shape.headDim);
  let at = 0;
  for (let part = 0; part < PARTS; part++) {
    for (let head = 0; head < shape.kvHeads; head++) {
      for (let token = from; token < to; token++) {
        for (let column = 0; column < shape.headDim; column++)
          data[at++] = placeValue(sequence, token, part, head, column);
      }
    }
  }
  return { data, tokens };
}

const appended = (sequences: readonly (readonly [number, number])[]) =>
  Float32Array.from(sequences.flatMap(([sequence, token]) => [...rowsOf(sequence, token, token + 1).data]));

/** Checks what a decode step would read. */
function expectHolds(cache: CpuKvCache, live: number, sequences: readonly number[]): void {
  const feeds = cache.feeds(live);
  const past = cache.past(live);
  expect(past % 64).toBe(0);
  let wrong = 0;
  for (let slot = 0; slot < live; slot++) {
    const sequence = sequences[slot] as number;
    for (let part = 0; part < PARTS; part++) {
      const feed = feeds[`past.${part >> 1}.${part % 2 ? 'values' : 'keys'}`] as {
        data: Float32Array;
        shape: number[];
      };
      expect(feed.shape).toEqual([live, shape.kvHeads, past, shape.headDim]);
      for (let head = 0; head < shape.kvHeads; head++) {
        for (let token = 0; token < cache.length(slot); token++) {
          const from = ((slot * shape.kvHeads + head) * past + token) * shape.headDim;
          for (let column = 0; column < shape.headDim; column++) {
            if (feed.data[from + column] !== placeValue(sequence, token, part, head, column)) wrong++;
          }
        }
      }
    }
    const copy = cache.copyOut(slot, 0, cache.length(slot));
    const expected = rowsOf(sequence, 0, copy.tokens);
    wrong += copy.data.filter((value, n) => value !== expected.data[n]).length;
  }
  expect(wrong).toBe(0);
}

it('keeps sequences through appends, growth, moves and forks', () => {
  const cache = new CpuKvCache(shape, 4);
  cache.fork(0, [rowsOf(1, 0, 5)]);
  cache.fork(1, [rowsOf(2, 0, 60), rowsOf(2, 60, 63)]);
  cache.fork(2, []);
  expectHolds(cache, 3, [1, 2, 3]);
  for (let n = 0; n < 210; n++) {
    cache.append(appended([0, 1, 2].map((slot) => [slot + 1, cache.length(slot)] as const)), 3);
    if (n % 40 === 0 || n > 200) expectHolds(cache, 3, [1, 2, 3]);
  }
  expect([0, 1, 2].map((slot) => cache.length(slot))).toEqual([215, 273, 210]);
  expect(cache.past(3)).toBe(320);
  cache.release(1);
  cache.move(2, 1);
  expect(cache.length(2)).toBe(0);
  expectHolds(cache, 2, [1, 3]);
  cache.fork(2, [cache.copyOut(0, 0, 7), rowsOf(1, 7, 9)]);
  expectHolds(cache, 3, [1, 3, 1]);
});

it('shrinks when its longest sequence has ended', () => {
  const cache = new CpuKvCache(shape, 2);
  cache.fork(0, [rowsOf(1, 0, 10)]);
  cache.fork(1, [rowsOf(2, 0, 700)]);
  expect(cache.past(2)).toBe(704);
  expectHolds(cache, 2, [1, 2]);
  cache.release(1);
  expectHolds(cache, 1, [1]);
  expect(cache.past(1)).toBe(128);
  cache.fork(1, [rowsOf(3, 0, 300)]);
  expectHolds(cache, 2, [1, 3]);
});

it('holds what a random life leaves in it', () => {
  const uniform = keyedUniform('life');
  const cache = new CpuKvCache(shape, 5);
  const live: number[] = [];
  let position = 0;
  const draw = (n: number) => Math.floor(uniform(position++) * n);
  for (let n = 0; n < 150; n++) {
    const action = draw(4);
    if (action === 0 && live.length < 5) {
      const length = draw(150);
      cache.fork(live.length, [rowsOf(n, 0, length)]);
      live.push(n);
    } else if (action === 1 && live.length > 0) {
      const slot = draw(live.length);
      cache.release(slot);
      if (slot < live.length - 1) cache.move(live.length - 1, slot);
      live[slot] = live.at(-1) as number;
      live.pop();
    } else if (live.length > 0) {
      cache.append(appended(live.map((sequence, slot) => [sequence, cache.length(slot)] as const)), live.length);
    }
    if (n % 10 === 9 && live.length > 0) expectHolds(cache, live.length, live);
  }
});

it('splits rows at any token', () => {
  for (const at of [1, 2, 6]) {
    expect(splitRows(rowsOf(9, 0, 7), at, shape)).toEqual([rowsOf(9, 0, at), rowsOf(9, at, 7)]);
  }
  expect(bytesPerToken(shape)).toBe(rowsOf(9, 0, 1).data.byteLength);
});
