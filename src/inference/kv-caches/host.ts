// The cache in main memory: rows are copied into arrays that decode steps read in place.
import type { DeviceArray, Engine, Feeds, HostArray } from '../../engine/runtime/session.ts';
import {
  BLOCK,
  type CacheShape,
  countTo,
  type KvCache,
  type KvRows,
  type PastFeeds,
  pastInput,
  roundUp,
  SMALLEST_CAPACITY,
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
export class HostKvCache implements KvCache {
  readonly slots: number;
  readonly #engine: Pick<Engine, 'read'>;
  readonly #shape: CacheShape;
  readonly #lengths: number[];
  #arrays: Float32Array[];
  /** Tokens a row has room for, now (a multiple of BLOCK) and at most before new arrays are needed. */
  #stride = BLOCK;
  #capacity = SMALLEST_CAPACITY;
  #columns = countTo(SMALLEST_CAPACITY);

  constructor(engine: Pick<Engine, 'read'>, shape: CacheShape, slots: number) {
    this.slots = slots;
    this.#engine = engine;
    this.#shape = shape;
    this.#lengths = Array<number>(slots).fill(0);
    this.#arrays = this.#allocate();
  }

  length(slot: number): number {
    return this.#lengths[slot] as number;
  }

  async keep(rows: DeviceArray, lengths: readonly number[]): Promise<KvRows[]> {
    const { headDim } = this.#shape;
    const [, , seq] = rows.shape as [number, number, number];
    const data = await this.#take(rows);
    const parts = this.#arrays.length * this.#shape.kvHeads;
    return lengths.map((tokens, row) => {
      const kept = new Float32Array(parts * tokens * headDim);
      for (let part = 0; part < parts; part++) {
        const from = (row * parts + part) * seq * headDim;
        kept.set(data.subarray(from, from + tokens * headDim), part * tokens * headDim);
      }
      return new HostRows(kept, tokens);
    });
  }

  split(rows: KvRows, at: number): [KvRows, KvRows] {
    const { headDim } = this.#shape;
    const data = HostRows.dataOf(rows);
    const parts = this.#arrays.length * this.#shape.kvHeads;
    const [first, second] = [at, rows.tokens - at].map((n) => new Float32Array(parts * n * headDim)) as [
      Float32Array,
      Float32Array,
    ];
    for (let part = 0; part < parts; part++) {
      const from = part * rows.tokens * headDim;
      const middle = from + at * headDim;
      first.set(data.subarray(from, middle), part * at * headDim);
      second.set(data.subarray(middle, from + rows.tokens * headDim), part * (rows.tokens - at) * headDim);
    }
    return [new HostRows(first, at), new HostRows(second, rows.tokens - at)];
  }

  drop(): void {}

  async pastOf(prefixes: readonly (readonly KvRows[])[], past: number): Promise<PastFeeds> {
    const { kvHeads, headDim } = this.#shape;
    const shape = [prefixes.length, kvHeads, past, headDim];
    const feeds: Record<string, HostArray> = {};
    for (let part = 0; part < this.#arrays.length; part++) {
      const array = new Float32Array(prefixes.length * kvHeads * past * headDim);
      for (const [n, prefix] of prefixes.entries()) {
        for (let head = 0; head < kvHeads; head++) {
          let to = (n * kvHeads + head) * past * headDim;
          for (const rows of prefix) {
            const size = rows.tokens * headDim;
            const from = (part * kvHeads + head) * size;
            array.set(HostRows.dataOf(rows).subarray(from, from + size), to);
            to += size;
          }
        }
      }
      feeds[pastInput(part)] = { data: array, shape };
    }
    return { feeds, [Symbol.dispose]: () => {} };
  }

  async fork(slot: number, prefix: readonly KvRows[]): Promise<void> {
    const total = prefix.reduce((sum, { tokens }) => sum + tokens, 0);
    this.#lengths[slot] = 0;
    this.#fit(total);
    const { kvHeads, headDim } = this.#shape;
    let done = 0;
    for (const piece of prefix) {
      const data = HostRows.dataOf(piece);
      const size = piece.tokens * headDim;
      this.#arrays.forEach((array, part) => {
        for (let head = 0; head < kvHeads; head++) {
          const from = (part * kvHeads + head) * size;
          array.set(data.subarray(from, from + size), this.#at(slot, head, done));
        }
      });
      done += piece.tokens;
    }
    this.#lengths[slot] = total;
  }

  async append(rows: DeviceArray, live: number): Promise<void> {
    const data = await this.#take(rows);
    this.#fit(Math.max(0, ...this.#lengths.slice(0, live)) + 1);
    const { kvHeads, headDim } = this.#shape;
    const parts = this.#arrays.length;
    let from = 0;
    for (let slot = 0; slot < live; slot++) {
      const length = this.#lengths[slot] as number;
      for (let part = 0; part < parts; part++) {
        const array = this.#arrays[part] as Float32Array;
        for (let head = 0; head < kvHeads; head++) {
          const to = this.#at(slot, head, length);
          for (let i = 0; i < headDim; i++) array[to + i] = data[from++] as number;
        }
      }
      this.#lengths[slot] = length + 1;
    }
  }

  async copyOut(slot: number, from: number, to: number): Promise<KvRows> {
    const { kvHeads, headDim } = this.#shape;
    const tokens = to - from;
    const data = new Float32Array(this.#arrays.length * kvHeads * tokens * headDim);
    this.#arrays.forEach((array, part) => {
      for (let head = 0; head < kvHeads; head++) {
        const rows = array.subarray(this.#at(slot, head, from), this.#at(slot, head, to));
        data.set(rows, (part * kvHeads + head) * tokens * headDim);
      }
    });
    return new HostRows(data, tokens);
  }

  async move(from: number, to: number): Promise<void> {
    const size = (this.#lengths[from] as number) * this.#shape.headDim;
    for (const array of this.#arrays) {
      for (let head = 0; head < this.#shape.kvHeads; head++) {
        const source = this.#at(from, head, 0);
        array.copyWithin(this.#at(to, head, 0), source, source + size);
      }
    }
    this.#lengths[to] = this.#lengths[from] as number;
    this.#lengths[from] = 0;
  }

  release(slot: number): void {
    this.#lengths[slot] = 0;
  }

  feeds(live: number): Feeds {
    const { kvHeads, headDim } = this.#shape;
    const past = this.#past(live);
    const shape = [live, kvHeads, past, headDim];
    const size = live * kvHeads * past * headDim;
    if (past > this.#columns.length) this.#columns = countTo(2 * past);
    const feeds: Record<string, HostArray> = { columns: { data: this.#columns.subarray(0, past), shape: [past] } };
    for (const [part, array] of this.#arrays.entries()) {
      feeds[pastInput(part)] = { data: array.subarray(0, size), shape };
    }
    return feeds;
  }

  width(live: number): number {
    return live;
  }

  [Symbol.dispose](): void {}

  #past(live: number): number {
    const needed = roundUp(Math.max(1, ...this.#lengths.slice(0, live)));
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

  #at(slot: number, head: number, token: number): number {
    return ((slot * this.#shape.kvHeads + head) * this.#stride + token) * this.#shape.headDim;
  }

  #allocate(): Float32Array[] {
    const { layers, kvHeads, headDim } = this.#shape;
    const size = this.slots * kvHeads * this.#capacity * headDim;
    return Array.from({ length: 2 * layers }, () => new Float32Array(size));
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
      this.#arrays = this.#allocate();
    }
    const { kvHeads, headDim } = this.#shape;
    const rows = this.slots * kvHeads;
    const old = this.#stride;
    for (let n = 0; n < rows; n++) {
      const row = stride > old ? rows - 1 - n : n;
      const size = (this.#lengths[Math.floor(row / kvHeads)] as number) * headDim;
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
