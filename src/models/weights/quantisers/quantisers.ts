// The ways to store a frozen matrix in few bits: its bytes and scales, by the name of the setting.
import { INT4_BLOCK, NF4_BLOCK, type Packing } from '../../../engine/ops/quantised.ts';
import { halfScales, packHalf } from './float16.ts';
import { int4Scales, packInt4 } from './int4.ts';
import { packInt8, rowScales } from './int8.ts';
import { nestedScales } from './nested-scales.ts';
import { blockScales, packNf4 } from './nf4.ts';

export interface Quantiser {
  readonly packing: Packing;
  /** Of its bytes in a safetensors file. */
  readonly dtype: 'U8' | 'I8' | 'F16';
  /** Whether a matrix of this shape can be stored so. */
  fits(shape: readonly [rows: number, columns: number]): boolean;
  pack(
    values: Float32Array,
    columns: number,
  ): Uint8Array<ArrayBuffer> | Int8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;
  scales(values: Float32Array, columns: number): Float32Array<ArrayBuffer>;
}

const nf4: Quantiser = {
  packing: 'nf4',
  dtype: 'U8',
  fits: ([rows, columns]) => (rows * columns) % NF4_BLOCK === 0,
  pack: packNf4,
  scales: blockScales,
};

export const QUANTISERS = {
  nf4,
  'nf4-double': { ...nf4, scales: (values) => nestedScales(blockScales(values)) },
  int4: {
    packing: 'int4',
    dtype: 'U8',
    fits: ([, columns]) => columns % INT4_BLOCK === 0,
    pack: packInt4,
    scales: int4Scales,
  },
  int8: { packing: 'int8', dtype: 'I8', fits: () => true, pack: packInt8, scales: rowScales },
  float16: { packing: 'float16', dtype: 'F16', fits: () => true, pack: packHalf, scales: halfScales },
} as const satisfies Record<string, Quantiser>;

/** How a model's frozen matrices are stored. */
export type Quantisation = keyof typeof QUANTISERS;
