// Prompts with continuations -> packed rows in which each token sees its own prefix.
import { expect, it } from 'vitest';
import { passInputs } from '../models/pass-inputs.ts';
import { packRows } from './packed-rows.ts';

const items = [
  { prefix: [1, 2, 3], continuation: [10, 11] },
  { prefix: [4], continuation: [20, 21, 22] },
  { prefix: [1, 2, 3], continuation: [12] },
  { prefix: [], continuation: [30] },
  { prefix: [1, 2, 3], continuation: [] },
  // A path, step by step, then one that shares its first step.
  { prefix: [6], continuation: [40, 41] },
  { prefix: [6, 7, 8], continuation: [40, 42] },
  { prefix: [6, 7], continuation: [43] },
  { prefix: [6, 7, 9], continuation: [44] },
];

it('lets every token see its own prefix and continuation, and nothing else', () => {
  const seen = items.map(() => [] as string[]);
  for (const { shape, rows, items: placed } of packRows(items)) {
    const { seq } = shape;
    const [ids, positions, bias] = Object.values(passInputs(shape, rows)).map(({ data }) => data);
    for (const { item, place } of placed) {
      const { prefix, continuation } = items[item] as (typeof items)[number];
      const tokens = [...prefix, ...continuation];
      tokens.forEach((token, n) => {
        const at = place(n);
        expect(ids?.[at]).toBe(BigInt(token));
        expect(positions?.[at]).toBe(BigInt(n));
        const visible = [...(bias as Float32Array).subarray(at * seq, (at + 1) * seq).entries()].filter(
          ([, value]) => value === 0,
        );
        const row = Math.floor(at / seq) * seq;
        expect(visible.map(([column]) => row + column)).toEqual(tokens.slice(0, n + 1).map((_, i) => place(i)));
        seen[item]?.push(`${token}`);
      });
    }
  }
  expect(seen.map((texts) => texts.length)).toEqual([5, 4, 4, 1, 3, 3, 5, 3, 4]);
});

it('shares prefixes up to the length of a row, and keeps passes within their tokens', () => {
  expect(packRows(items).map(({ shape }) => [shape.batch, shape.seq])).toEqual([[5, 16]]);
  const many = Array.from({ length: 40 }, (_, n) => ({
    prefix: Array<number>(20).fill(n % 4),
    continuation: Array<number>(30).fill(n),
  }));
  const passes = packRows(many, { tokensPerPass: 400, tokensPerRow: 110 });
  for (const { shape } of passes) expect(shape.batch * shape.seq).toBeLessThanOrEqual(448);
  // The prefixes of a path do not fill its row, their continuations do.
  const path = Array.from({ length: 8 }, (_, n) => ({
    prefix: Array.from({ length: 100 * n + 1 }, (_, i) => i),
    continuation: Array<number>(10).fill(n),
  }));
  expect(packRows(path).map(({ shape }) => [shape.batch, shape.seq])).toEqual([[1, 784]]);
  expect(packRows(path, { tokensPerRow: 40 }).map(({ shape }) => shape.batch)).toEqual([2]);
  // Three of 30 behind one prefix of 20: ten of a kind make four rows.
  expect(passes.reduce((sum, { shape }) => sum + shape.batch, 0)).toBe(16);
  expect(passes.flatMap(({ items: placed }) => placed.map(({ item }) => item)).sort((a, b) => a - b)).toEqual([
    ...many.keys(),
  ]);
});
