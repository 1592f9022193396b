// The cache port: keys and values by slot, and prefixes beside them, forked into slots.
import type { DeviceArray, Feeds } from '../engine/runtime/session.ts';

export interface CacheShape {
  readonly layers: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

/** Keys and values of consecutive tokens outside the slots: a handle, which the cache that gave it can read. */
export interface KvRows {
  readonly tokens: number;
}

/** What a pass is fed for its past; disposing gives up what was made for it. */
export interface PastFeeds extends Disposable {
  readonly feeds: Feeds;
}

/**
 * The cache port. Live slots are `0 ... live - 1`; each holds a sequence of its own length. Rows of handles and slots are `[2·layers·kvHeads,
 * tokens, headDim]`: of each layer first the keys, then the values.
 */
export abstract class KvCache implements Disposable {
  readonly slots: number;
  protected readonly shape: CacheShape;
  /** Tokens by slot. */
  protected readonly lengths: number[];

  constructor(shape: CacheShape, slots: number) {
    this.slots = slots;
    this.shape = shape;
    this.lengths = Array<number>(slots).fill(0);
  }

  length(slot: number): number {
    return this.lengths[slot] as number;
  }

  release(slot: number): void {
    this.lengths[slot] = 0;
  }

  /** Takes the first `lengths[n]` tokens of each row of `rows [batch, 2·layers·kvHeads, seq, headDim]`, and `rows` with them. */
  abstract keep(rows: DeviceArray, lengths: readonly number[]): Promise<KvRows[]>;
  /** The first `at` tokens and the others, in place of `rows`. */
  abstract split(rows: KvRows, at: number): [KvRows, KvRows];
  abstract drop(rows: KvRows): void;
  /** Inputs `past.N.keys` and `past.N.values` `[prefixes, kvHeads, past, headDim]` of a pass behind prefixes, given as consecutive rows each. */
  abstract pastOf(prefixes: readonly (readonly KvRows[])[], past: number): Promise<PastFeeds>;
  /** Fills a slot with a copy of a prefix, given as consecutive rows; what the slot had is gone. */
  abstract fork(slot: number, prefix: readonly KvRows[]): Promise<void>;
  /** Adds one token to each of the slots 0 ... live - 1, and takes `rows [width(live), 2·layers·kvHeads, 1, headDim]`. */
  abstract append(rows: DeviceArray, live: number): Promise<void>;
  /** A copy of a slot's tokens [from, to). */
  abstract copyOut(slot: number, from: number, to: number): Promise<KvRows>;
  /** Puts the sequence of one slot into another; the first is empty then. */
  abstract move(from: number, to: number): Promise<void>;
  /** Rows that a decode step over `live` slots has; those past `live` belong to no sequence. */
  abstract width(live: number): number;
  /** Inputs `past.N.*` `[width(live), kvHeads, past, headDim]` and `columns [past]`, which counts from 0; valid until the cache changes. */
  abstract feeds(live: number): Feeds;
  abstract [Symbol.dispose](): void;
}

/** Cached tokens are padded to a multiple of this, so that few shapes occur. */
export const BLOCK = 64;
export const SMALLEST_CAPACITY = 256;

/** A layer's input by the place of its array among all: keys of layer 0, its values, keys of layer 1 ... */
export const pastInput = (part: number): string => `past.${part >> 1}.${part % 2 === 0 ? 'keys' : 'values'}`;

/** 0, 1, 2 ... */
export const countTo = (length: number): Float32Array => Float32Array.from({ length }, (_, n) => n);

export const rowsOf = ({ layers, kvHeads }: CacheShape): number => 2 * layers * kvHeads;

/** Bytes that one cached token takes. */
export const bytesPerToken = (shape: CacheShape): number => rowsOf(shape) * shape.headDim * 4;

export const tokensOf = (prefix: readonly KvRows[]): number => prefix.reduce((sum, { tokens }) => sum + tokens, 0);

export const roundUp = (tokens: number): number => Math.ceil(tokens / BLOCK) * BLOCK;
