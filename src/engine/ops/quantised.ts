// A product with a frozen matrix of few bits a weight -> kernels that unpack it for the product.
import type { DType } from '../graph.ts';
import { checkTypes, type Emitter, fail, MICROSOFT, ONNX_DTYPE, type Op, type Ternary, type Value } from './op.ts';

/** Consecutive weights of the flat matrix that share a scale in NF4, and of a row in int4. */
export const NF4_BLOCK = 64;
export const INT4_BLOCK = 32;

interface PackedShapes {
  readonly dtype: DType;
  packed(rows: number, columns: number): readonly number[];
  scales(rows: number, columns: number): readonly number[];
}

/** The ways to pack a matrix, and the sizes of its bytes and scales. */
export const PACKINGS = {
  /** Two weights a byte, the first in its upper half; a scale for each block (Dettmers et al. 2023, as bitsandbytes packs it). */
  nf4: {
    dtype: 'uint8',
    packed: (rows, columns) => [(rows * columns) / 2],
    scales: (rows, columns) => [(rows * columns) / NF4_BLOCK],
  },
  /** Two weights a byte, the first in its lower half, each 8 more than its number of its block's scale: what MatMulNBits reads. */
  int4: {
    dtype: 'uint8',
    packed: (rows, columns) => [rows, columns / INT4_BLOCK, INT4_BLOCK / 2],
    scales: (rows, columns) => [(rows * columns) / INT4_BLOCK],
  },
  /** One weight a byte, and one scale a row: the weights' unit. */
  int8: { dtype: 'int8', packed: (rows, columns) => [rows, columns], scales: (rows) => [rows] },
  /** Half precision, in units of one scale a row. */
  float16: { dtype: 'float16', packed: (rows, columns) => [rows, columns], scales: (rows) => [rows] },
} as const satisfies Record<string, PackedShapes>;

export type Packing = keyof typeof PACKINGS;

/** The levels of NF4 by their 4 bits (Dettmers et al. 2023, appendix E). */
export const NF4_LEVELS: readonly number[] = [
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
  -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
  0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
];

export type QuantisedAttributes = Readonly<{ packing: Packing; rows: number; columns: number; transB: boolean }>;

type Matrix = readonly [x: Value, packed: Value, scales: Value];

/** `x [..., columns]` (transB) or `[..., rows]`, the matrix's bytes and scales -> x times the matrix. */
const quantisedMatmul: Ternary<QuantisedAttributes> = {
  infer(inputs, { packing, rows, columns, transB }) {
    const [x, packed, scales] = inputs;
    const sizes: PackedShapes = PACKINGS[packing];
    checkTypes('quantisedMatmul', [x, scales], ['float32']);
    checkTypes('quantisedMatmul', [packed], [sizes.dtype]);
    const [bytes, units] = [sizes.packed(rows, columns), sizes.scales(rows, columns)];
    if (packed.shape.join() !== bytes.join() || scales.shape.join() !== units.join())
      fail('quantisedMatmul', inputs, `a ${packing} matrix [${rows}, ${columns}] has [${bytes}] and [${units}]`);
    const [inner, outer] = transB ? [columns, rows] : [rows, columns];
    if (x.shape.at(-1) !== inner) fail('quantisedMatmul', inputs, `inner sizes ${x.shape.at(-1)} and ${inner} differ`);
    return [{ dtype: 'float32', shape: [...x.shape.slice(0, -1), outer] }];
  },
  lower({ inputs, outputs, attributes }, emit) {
    const { packing, transB } = attributes;
    const [x, packed, scales] = inputs;
    // One scale a row of the matrix: columns of what comes out, or of x.
    const scaled = (value: Value) => (packing === 'float16' ? emit.value('Mul', [value, scales]) : value);
    const given = transB ? x : scaled(x);
    const product = (from: Value) => productOf([from, packed, scales], attributes, emit);
    const found = emit.precision === 'float16' ? inHalves(given, product, emit) : product(given);
    emit.node('Identity', [transB ? scaled(found) : found], outputs);
  },
};

/**
 * A product in half precision. Each row of x is divided by its largest number before, so that none is too large for it, nor lost as too small:
 * derivatives are.
 */
function inHalves(x: Value, product: (halves: Value) => Value, emit: Emitter): string {
  const largest = emit.value('ReduceMax', [emit.value('Abs', [x]), emit.int64([-1])], { keepdims: 1 });
  const unit = emit.value('Max', [largest, emit.float32(2 ** -100)]);
  const halves = emit.value('Cast', [emit.value('Div', [x, unit])], { to: ONNX_DTYPE.float16 });
  return emit.value('Mul', [emit.value('Cast', [product(halves)], { to: ONNX_DTYPE.float32 }), unit]);
}

