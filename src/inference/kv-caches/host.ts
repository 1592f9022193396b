// The cache in main memory: rows are copied into arrays that decode steps read in place.
import type { DeviceArray, Engine, Feeds, HostArray } from '../../engine/runtime/session.ts';
import {
  BLOCK,
  type CacheShape,
  countTo,
  KvCache,
  type KvRows,
  type PastFeeds,
  pastInput,
  roundUp,
  rowsOf,
  SMALLEST_CAPACITY,
  tokensOf,
} from '../kv-cache.ts';

class HostRows implements KvRows {
  readonly data: Float32Array;
  readonly tokens: number;

  constructor(data: Float32Array, tokens: number) {
    this.data = data;
    this.tokens = tokens;
  }

  static dataOf(rows: KvRows): Float32Array {
    if (rows instanceof HostRows) return rows.data;
    throw new Error('Keys and values of another cache');
  }
}

/** One array `[slots, kvHeads, past, headDim]` a layer for keys and one for values; its length follows the longest sequence. */
export class HostKvCache extends KvCache {
  readonly #engine: Pick<Engine, 'read'>;
  #arrays: Float32Array[];
  /** Tokens a row has room for, now (a multiple of BLOCK) and at most before new arrays are needed. */
  #stride = BLOCK;
  #capacity = SMALLEST_CAPACITY;
  #columns = countTo(SMALLEST_CAPACITY);

  constructor(engine: Pick<Engine, 'read'>, shape: CacheShape, slots: number) {
    super(shape, slots);
    this.#engine = engine;
    this.#arrays = this.#allocate(slots, this.#capacity);
  }

  async keep(rows: DeviceArray, lengths: readonly number[]): Promise<KvRows[]> {
    const [, parts, seq] = rows.shape as [number, number, number];
    const data = await this.#take(rows);
    return lengths.map((tokens, n) => this.#copied(tokens, (row) => this.#run(data, (n * parts + row) * seq, tokens)));
  }

  split(rows: KvRows, at: number): [KvRows, KvRows] {
    const data = HostRows.dataOf(rows);
    const part = (from: number, tokens: number) =>
      this.#copied(tokens, (row) => this.#run(data, row * rows.tokens + from, tokens));
    return [part(0, at), part(at, rows.tokens - at)];
  }

  drop(): void {}

  async pastOf(prefixes: readonly (readonly KvRows[])[], past: number): Promise<PastFeeds> {
    const arrays = this.#allocate(prefixes.length, past);
    for (const [row, prefix] of prefixes.entries()) this.#write(arrays, { row, past }, prefix);
    return { feeds: this.#named(arrays, prefixes.length, past), [Symbol.dispose]: () => {} };
  }

  async fork(slot: number, prefix: readonly KvRows[]): Promise<void> {
    this.lengths[slot] = 0;
    this.#fit(tokensOf(prefix));
    this.#write(this.#arrays, { row: slot, past: this.#stride }, prefix);
    this.lengths[slot] = tokensOf(prefix);
  }

  async append(rows: DeviceArray, live: number): Promise<void> {
    const data = await this.#take(rows);
    this.#fit(Math.max(0, ...this.lengths.slice(0, live)) + 1);
    const { kvHeads, headDim } = this.shape;
    const parts = this.#arrays.length;
    let from = 0;
    for (let slot = 0; slot < live; slot++) {
      const length = this.lengths[slot] as number;
      for (let part = 0; part < parts; part++) {
        const array = this.#arrays[part] as Float32Array;
        for (let head = 0; head < kvHeads; head++) {
          const to = this.#at(slot, head, length) * headDim;
          for (let i = 0; i < headDim; i++) array[to + i] = data[from++] as number;
        }
      }
      this.lengths[slot] = length + 1;
    }
  }

  async copyOut(slot: number, from: number, to: number): Promise<KvRows> {
    const { kvHeads } = this.shape;
    return this.#copied(to - from, (row) => {
      const array = this.#arrays[Math.floor(row / kvHeads)] as Float32Array;
      return this.#run(array, this.#at(slot, row % kvHeads, from), to - from);
    });
  }

