// Ops that move elements or say when they are computed, and matrix products.
import { type Dim, isName, product, type Shape, sum } from '../dims.ts';
import type { Tensor } from '../graph.ts';
import {
  type Binary,
  broadcast,
  checkTypes,
  fail,
  MICROSOFT,
  nothingAfter,
  type Op,
  same,
  sizeOf,
  type Unary,
} from './op.ts';
import * as webgpu from './webgpu.ts';

const TO_END = 2 ** 31 - 1;

/** The shape with another size along `axis`. */
const resized = (shape: Shape, axis: number, size: Dim): Dim[] => shape.map((dim, i) => (i === axis ? size : dim));

const like = (opType: 'Reshape' | 'Expand'): Binary => ({
  infer: ([{ dtype }, { shape }]) => [{ dtype, shape }],
  lower: ({ inputs: [x, target], outputs }, emit) => emit.node(opType, [x, emit.value('Shape', [target])], outputs),
});

/** `alpha · op(a) · op(b)` over the last two axes; leading axes broadcast; a matrix b is shared by all of a's leading axes. */
const matmul: Binary<{ transA: boolean; transB: boolean; alpha: number }> = {
  infer(inputs, { transA, transB }) {
    const [a, b] = inputs;
    checkTypes('matmul', inputs, ['float32']);
    if (a.shape.length < 2 || b.shape.length < 2) fail('matmul', inputs, 'needs matrices');
    const [m, k] = transA ? a.shape.slice(-2).reverse() : a.shape.slice(-2);
    const [k2, n] = transB ? b.shape.slice(-2).reverse() : b.shape.slice(-2);
    if (k !== k2) fail('matmul', inputs, `inner sizes ${k} and ${k2} differ`);
    const batch = broadcast(
      'matmul',
      inputs.map((t) => ({ ...t, shape: t.shape.slice(0, -2) })),
    );
    return [{ dtype: 'float32', shape: [...batch, m as Dim, n as Dim] }];
  },
  lower({ inputs: [a, b], outputs, attributes: options }, emit) {
    const { transA, transB, alpha } = options;
    const plain = !transA && !transB && alpha === 1;
    const onDevice = emit.provider === 'webgpu';
    // Where the inner size is 0, MatMul writes zeros on the CPU; FusedMatMul writes nothing, and WebGPU ends the process.
    if (!plain || onDevice) emit.nonEmpty(a.shape.at(transA ? -2 : -1) as Dim);
    if (plain || onDevice)
      return emit.node('MatMul', onDevice ? webgpu.operands(a, b, options, emit) : [a, b], outputs);
    const attributes = { transA, transB, alpha: { float: alpha } };
    emit.node('FusedMatMul', [a, b], outputs, attributes, MICROSOFT);
  },
};

/** The target of ONNX's Reshape: 0 keeps the input's size at that place, -1 is computed; both only for named sizes. */
function reshapeTarget(x: Tensor, shape: Shape): number[] {
  let inferred = false;
  return shape.map((dim, axis) => {
    if (typeof dim === 'number') return dim;
    if (x.shape[axis] === dim) return 0;
    if (inferred) fail('reshape', [x], `cannot express [${shape.join(', ')}]: use reshapeLike`);
    inferred = true;
    return -1;
  });
}

/** A shape out of the text that `reshape` has for an attribute. */
export function shapeOf(text: string): Dim[] {
  const dims = text.split(',').filter(Boolean);
  return dims.map((dim) => (/^\d+$/.test(dim) ? Number(dim) : dim));
}

const reshape: Unary<{ shape: string }> = {
  infer(inputs, attributes) {
    const [x] = inputs;
    const shape = shapeOf(attributes.shape);
    if (product(...x.shape) !== product(...shape)) fail('reshape', inputs, `cannot become [${shape.join(', ')}]`);
    return [{ dtype: x.dtype, shape }];
  },
  lower({ inputs: [x], outputs, attributes: { shape } }, emit) {
    emit.node('Reshape', [x, emit.int64(reshapeTarget(x, shapeOf(shape)))], outputs);
  },
};

const transpose: Unary<{ perm: readonly number[] }> = {
  infer(inputs, { perm }) {
    const [x] = inputs;
    if ([...perm].sort().join() !== [...x.shape.keys()].join())
      fail('transpose', inputs, `[${perm}] is no order of its axes`);
    return [{ dtype: x.dtype, shape: perm.map((axis) => x.shape[axis] as Dim) }];
  },
  lower: same('Transpose', ({ perm }) => ({ perm })),
};

