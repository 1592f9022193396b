// Raw blocks of a GGUF tensor -> float32 values, bit for bit as gguf-py.
import { decodeBf16, decodeF16, decodeF32, halfToNumber } from '../weights/half.ts';

/** How `blockValues` values are stored in `blockBytes` bytes; `decode` fills `out` (a whole number of blocks). */
export interface BlockType {
  readonly name: string;
  readonly blockValues: number;
  readonly blockBytes: number;
  readonly decode: (bytes: Uint8Array, out: Float32Array) => void;
}

/** One block: values `out[to ...]` from the bytes at `at`. */
type DecodeBlock = (b: Uint8Array, at: number, out: Float32Array, to: number) => void;

const half = (b: Uint8Array, at: number): number => halfToNumber((b[at] as number) | ((b[at + 1] as number) << 8));
const int8 = (byte: number): number => (byte << 24) >> 24;

function blocks(name: string, blockValues: number, blockBytes: number, decodeBlock: DecodeBlock): BlockType {
  const decode = (bytes: Uint8Array, out: Float32Array): void => {
    for (let i = 0; i * blockValues < out.length; i++) decodeBlock(bytes, i * blockBytes, out, i * blockValues);
  };
  return { name, blockValues, blockBytes, decode };
}

interface Nibbles {
  /** A fifth bit each, in four bytes before the nibbles. */
  readonly fifth?: boolean;
  /** Added to each value; stored behind the scale. */
  readonly minimum?: boolean;
  /** What the bits stand for. */
  readonly value?: (bits: number) => number;
}

/** 32 values: those of the low nibbles of 16 bytes, then those of the high ones. */
function nibbles({ fifth = false, minimum = false, value = (bits) => bits }: Nibbles): DecodeBlock {
  const fifths = minimum ? 4 : 2;
  const lows = fifth ? fifths + 4 : fifths;
  return (b, at, out, to) => {
    const d = half(b, at);
    const m = half(b, at + 2);
    for (let i = 0; i < 32; i++) {
      const low = ((b[at + lows + (i & 15)] as number) >> (i < 16 ? 0 : 4)) & 15;
      const high = fifth ? (((b[at + fifths + (i >> 3)] as number) >> (i & 7)) & 1) << 4 : 0;
      const scaled = d * value(low | high);
      out[to + i] = minimum ? scaled + m : scaled;
    }
  };
}

const q8_0: DecodeBlock = (b, at, out, to) => {
  const d = half(b, at);
  for (let j = 0; j < 32; j++) out[to + j] = d * int8(b[at + 2 + j] as number);
};

const q2_k: DecodeBlock = (b, at, out, to) => {
  const d = half(b, at + 80);
  const min = half(b, at + 82);
  for (let i = 0; i < 256; i++) {
    const scale = b[at + (i >> 4)] as number;
    const q = ((b[at + 16 + (i >> 7) * 32 + (i & 31)] as number) >> (((i >> 5) & 3) * 2)) & 3;
    out[to + i] = Math.fround(d * (scale & 15)) * q - Math.fround(min * (scale >> 4));
  }
};

/** Six-bit scale `k` of 16, minus 32: low nibbles in 8 bytes, high pairs in 4. */
function q3Scale(b: Uint8Array, at: number, k: number): number {
  const low = ((b[at + (k & 7)] as number) >> (k < 8 ? 0 : 4)) & 15;
  const high = ((b[at + 8 + (k & 3)] as number) >> ((k >> 2) * 2)) & 3;
  return (low | (high << 4)) - 32;
}

const q3_k: DecodeBlock = (b, at, out, to) => {
  const d = half(b, at + 108);
  for (let i = 0; i < 256; i++) {
    const low = ((b[at + 32 + (i >> 7) * 32 + (i & 31)] as number) >> (((i >> 5) & 3) * 2)) & 3;
    const high = ((b[at + (i & 31)] as number) >> (i >> 5)) & 1;
    out[to + i] = Math.fround(d * q3Scale(b, at + 96, i >> 4)) * (low - (high ? 0 : 4));
  }
};

/** Scale and minimum `k` of 8 of a Q4_K or Q5_K block: six bits each in 12 bytes. */
function k4Scale(b: Uint8Array, at: number, k: number): number {
  if (k < 4) return (b[at + k] as number) & 63;
  return ((b[at + k + 4] as number) & 15) | (((b[at + k - 4] as number) >> 6) << 4);
}
function k4Min(b: Uint8Array, at: number, k: number): number {
  if (k < 4) return (b[at + k + 4] as number) & 63;
  return ((b[at + k + 4] as number) >> 4) | (((b[at + k] as number) >> 6) << 4);
}