  async move(from: number, to: number): Promise<void> {
    const { kvHeads, headDim } = this.shape;
    const size = this.length(from) * headDim;
    for (const array of this.#arrays) {
      for (let head = 0; head < kvHeads; head++) {
        const source = this.#at(from, head, 0) * headDim;
        array.copyWithin(this.#at(to, head, 0) * headDim, source, source + size);
      }
    }
    this.lengths[to] = this.length(from);
    this.lengths[from] = 0;
  }

  feeds(live: number): Feeds {
    const past = this.#past(live);
    if (past > this.#columns.length) this.#columns = countTo(2 * past);
    const columns = { data: this.#columns.subarray(0, past), shape: [past] };
    return Object.assign(this.#named(this.#arrays, live, past), { columns });
  }

  width(live: number): number {
    return live;
  }

  [Symbol.dispose](): void {}

  #past(live: number): number {
    const needed = roundUp(Math.max(1, ...this.lengths.slice(0, live)));
    // A long sequence that has ended leaves columns that nobody needs; one block of slack avoids going to and fro.
    if (needed + BLOCK < this.#stride) this.#restride(needed + BLOCK);
    return this.#stride;
  }

  /** The values of an array that is given up. */
  async #take(rows: DeviceArray): Promise<Float32Array> {
    using taken = rows;
    const { data } = await this.#engine.read(taken);
    return data as Float32Array;
  }

  /** Where a token of a slot is, in tokens. */
  #at(slot: number, head: number, token: number): number {
    return (slot * this.shape.kvHeads + head) * this.#stride + token;
  }

  /** A view of consecutive tokens of an array. */
  #run(data: Float32Array, first: number, tokens: number): Float32Array {
    const { headDim } = this.shape;
    return data.subarray(first * headDim, (first + tokens) * headDim);
  }

  /** A copy of the tokens that `runOf` gives of each row. */
  #copied(tokens: number, runOf: (row: number) => Float32Array): HostRows {
    const size = tokens * this.shape.headDim;
    const data = new Float32Array(rowsOf(this.shape) * size);
    for (let row = 0; row < rowsOf(this.shape); row++) data.set(runOf(row), row * size);
    return new HostRows(data, tokens);
  }

  /** Writes consecutive rows into row `row` of arrays that have `past` columns. */
  #write(
    arrays: readonly Float32Array[],
    { row, past }: { row: number; past: number },
    prefix: readonly KvRows[],
  ): void {
    const { kvHeads, headDim } = this.shape;
    let done = 0;
    for (const piece of prefix) {
      const data = HostRows.dataOf(piece);
      for (const [part, array] of arrays.entries()) {
        for (let head = 0; head < kvHeads; head++) {
          const run = this.#run(data, (part * kvHeads + head) * piece.tokens, piece.tokens);
          array.set(run, ((row * kvHeads + head) * past + done) * headDim);
        }
      }
      done += piece.tokens;
    }
  }

  /** The first `rows` rows of arrays that have `past` columns, as inputs. */
  #named(arrays: readonly Float32Array[], rows: number, past: number): Record<string, HostArray> {
    const { kvHeads, headDim } = this.shape;
    const shape = [rows, kvHeads, past, headDim];
    const size = rows * kvHeads * past * headDim;
    const feeds: Record<string, HostArray> = {};
    for (const [part, array] of arrays.entries()) feeds[pastInput(part)] = { data: array.subarray(0, size), shape };
    return feeds;
  }

  #allocate(rows: number, past: number): Float32Array[] {
    const { layers, kvHeads, headDim } = this.shape;
    return Array.from({ length: 2 * layers }, () => new Float32Array(rows * kvHeads * past * headDim));
  }

  #fit(tokens: number): void {
    if (tokens > this.#stride) this.#restride(roundUp(tokens));
  }

  /** Gives every row room for `stride` tokens, in place where the arrays are large enough. */
  #restride(stride: number): void {
    const sources = this.#arrays;
    const grown = stride > this.#capacity;
    if (grown) {
      this.#capacity = Math.max(stride, 2 * this.#capacity);
      this.#arrays = this.#allocate(this.slots, this.#capacity);
    }
    const { kvHeads, headDim } = this.shape;
    const rows = this.slots * kvHeads;
    const old = this.#stride;
    for (let n = 0; n < rows; n++) {
      const row = stride > old ? rows - 1 - n : n;
      const size = this.length(Math.floor(row / kvHeads)) * headDim;
      if (size === 0) continue;
      const [from, to] = [row * old * headDim, row * stride * headDim];
      this.#arrays.forEach((array, part) => {
        if (grown) array.set((sources[part] as Float32Array).subarray(from, from + size), to);
        else array.copyWithin(to, from, from + size);
      });
    }
    this.#stride = stride;
  }
}
