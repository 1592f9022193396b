// float32 values -> the number types that weights are written in; what does not fit is refused.
import { printable, SipfError } from '../../errors.ts';
import { BF16_OVERFLOW, encodeBf16, encodeF16, encodeF32, HALF_OVERFLOW } from '../weights/half.ts';
import { BLOCK_TYPES, type BlockType } from './gguf-blocks.ts';

/** A type that is written. */
export interface WrittenType extends BlockType {
  /** Its GGML number. */
  readonly id: number;
  /** Values from here on do not fit. */
  readonly overflow: number;
  readonly encode: (values: Float32Array) => Uint8Array;
}

function written(id: number, overflow: number, encode: WrittenType['encode']): WrittenType {
  return { ...(BLOCK_TYPES.get(id) as BlockType), id, overflow, encode };
}

/** The types of tensors that are written, by their names in options. */
export const WRITTEN_TYPES = {
  f32: written(0, Number.POSITIVE_INFINITY, encodeF32),
  f16: written(1, HALF_OVERFLOW, encodeF16),
  bf16: written(30, BF16_OVERFLOW, encodeBf16),
  q8_0: written(8, 127 * HALF_OVERFLOW, encodeQ8_0),
} as const;
export type WrittenTypeName = keyof typeof WRITTEN_TYPES;

/**
 * Bytes of a piece of a tensor: whole blocks of its type.
 * @throws SipfError 'bad-input' naming the tensor and a value that the type cannot hold.
 */
export function encoded(file: string, name: string, type: WrittenType, piece: Float32Array): Uint8Array {
  const wrong = piece.find((value) => !(Math.abs(value) < type.overflow));
  if (wrong === undefined) return type.encode(piece);
  throw new SipfError(
    'bad-input',
    `Expected values below ${type.overflow} (type ${type.name}) in tensor ${printable(name)} for ${file}, got ${wrong}. Give --dtype f32, or another model.`,
  );
}

/** 32 values each: the largest is 127 steps of the block's scale (llama.cpp's quantize_row_q8_0_ref). */
function encodeQ8_0(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array((values.length / 32) * 34);
  for (let block = 0; block < values.length / 32; block++) {
    const own = values.subarray(block * 32, (block + 1) * 32);
    const largest = own.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const scale = Math.fround(largest / 127);
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    bytes.set(encodeF16(Float32Array.of(scale)), block * 34);
    for (const [j, value] of own.entries()) bytes[block * 34 + 2 + j] = rounded(Math.fround(value * inverse));
  }
  return bytes;
}

/** Halves go away from zero, as C's roundf. */
const rounded = (value: number): number => Math.sign(value) * Math.floor(Math.abs(value) + 0.5);