/** Q4_K; Q5_K has fifth bits in 32 bytes before the nibbles. */
const k4 =
  (fifth: boolean): DecodeBlock =>
  (b, at, out, to) => {
    const d = half(b, at);
    const min = half(b, at + 2);
    const lows = at + (fifth ? 48 : 16);
    for (let k = 0; k < 8; k++) {
      const scale = Math.fround(d * k4Scale(b, at + 4, k));
      const m = Math.fround(min * k4Min(b, at + 4, k));
      for (let j = 0; j < 32; j++) {
        const low = ((b[lows + (k >> 1) * 32 + j] as number) >> ((k & 1) * 4)) & 15;
        const high = fifth ? (((b[at + 16 + j] as number) >> k) & 1) << 4 : 0;
        out[to + k * 32 + j] = Math.fround(scale * (low | high)) - m;
      }
    }
  };

const q6_k: DecodeBlock = (b, at, out, to) => {
  const d = half(b, at + 208);
  for (let i = 0; i < 256; i++) {
    const part = (i >> 5) & 3;
    const low = ((b[at + (i >> 7) * 64 + (part & 1) * 32 + (i & 31)] as number) >> ((part >> 1) * 4)) & 15;
    const high = ((b[at + 128 + (i >> 7) * 32 + (i & 31)] as number) >> (part * 2)) & 3;
    const scale = Math.fround(d * int8(b[at + 192 + (i >> 4)] as number));
    out[to + i] = scale * ((low | (high << 4)) - 32);
  }
};

const IQ4_VALUES = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113] as const;
const iq4 = (nibble: number): number => IQ4_VALUES[nibble] as number;

const iq4_xs: DecodeBlock = (b, at, out, to) => {
  const d = half(b, at);
  const high = (b[at + 2] as number) | ((b[at + 3] as number) << 8);
  for (let k = 0; k < 8; k++) {
    const low = ((b[at + 4 + (k >> 1)] as number) >> ((k & 1) * 4)) & 15;
    const scale = Math.fround(d * ((low | (((high >> (2 * k)) & 3) << 4)) - 32));
    for (let j = 0; j < 16; j++) {
      const byte = b[at + 8 + k * 16 + j] as number;
      out[to + k * 32 + j] = scale * iq4(byte & 15);
      out[to + k * 32 + j + 16] = scale * iq4(byte >> 4);
    }
  }
};

/** Readable block types by their GGML number: one entry each. */
export const BLOCK_TYPES: ReadonlyMap<number, BlockType> = new Map([
  [0, { name: 'F32', blockValues: 1, blockBytes: 4, decode: decodeF32 }],
  [1, { name: 'F16', blockValues: 1, blockBytes: 2, decode: decodeF16 }],
  [2, blocks('Q4_0', 32, 18, nibbles({ value: (bits) => bits - 8 }))],
  [3, blocks('Q4_1', 32, 20, nibbles({ minimum: true }))],
  [6, blocks('Q5_0', 32, 22, nibbles({ fifth: true, value: (bits) => bits - 16 }))],
  [7, blocks('Q5_1', 32, 24, nibbles({ fifth: true, minimum: true }))],
  [8, blocks('Q8_0', 32, 34, q8_0)],
  [10, blocks('Q2_K', 256, 84, q2_k)],
  [11, blocks('Q3_K', 256, 110, q3_k)],
  [12, blocks('Q4_K', 256, 144, k4(false))],
  [13, blocks('Q5_K', 256, 176, k4(true))],
  [14, blocks('Q6_K', 256, 210, q6_k)],
  [20, blocks('IQ4_NL', 32, 18, nibbles({ value: iq4 }))],
  [23, blocks('IQ4_XS', 256, 136, iq4_xs)],
  [30, { name: 'BF16', blockValues: 1, blockBytes: 2, decode: decodeBf16 }],
]);

const OTHER_NAMES: Readonly<Record<number, string>> = {
  9: 'Q8_1',
  15: 'Q8_K',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  21: 'IQ3_S',
  22: 'IQ2_S',
  24: 'I8',
  25: 'I16',
  26: 'I32',
  27: 'I64',
  28: 'F64',
  29: 'IQ1_M',
  34: 'TQ1_0',
  35: 'TQ2_0',
  39: 'MXFP4',
};

/** The GGML type's name, for messages. */
export function blockTypeName(type: number): string {
  return BLOCK_TYPES.get(type)?.name ?? OTHER_NAMES[type] ?? `number ${type}`;
}
