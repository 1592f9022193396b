// A product with a frozen matrix of 4 or 8 bits a weight -> kernels that unpack it for the product.
import { checkTypes, type Emitter, fail, MICROSOFT, nothingAfter, type Op, type Ternary, type Value } from './op.ts';

/**
 * nf4: two weights a byte, the first in its upper half, and one scale for each block (Dettmers et al. 2023, as bitsandbytes packs it).
 * int8: one weight a byte, and one scale a row: the weights' unit.
 */
export type Packing = 'nf4' | 'int8';

/** Consecutive weights of the flat matrix that share a scale. */
export const NF4_BLOCK = 64;

/** The levels of NF4 by their 4 bits (Dettmers et al. 2023, appendix E). */
export const NF4_LEVELS: readonly number[] = [
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
  -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
  0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
];

export type QuantisedAttributes = Readonly<{ packing: Packing; rows: number; columns: number; transB: boolean }>;

/** Sizes of the bytes and of their scales. */
function sizesOf({ packing, rows, columns }: QuantisedAttributes): readonly [bytes: string, scales: string] {
  if (packing === 'int8') return [`${rows},${columns}`, `${rows}`];
  return [`${(rows * columns) / 2}`, `${(rows * columns) / NF4_BLOCK}`];
}

type Matrix = readonly [x: Value, packed: Value, scales: Value];

/** `x [..., columns]` (transB) or `[..., rows]`, the matrix's bytes and scales -> x times the matrix. */
const quantisedMatmul: Ternary<QuantisedAttributes> = {
  infer(inputs, attributes) {
    const [x, packed, scales] = inputs;
    const { packing, rows, columns, transB } = attributes;
    checkTypes('quantisedMatmul', [x, scales], ['float32']);
    checkTypes('quantisedMatmul', [packed], [packing === 'nf4' ? 'uint8' : 'int8']);
    const [bytes, units] = sizesOf(attributes);
    if (packed.shape.join() !== bytes || scales.shape.join() !== units)
      fail('quantisedMatmul', inputs, `a ${packing} matrix [${rows}, ${columns}] has [${bytes}] and [${units}]`);
    const [inner, outer] = transB ? [columns, rows] : [rows, columns];
    if (x.shape.at(-1) !== inner) fail('quantisedMatmul', inputs, `inner sizes ${x.shape.at(-1)} and ${inner} differ`);
    return [{ dtype: 'float32', shape: [...x.shape.slice(0, -1), outer] }];
  },
  lower({ inputs, outputs, attributes }, emit) {
    const { packing, rows, columns, transB } = attributes;
    const onDevice = emit.provider !== 'cpu';
    if (packing === 'nf4' && transB && !onDevice) {
      const options = { N: rows, K: columns, block_size: NF4_BLOCK, quant_type: 1, transB };
      return emit.node('MatMulBnb4', inputs, outputs, options, MICROSOFT);
    }
    // MatMulBnb4 ignores transB 0 on the CPU: its product is the transposed one, whatever its sizes.
    const matrix = packing === 'nf4' ? unpackNf4(inputs, attributes, emit) : unpackInt8(inputs, emit);
    if (onDevice) {
      const right = transB ? emit.value('Transpose', [matrix], { perm: [1, 0] }) : matrix;
      return emit.node('MatMul', [inputs[0], right], outputs);
    }
    const product = { transA: false, transB, alpha: { float: 1 } };
    emit.node('FusedMatMul', [inputs[0], matrix], outputs, product, MICROSOFT);
  },
};

// What is unpacked waits for x. Else the runtime would unpack while it creates the session, or keep one copy from the forward to the backward pass.

function unpackInt8([x, packed, scales]: Matrix, emit: Emitter): string {
  return emit.value('DequantizeLinear', [packed, emit.value('Add', [scales, nothingAfter([x], emit)])], { axis: 0 });
}

const INT32 = 6;

/** Both levels of each byte at once, from a table of all bytes. */
function unpackNf4([x, packed, scales]: Matrix, { rows, columns }: QuantisedAttributes, emit: Emitter): string {
  const size = rows * columns;
  const none = emit.value('Mul', [emit.value('Shape', [x], { start: 0, end: 1 }), emit.int64([0])]);
  const late = emit.value('Reshape', [packed, emit.value('Add', [none, emit.int64([size / 2])])]);
  const pairs = Array.from({ length: 256 }, (_, byte) => [NF4_LEVELS[byte >> 4], NF4_LEVELS[byte & 15]]).flat();
  const table = emit.value('Add', [emit.floats(pairs as number[], [256, 2]), nothingAfter([x], emit)]);
  const levels = emit.value('Gather', [table, emit.value('Cast', [late], { to: INT32 })], { axis: 0 });
  const blocks = emit.value('Reshape', [levels, emit.int64([size / NF4_BLOCK, NF4_BLOCK])]);
  const values = emit.value('Mul', [blocks, emit.value('Unsqueeze', [scales, emit.int64([1])])]);
  return emit.value('Reshape', [values, emit.int64([rows, columns])]);
}

/** By name. */
export const QUANTISED: Readonly<Record<string, Op>> = { quantisedMatmul };
