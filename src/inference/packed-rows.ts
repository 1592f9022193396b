// Prefixes and continuations -> few passes: prefixes that continue each other share a row.
import { setImmediate as nextEvents } from 'node:timers/promises';
import { int64 } from '../engine/host-arrays.ts';
import { throwIfAborted } from '../errors.ts';
import type { PassShape, Placed } from '../models/pass-inputs.ts';

interface PackItem {
  readonly prefix: readonly number[];
  readonly continuation: readonly number[];
}

export interface PackOptions {
  /** Tokens of one pass, padding included, unless a single row is longer. */
  readonly tokensPerPass?: number;
  /** Tokens up to which one row takes further continuations; those of one path's prefixes do not count. */
  readonly tokensPerRow?: number;
}

/** Where one item's tokens are in a pass. */
interface PlacedItem {
  /** Index into the items. */
  readonly item: number;
  /** Flat place (row · seq + column) of the n-th token of prefix and continuation. */
  place(n: number): number;
}

interface PackedPass {
  readonly shape: PassShape;
  /** One a row. */
  readonly rows: readonly Placed[];
  readonly items: readonly PlacedItem[];
}

interface Row {
  /** The longest prefix of its items; those of the others are its beginnings. */
  prefix: readonly number[];
  /** `fork`: how many of the prefix's tokens the branch follows. */
  readonly branches: { readonly item: number; readonly tokens: readonly number[]; readonly fork: number }[];
  /** Tokens of the branches. */
  branched: number;
}

const lengthOf = ({ prefix, branched }: Row): number => prefix.length + branched;

/** Tokens of a pass without a past, and the flat places to read. */
export interface TokenPass {
  readonly shape: PassShape;
  readonly rows: readonly Placed[];
  readonly at: BigInt64Array;
}

/** The `n`-th value that is read of an item. */
interface Read {
  readonly item: number;
  readonly n: number;
}

/**
 * Values `[those of tokensOf(item)]` of each item, in order.
 * @param tokensOf the tokens of prefix and continuation to read at.
 * @param run a pass, and what is read at its places -> the values there.
 * @throws SipfError 'aborted' between two passes.
 */
export async function readPacked<T>(
  items: readonly PackItem[],
  tokensOf: (item: number) => readonly number[],
  run: (pass: TokenPass, reads: readonly Read[]) => Promise<readonly T[]>,
  { signal, ...options }: PackOptions & { readonly signal?: AbortSignal | undefined },
): Promise<T[][]> {
  const found: T[][] = items.map(() => []);
  for (const { shape, rows, items: placed } of packRows(items, options)) {
    throwIfAborted(signal);
    const reads = placed.flatMap(({ item, place }) => tokensOf(item).map((at, n) => ({ item, n, place: place(at) })));
    if (reads.length === 0) continue;
    const values = await run({ shape, rows, at: int64(reads.map(({ place }) => place)) }, reads);
    for (const [index, { item }] of reads.entries()) found[item]?.push(values[index] as T);
    await nextEvents();
  }
  return found;
}

/** Packs all items; rows of a pass are of similar length. The result depends on the items and their order only. */
export function packRows(items: readonly PackItem[], options: PackOptions = {}): PackedPass[] {
  const { tokensPerPass = 2048, tokensPerRow = 512 } = options;
  const rows = makeRows(items, tokensPerRow).sort((a, b) => lengthOf(b) - lengthOf(a));
  const passes: PackedPass[] = [];
  for (let from = 0; from < rows.length; ) {
    const longest = lengthOf(rows[from] as Row);
    const count = Math.max(1, Math.floor(tokensPerPass / longest));
    passes.push(layOut(rows.slice(from, from + count)));
    from += count;
  }
  return passes;
}

/** An item joins the row of an equal prefix, or the last row where one prefix is the beginning of the other: a path, step by step. */
function makeRows(items: readonly PackItem[], tokensPerRow: number): Row[] {
  const open = new Map<string, Row>();
  const rows: Row[] = [];
  items.forEach(({ prefix, continuation }, item) => {
    const key = prefix.join(',');
    const last = rows.at(-1);
    const known = open.get(key) ?? (last && isOnePath(last.prefix, prefix) ? last : undefined);
    const row = known && hasRoom(known, { prefix, continuation }, tokensPerRow) ? known : newRow(rows, prefix);
    open.set(key, row);
    if (prefix.length > row.prefix.length) row.prefix = prefix;
    row.branches.push({ item, tokens: continuation, fork: prefix.length });
    row.branched += continuation.length;
  });
  return rows;
}

function newRow(rows: Row[], prefix: readonly number[]): Row {
  const row: Row = { prefix, branches: [], branched: 0 };
  rows.push(row);
  return row;
}

/** True where one of two prefixes is the beginning of the other. */
function isOnePath(a: readonly number[], b: readonly number[]): boolean {
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  return short.length > 0 && short.every((token, n) => token === long[n]);
}

/** A row of one prefix is bounded whole; of a path's prefixes, which would all be computed again elsewhere, the branches alone. */
function hasRoom({ prefix, branched }: Row, item: PackItem, tokensPerRow: number): boolean {
  const counted = item.prefix.length === prefix.length ? prefix.length : 0;
  return counted + branched + item.continuation.length <= tokensPerRow;
}

/** Rows are padded to a multiple of this, so that few shapes occur. */
const SEQ_BLOCK = 16;

function layOut(rows: readonly Row[]): PackedPass {
  const seq = Math.ceil(Math.max(1, ...rows.map(lengthOf)) / SEQ_BLOCK) * SEQ_BLOCK;
  const items: PlacedItem[] = [];
  for (const [row, { prefix, branches }] of rows.entries()) {
    let start = row * seq + prefix.length;
    for (const { item, tokens, fork } of branches) {
      const shift = start - fork;
      items.push({ item, place: (n) => (n < fork ? row * seq : shift) + n });
      start += tokens.length;
    }
  }
  return {
    shape: { batch: rows.length, seq },
    rows: rows.map(({ prefix, branches }, row) => ({
      row,
      offset: 0,
      prompt: prefix,
      branches: branches.map(({ tokens }) => tokens),
      forks: branches.map(({ fork }) => fork),
    })),
    items,
  };
}
