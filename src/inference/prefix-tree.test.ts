// Wanted contexts -> each token computed once, kept while somebody needs it.
import { beforeEach, expect, it } from 'vitest';
import type { KvRows } from './kv-cache.ts';
import { type PrefixNode, PrefixTree } from './prefix-tree.ts';

const BYTES = 8;

/** Rows that hold the tokens themselves, so that what is kept can be read. */
class TokenRows implements KvRows {
  readonly values: readonly number[];

  constructor(values: readonly number[]) {
    this.values = values;
  }

  get tokens(): number {
    return this.values.length;
  }
}
const valuesOf = (rows: KvRows | null) => (rows instanceof TokenRows ? rows.values : [NaN]);

/** Handles that were dropped. */
let dropped: KvRows[] = [];
beforeEach(() => {
  dropped = [];
});

function makeTree(): PrefixTree {
  return new PrefixTree(
    {
      split: (rows, at) => [new TokenRows(valuesOf(rows).slice(0, at)), new TokenRows(valuesOf(rows).slice(at))],
      drop: (rows) => dropped.push(rows),
    },
    BYTES,
  );
}

const text = (nodes: readonly PrefixNode[]) => nodes.flatMap(({ tokens }) => [...tokens]);
const kept = (nodes: readonly PrefixNode[]) => nodes.flatMap(({ rows }) => [...valuesOf(rows)]);

function compute(tree: PrefixTree, tokens: readonly number[], limit = 1000): number[] {
  const { nodes } = tree.missing(tokens, limit);
  const computed = text(nodes);
  tree.store(nodes, new TokenRows(computed));
  return computed;
}

it('asks for each token once, in the order of need', () => {
  const tree = makeTree();
  for (const context of [
    [1, 2, 3, 4],
    [1, 2, 3, 9],
    [1, 2],
    [5, 6],
  ]) {
    tree.want(context);
  }
  expect(compute(tree, [1, 2, 3, 4])).toEqual([1, 2, 3, 4]);
  expect(compute(tree, [1, 2, 3, 9])).toEqual([9]);
  expect(compute(tree, [1, 2])).toEqual([]);
  expect(kept(tree.path([1, 2, 3, 9]))).toEqual([1, 2, 3, 9]);
  expect(kept(tree.path([1, 2]))).toEqual([1, 2]);
  tree.want([1, 2, 3, 4, 7, 8]);
  expect(compute(tree, [1, 2, 3, 4, 7, 8])).toEqual([7, 8]);
  expect(tree.bytes).toBe(7 * BYTES);
});

it('continues to what comes after, and stops at the limit', () => {
  const tree = makeTree();
  for (const context of [[1], [1, 2], [1, 2, 3, 4, 5], [1, 8]]) tree.want(context);
  expect(compute(tree, [1], 3)).toEqual([1, 2, 3]);
  expect(compute(tree, [1, 2, 3, 4, 5], 1)).toEqual([4]);
  expect(compute(tree, [1, 2, 3, 4, 5])).toEqual([5]);
  expect(compute(tree, [1, 8])).toEqual([8]);
  expect(kept(tree.path([1, 2, 3, 4, 5]))).toEqual([1, 2, 3, 4, 5]);
});

it('forgets what nobody needs, the least recently used first, and keeps beginnings of what it keeps', () => {
  const tree = makeTree();
  const contexts = [
    [1, 2, 3],
    [1, 2, 4, 4],
    [1, 5],
  ];
  for (const context of contexts) tree.want(context);
  for (const context of contexts) compute(tree, context);
  tree.release([1, 2, 3]);
  tree.release([1, 5]);
  expect(tree.bytes).toBe(6 * BYTES);
  tree.evict(5 * BYTES);
  tree.want([1, 2, 3]);
  tree.want([1, 5]);
  expect(compute(tree, [1, 5])).toEqual([]);
  expect(compute(tree, [1, 2, 3])).toEqual([3]);
  for (const context of contexts) tree.release(context);
  tree.evict(0);
  expect(tree.bytes).toBe(0);
  expect(dropped.flatMap((rows) => valuesOf(rows)).sort()).toEqual([1, 2, 3, 3, 4, 4, 5]);
});

it('gives up everything at once', () => {
  const tree = makeTree();
  for (const context of [
    [1, 2, 3],
    [1, 2, 4],
    [5, 6],
  ]) {
    tree.want(context);
    compute(tree, context);
  }
  tree.want([7]);
  tree.clear();
  expect(tree.bytes).toBe(0);
  expect(dropped.flatMap((rows) => valuesOf(rows)).sort()).toEqual([1, 2, 3, 4, 5, 6]);
});

it('gives up wanted prefixes last, and never the ones in use', () => {
  const tree = makeTree();
  for (const context of [[1, 2], [3, 4], [5]]) {
    tree.want(context);
    compute(tree, context);
  }
  tree.release([5]);
  tree.evict(2 * BYTES, tree.path([1, 2]));
  expect(tree.bytes).toBe(2 * BYTES);
  expect(compute(tree, [3, 4])).toEqual([3, 4]);
  expect(compute(tree, [1, 2])).toEqual([]);
});

it('adopts what others computed as far as it is wanted', async () => {
  const tree = makeTree();
  const sequence = [1, 2, 3, 4, 5, 6];
  const asked: [number, number][] = [];
  const rowsOf = async (from: number, to: number) => {
    asked.push([from, to]);
    return new TokenRows(sequence.slice(from, to));
  };
  tree.want([1, 2]);
  compute(tree, [1, 2]);
  tree.want([1, 2, 3, 4, 9]);
  tree.want([7]);
  await tree.adopt(sequence, rowsOf);
  expect(asked).toEqual([[2, 4]]);
  expect(compute(tree, [1, 2, 3, 4, 9])).toEqual([9]);
  expect(kept(tree.path([1, 2, 3, 4, 9]))).toEqual([1, 2, 3, 4, 9]);
  tree.want(sequence);
  await tree.adopt(sequence, rowsOf);
  expect(asked.slice(1)).toEqual([[4, 6]]);
});
