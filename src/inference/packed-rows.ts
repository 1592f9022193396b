// Prefixes and continuations -> few full passes: continuations of one prefix share a row and do not see each other. Leaves running them to others.
import type { TokenPass } from './language-model.ts';
import { HIDDEN } from './passes.ts';

export interface PackItem {
  readonly prefix: readonly number[];
  readonly continuation: readonly number[];
}

export interface PackOptions {
  /** Tokens of one pass, padding included, unless a single row is longer. */
  readonly tokensPerPass?: number;
  /** Tokens up to which one row takes further continuations. */
  readonly tokensPerRow?: number;
}

/** Where one item's tokens lie in a pass. */
export interface Placed {
  /** Index into the items. */
  readonly item: number;
  /** Flat place (row · seq + column) of the n-th token of prefix and continuation. */
  place(n: number): number;
}

export interface PackedPass {
  /** Everything but the places to read. */
  readonly pass: Omit<TokenPass, 'at'>;
  readonly items: readonly Placed[];
}

interface Row {
  readonly prefix: readonly number[];
  readonly branches: { readonly item: number; readonly tokens: readonly number[] }[];
  length: number;
}

/** Packs all items; rows of a pass are of similar length. The result depends on the items and their order only. */
export function packRows(items: readonly PackItem[], options: PackOptions = {}): PackedPass[] {
  const { tokensPerPass = 2048, tokensPerRow = 512 } = options;
  const rows = makeRows(items, tokensPerRow).sort((a, b) => b.length - a.length);
  const passes: PackedPass[] = [];
  for (let from = 0; from < rows.length; ) {
    const longest = (rows[from] as Row).length;
    const count = Math.max(1, Math.floor(tokensPerPass / longest));
    passes.push(layOut(rows.slice(from, from + count)));
    from += count;
  }
  return passes;
}

function makeRows(items: readonly PackItem[], tokensPerRow: number): Row[] {
  const open = new Map<string, Row>();
  const rows: Row[] = [];
  items.forEach(({ prefix, continuation }, item) => {
    const key = prefix.join(',');
    let row = open.get(key);
    if (!row || row.length + continuation.length > tokensPerRow) {
      row = { prefix, branches: [], length: prefix.length };
      open.set(key, row);
      rows.push(row);
    }
    row.branches.push({ item, tokens: continuation });
    row.length += continuation.length;
  });
  return rows;
}

/** Rows are padded to a multiple of this, so that few shapes occur. */
const SEQ_BLOCK = 16;

function layOut(rows: readonly Row[]): PackedPass {
  const batch = rows.length;
  const seq = Math.ceil(Math.max(1, ...rows.map(({ length }) => length)) / SEQ_BLOCK) * SEQ_BLOCK;
  const ids = new BigInt64Array(batch * seq);
  const positions = new BigInt64Array(batch * seq);
  const bias = new Float32Array(batch * seq * seq).fill(HIDDEN);
  const items: Placed[] = [];
  rows.forEach(({ prefix, branches }, row) => {
    const put = (tokens: readonly number[], column: number, position: number) =>
      tokens.forEach((token, i) => {
        const place = row * seq + column + i;
        ids[place] = BigInt(token);
        positions[place] = BigInt(position + i);
        bias.fill(0, place * seq, place * seq + Math.min(prefix.length, column + i + 1));
        bias.fill(0, place * seq + column, place * seq + column + i + 1);
      });
    put(prefix, 0, 0);
    let column = prefix.length;
    for (const { item, tokens } of branches) {
      put(tokens, column, prefix.length);
      const start = row * seq + column - prefix.length;
      items.push({ item, place: (n) => (n < prefix.length ? row * seq : start) + n });
      column += tokens.length;
    }
  });
  return { pass: { ids, positions, bias, batch, seq }, items };
}
