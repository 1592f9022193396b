// The ways to store a frozen matrix in few bits: its bytes and scales, by the name of the setting.
import { NF4_BLOCK, type Packing } from '../../../engine/ops/quantised.ts';
import { packInt8, rowScales } from './int8.ts';
import { nestedScales } from './nested-scales.ts';
import { blockScales, packNf4 } from './nf4.ts';

type MatrixShape = readonly [rows: number, columns: number];

export interface Quantiser {
  readonly packing: Packing;
  /** Of its bytes in a safetensors file. */
  readonly dtype: 'U8' | 'I8';
  /** Whether a matrix of this shape can be stored so. */
  fits(shape: MatrixShape): boolean;
  packedShape(shape: MatrixShape): readonly number[];
  scalesShape(shape: MatrixShape): readonly number[];
  pack(values: Float32Array, columns: number): Uint8Array<ArrayBuffer> | Int8Array<ArrayBuffer>;
  scales(values: Float32Array, columns: number): Float32Array<ArrayBuffer>;
}

const nf4: Quantiser = {
  packing: 'nf4',
  dtype: 'U8',
  fits: ([rows, columns]) => (rows * columns) % NF4_BLOCK === 0,
  packedShape: ([rows, columns]) => [(rows * columns) / 2],
  scalesShape: ([rows, columns]) => [(rows * columns) / NF4_BLOCK],
  pack: packNf4,
  scales: blockScales,
};

export const QUANTISERS = {
  nf4,
  'nf4-double': { ...nf4, scales: (values) => nestedScales(blockScales(values)) },
  int8: {
    packing: 'int8',
    dtype: 'I8',
    fits: () => true,
    packedShape: (shape) => shape,
    scalesShape: ([rows]) => [rows],
    pack: packInt8,
    scales: rowScales,
  },
} as const satisfies Record<string, Quantiser>;

/** How a model's frozen matrices are stored. */
export type Quantisation = keyof typeof QUANTISERS;
