// New keys and values of tokens -> the cache that a decode step reads, by slot; forked, moved and released. Leaves out which tokens they belong to.
import type { HostArray } from '../engine/runtime/session.ts';

export interface CacheShape {
  readonly layers: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

/** Keys and values of consecutive tokens, `[2·layers, kvHeads, tokens, headDim]`: of each layer first the keys, then the values. */
export interface KvRows {
  readonly data: Float32Array;
  readonly tokens: number;
}

/** Cached tokens are padded to a multiple of this, so that few shapes occur. */
const BLOCK = 64;
const SMALLEST_CAPACITY = 256;

/** The cache port. Live slots are `0 ... live - 1`; each holds a sequence of its own length. */
export interface KvCache {
  readonly slots: number;
  length(slot: number): number;
  /** Fills a slot with a copy of a prefix, given as consecutive rows; whatever the slot held is gone. */
  fork(slot: number, prefix: readonly KvRows[]): void;
  /** Adds one token to each of the slots 0 ... live - 1: `rows [live, 2·layers, kvHeads, 1, headDim]`. */
  append(rows: Float32Array, live: number): void;
  /** A copy of a slot's tokens [from, to). */
  copyOut(slot: number, from: number, to: number): KvRows;
  /** Puts the sequence of one slot into another; the first is empty then. */
  move(from: number, to: number): void;
  release(slot: number): void;
  /** Padded length of the cache as a decode step over `live` slots reads it. */
  past(live: number): number;
  /** Inputs `past.N.keys` and `past.N.values` `[live, kvHeads, past, headDim]`, valid until the cache changes. */
  feeds(live: number): Record<string, HostArray<Float32Array>>;
}

/** Bytes that one cached token takes. */
export const bytesPerToken = ({ layers, kvHeads, headDim }: CacheShape): number => 2 * layers * kvHeads * headDim * 4;

/** The cache in main memory: one array `[slots, kvHeads, past, headDim]` a layer for keys and one for values; its length follows the longest sequence. */
export class CpuKvCache implements KvCache {
  readonly slots: number;
  readonly #shape: CacheShape;
  readonly #lengths: number[];
  #arrays: Float32Array[];
  /** Tokens a row has room for, now (a multiple of BLOCK) and at most before new arrays are needed. */
  #stride = BLOCK;
  #capacity = SMALLEST_CAPACITY;

  constructor(shape: CacheShape, slots: number) {
    this.slots = slots;
    this.#shape = shape;
    this.#lengths = Array<number>(slots).fill(0);
    this.#arrays = this.#allocate();
  }

  length(slot: number): number {
    return this.#lengths[slot] as number;
  }

  fork(slot: number, prefix: readonly KvRows[]): void {
    const total = prefix.reduce((sum, { tokens }) => sum + tokens, 0);
    this.#lengths[slot] = 0;
    this.#fit(total);
    const { kvHeads, headDim } = this.#shape;
    let done = 0;
    for (const { data, tokens } of prefix) {
      const size = tokens * headDim;
      this.#arrays.forEach((array, part) => {
        for (let head = 0; head < kvHeads; head++) {
          const from = (part * kvHeads + head) * size;
          array.set(data.subarray(from, from + size), this.#at(slot, head, done));
        }
      });
      done += tokens;
    }
    this.#lengths[slot] = total;
  }

  append(rows: Float32Array, live: number): void {
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
          for (let i = 0; i < headDim; i++) array[to + i] = rows[from++] as number;
        }
      }
      this.#lengths[slot] = length + 1;
    }
  }

  copyOut(slot: number, from: number, to: number): KvRows {
    const { kvHeads, headDim } = this.#shape;
    const tokens = to - from;
    const data = new Float32Array(this.#arrays.length * kvHeads * tokens * headDim);
    this.#arrays.forEach((array, part) => {
      for (let head = 0; head < kvHeads; head++) {
        const rows = array.subarray(this.#at(slot, head, from), this.#at(slot, head, to));
        data.set(rows, (part * kvHeads + head) * tokens * headDim);
      }
    });
    return { data, tokens };
  }

  move(from: number, to: number): void {
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

  past(live: number): number {
    const needed = roundUp(Math.max(1, ...this.#lengths.slice(0, live)));
    // A long sequence that has ended leaves columns that nobody needs; one block of slack avoids going to and fro.
    if (needed + BLOCK < this.#stride) this.#restride(needed + BLOCK);
    return this.#stride;
  }

  feeds(live: number): Record<string, HostArray<Float32Array>> {
    const { kvHeads, headDim, layers } = this.#shape;
    const past = this.past(live);
    const shape = [live, kvHeads, past, headDim];
    const size = live * kvHeads * past * headDim;
    const feeds: Record<string, HostArray<Float32Array>> = {};
    for (let layer = 0; layer < layers; layer++) {
      feeds[`past.${layer}.keys`] = { data: (this.#arrays[2 * layer] as Float32Array).subarray(0, size), shape };
      feeds[`past.${layer}.values`] = { data: (this.#arrays[2 * layer + 1] as Float32Array).subarray(0, size), shape };
    }
    return feeds;
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

const roundUp = (tokens: number): number => Math.ceil(tokens / BLOCK) * BLOCK;

/** The first `at` tokens and the others, as copies. */
export function splitRows(rows: KvRows, at: number, { layers, kvHeads, headDim }: CacheShape): [KvRows, KvRows] {
  const sizes = [at, rows.tokens - at];
  const [first, second] = sizes.map((tokens) => new Float32Array(2 * layers * kvHeads * tokens * headDim)) as [
    Float32Array,
    Float32Array,
  ];
  for (let row = 0; row < 2 * layers * kvHeads; row++) {
    const from = row * rows.tokens * headDim;
    const middle = from + at * headDim;
    first.set(rows.data.subarray(from, middle), row * at * headDim);
    second.set(rows.data.subarray(middle, from + rows.tokens * headDim), row * (rows.tokens - at) * headDim);
  }
  return [
    { data: first, tokens: at },
    { data: second, tokens: rows.tokens - at },
  ];
}