const concat: Op<readonly [Tensor, ...Tensor[]], { axis: number }> = {
  infer(inputs, { axis }) {
    const [first] = inputs;
    checkTypes('concat', inputs, ['float32', 'int64', 'bool']);
    for (const { shape } of inputs) {
      const fits = shape.length === first.shape.length && shape.every((dim, i) => i === axis || dim === first.shape[i]);
      if (!fits) fail('concat', inputs, `sizes differ beside axis ${axis}`);
    }
    const joined = sum(...inputs.map((t) => t.shape[axis] as Dim));
    return [{ dtype: first.dtype, shape: resized(first.shape, axis, joined) }];
  },
  lower: same('Concat', ({ axis }) => ({ axis })),
};

type Stretch = Readonly<Record<'axis' | 'start' | 'end', number>>;

/** Elements [start, end) of one axis. */
const slice: Unary<Stretch> = {
  infer(inputs, { axis, start, end }) {
    const [x] = inputs;
    const size = x.shape[axis] as Dim;
    if (typeof size === 'number' && (start < 0 || end > size || end <= start))
      fail('slice', inputs, `[${start}, ${end})`);
    return [{ dtype: x.dtype, shape: resized(x.shape, axis, end - start) }];
  },
  lower({ inputs: [x], outputs, attributes: { axis, start, end } }, emit) {
    const bounds = [start, end, axis].map((n) => emit.int64([n]));
    emit.node('Slice', [x, ...bounds], outputs);
  },
};

/** Gradient of slice: zeros of the second input's shape with the first put at [start, ...). */
const padLike: Binary<Stretch> = {
  infer: ([, target]) => [target],
  lower({ inputs: [x, target], outputs, attributes: { axis, start, end } }, emit) {
    const after = emit.value('Sub', [sizeOf(target, axis, emit), emit.int64([end])]);
    const rank = target.shape.length;
    const before = target.shape.map((_, i) => (i === axis ? start : 0));
    const parts = [emit.int64([...before, ...Array(axis).fill(0)]), after];
    if (axis + 1 < rank) parts.push(emit.int64(Array(rank - axis - 1).fill(0)));
    emit.node('Pad', [x, emit.value('Concat', parts, { axis: 0 })], outputs);
  },
};

/** The part of x along `axis` that is as long as `like` is along `likeAxis`, from x's start or end. */
const sliceLike: Binary<{ axis: number; likeAxis: number; fromEnd: boolean }> = {
  infer: ([x, target], { axis, likeAxis }) => [
    { dtype: x.dtype, shape: resized(x.shape, axis, target.shape[likeAxis] as Dim) },
  ],
  lower({ inputs: [x, target], outputs, attributes: { axis, likeAxis, fromEnd } }, emit) {
    const size = sizeOf(target, likeAxis, emit);
    const bounds = fromEnd
      ? [emit.value('Sub', [sizeOf(x, axis, emit), size]), emit.int64([TO_END])]
      : [emit.int64([0]), size];
    emit.node('Slice', [x, ...bounds, emit.int64([axis])], outputs);
  },
};

/** Rows [index · n / count, (index + 1) · n / count) of n. */
const part: Unary<{ index: number; count: number }> = {
  infer(inputs, { index, count }) {
    const [x] = inputs;
    const rows = x.shape[0] as Dim;
    if (typeof rows !== 'number' && !isName(rows)) fail('part', inputs, `cannot name a part of ${rows} rows`);
    const at = (end: number) => Math.floor((Number(rows) * end) / count);
    const size = typeof rows === 'number' ? at(index + 1) - at(index) : `${rows}/${count}#${index}`;
    return [{ dtype: x.dtype, shape: resized(x.shape, 0, size) }];
  },
  lower({ inputs: [x], outputs, attributes: { index, count } }, emit) {
    const rows = sizeOf(x, 0, emit);
    const at = (end: number) => emit.value('Div', [emit.value('Mul', [rows, emit.int64([end])]), emit.int64([count])]);
    emit.node('Slice', [x, at(index), at(index + 1), emit.int64([0])], outputs);
  },
};

/** Inputs: an array with as many rows as the result, then the parts. */
const join: Op<readonly [like: Tensor, first: Tensor, ...Tensor[]]> = {
  infer: ([{ shape }, first]) => [{ dtype: first.dtype, shape: resized(first.shape, 0, shape[0] as Dim) }],
  lower: ({ inputs: [, ...parts], outputs }, emit) => emit.node('Concat', parts, outputs, { axis: 0 }),
};

/** x plus nothing: 0 times the sum of all that must be known before. The runtime cannot know that it is nothing. */
const after: Op<readonly [x: Tensor, ...signals: Tensor[]]> = {
  infer: ([x]) => [x],
  lower({ inputs: [x, ...signals], outputs }, emit) {
    emit.node('Add', [x, nothingAfter(signals, emit)], outputs);
  },
};

/** By name. */
export const LAYOUT: Readonly<Record<string, Op>> = {
  reshapeLike: like('Reshape'),
  expandLike: like('Expand'),
  matmul,
  reshape,
  transpose,
  concat,
  slice,
  padLike,
  sliceLike,
  part,
  join,
  after,
};