/** x times the matrix, both in `emit.precision`. */
function productOf(matrix: Matrix, attributes: QuantisedAttributes, emit: Emitter): string {
  const { packing, rows, columns, transB } = attributes;
  const [x, packed, scales] = matrix;
  const onCpu = emit.provider === 'cpu';
  if (packing === 'int4' && transB) {
    const options = { N: rows, K: columns, bits: 4, block_size: INT4_BLOCK };
    return emit.value('MatMulNBits', [x, packed, inPrecision(scales, emit)], options, MICROSOFT);
  }
  if (packing === 'nf4' && transB && onCpu) {
    const options = { N: rows, K: columns, block_size: NF4_BLOCK, quant_type: 1, transB };
    return emit.value('MatMulBnb4', matrix, options, MICROSOFT);
  }
  // MatMulBnb4 ignores transB 0 on the CPU: its product is the transposed one, whatever its sizes.
  const unpacked = UNPACK[packing](matrix, attributes, emit);
  if (onCpu) return emit.value('FusedMatMul', [x, unpacked], { transA: false, transB, alpha: { float: 1 } }, MICROSOFT);
  return emit.value('MatMul', [x, transB ? emit.value('Transpose', [unpacked], { perm: [1, 0] }) : unpacked]);
}

const inPrecision = (value: Value, emit: Emitter): Value =>
  emit.precision === 'float16' ? emit.value('Cast', [value], { to: ONNX_DTYPE.float16 }) : value;

type Unpack = (matrix: Matrix, attributes: QuantisedAttributes, emit: Emitter) => Value;

/**
 * The whole matrix in `emit.precision`. What is unpacked waits for x. Else the runtime would unpack while it creates the session, or keep one copy
 * from the forward to the backward pass.
 */
const UNPACK: Readonly<Record<Packing, Unpack>> = {
  nf4: (...args) => inPrecision(unpackNf4(...args), args[2]),
  int4: (...args) => inPrecision(unpackInt4(...args), args[2]),
  int8([x, packed, scales], _, emit) {
    const late = emit.value('Add', [scales, emit.value('Cast', [nothingIn(x, emit)], { to: ONNX_DTYPE.float32 })]);
    return inPrecision(emit.value('DequantizeLinear', [packed, late], { axis: 0 }), emit);
  },
  float16([x, packed], { rows, columns }, emit) {
    const halves = emit.value('Reshape', [packed, sizesAfter(x, [rows, columns], emit)]);
    return emit.precision === 'float16' ? halves : emit.value('Cast', [halves], { to: ONNX_DTYPE.float32 });
  },
};

/** int64 `[1]`: 0, which is not known before x is. */
const nothingIn = (x: Value, emit: Emitter): string =>
  emit.value('Mul', [emit.value('Shape', [x], { start: 0, end: 1 }), emit.int64([0])]);

/** Sizes that are not known before x is. */
const sizesAfter = (x: Value, sizes: readonly number[], emit: Emitter): string =>
  emit.value('Add', [nothingIn(x, emit), emit.int64(sizes)]);

/** Both levels of each byte at once, from a table of all bytes. */
function unpackNf4([x, packed, scales]: Matrix, { rows, columns }: QuantisedAttributes, emit: Emitter): string {
  const size = rows * columns;
  const late = emit.value('Reshape', [packed, sizesAfter(x, [size / 2], emit)]);
  const pairs = Array.from({ length: 256 }, (_, byte) => [NF4_LEVELS[byte >> 4], NF4_LEVELS[byte & 15]]).flat();
  const table = emit.floats(pairs as number[], [256, 2]);
  const levels = emit.value('Gather', [table, emit.value('Cast', [late], { to: ONNX_DTYPE.int32 })], { axis: 0 });
  const blocks = emit.value('Reshape', [levels, emit.int64([size / NF4_BLOCK, NF4_BLOCK])]);
  const values = emit.value('Mul', [blocks, emit.value('Unsqueeze', [scales, emit.int64([1])])]);
  return emit.value('Reshape', [values, emit.int64([rows, columns])]);
}

/** All rows of the packed matrix: their lookup unpacks them. */
function unpackInt4([x, packed, scales]: Matrix, { rows, columns }: QuantisedAttributes, emit: Emitter): string {
  const end = emit.value('Squeeze', [sizesAfter(x, [rows], emit)]);
  const all = emit.value('Range', [
    emit.value('Squeeze', [emit.int64([0])]),
    end,
    emit.value('Squeeze', [emit.int64([1])]),
  ]);
  const units = emit.value('Reshape', [scales, sizesAfter(x, [rows, columns / INT4_BLOCK, 1], emit)]);
  const options = { gather_axis: 0, quantize_axis: 2, block_size: INT4_BLOCK, bits: 4 };
  const blocks = emit.value('GatherBlockQuantized', [packed, all, units], options, MICROSOFT);
  return emit.value('Reshape', [blocks, emit.int64([rows, columns])]);
}

/** By name. */
export const QUANTISED: Readonly<Record<string, Op>> = { quantisedMatmul };
