// Ops that move elements or say when they are computed, and matrix products.
import { type Dim, isName, product, type Shape, sum } from '../dims.ts';
import type { Tensor } from '../graph.ts';
import { broadcast, checkTypes, fail, int, ints, MICROSOFT, names, type Op, only } from './op.ts';
import * as webgpu from './webgpu.ts';

const TO_END = 2 ** 31 - 1;

function like(opType: 'Reshape' | 'Expand'): Op {
  return {
    infer: ([x, target]) => [{ dtype: (x as Tensor).dtype, shape: (target as Tensor).shape }],
    lower(node, emit) {
      const shape = emit.fresh('shape');
      emit.node('Shape', [(node.inputs[1] as Tensor).name], [shape]);
      emit.node(opType, [(node.inputs[0] as Tensor).name, shape], names(node.outputs));
    },
  };
}

/** `alpha · op(a) · op(b)` over the last two axes; leading axes broadcast; a matrix b is shared by all of a's leading axes. */
const matmul: Op = {
  infer(inputs, attributes) {
    const [a, b] = inputs as [Tensor, Tensor];
    checkTypes('matmul', inputs, ['float32']);
    if (a.shape.length < 2 || b.shape.length < 2) fail('matmul', inputs, 'needs matrices');
    const [m, k] = attributes['transA'] ? a.shape.slice(-2).reverse() : a.shape.slice(-2);
    const [k2, n] = attributes['transB'] ? b.shape.slice(-2).reverse() : b.shape.slice(-2);
    if (k !== k2) fail('matmul', inputs, `inner sizes ${k} and ${k2} differ`);
    const batch = broadcast(
      'matmul',
      [a, b].map((t) => ({ ...t, shape: t.shape.slice(0, -2) })),
    );
    return [{ dtype: 'float32', shape: [...batch, m as Dim, n as Dim] }];
  },
  lower(node, emit) {
    const [a, b] = node.inputs as [Tensor, Tensor];
    const options = node.attributes as { transA: boolean; transB: boolean; alpha: number };
    const { transA, transB, alpha } = options;
    const plain = !transA && !transB && alpha === 1;
    // Where the inner size is 0, MatMul writes zeros on the CPU; FusedMatMul writes nothing, and WebGPU ends the process.
    if (!plain || emit.provider === 'webgpu') emit.nonEmpty((transA ? a.shape.at(-2) : a.shape.at(-1)) as Dim);
    if (emit.provider === 'webgpu') return webgpu.product(a, b, only(node).name, options, emit);
    if (plain) return emit.node('MatMul', names(node.inputs), names(node.outputs));
    const attributes = { transA: transA ? 1 : 0, transB: transB ? 1 : 0, alpha: { float: alpha } };
    emit.node('FusedMatMul', names(node.inputs), names(node.outputs), attributes, MICROSOFT);
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

const reshape: Op = {
  infer(inputs, attributes) {
    const [x] = inputs as [Tensor];
    const shape = (attributes['shape'] as string)
      .split(',')
      .filter(Boolean)
      .map((d) => (/^\d+$/.test(d) ? Number(d) : d));
    if (product(...x.shape) !== product(...shape)) fail('reshape', inputs, `cannot become [${shape.join(', ')}]`);
    return [{ dtype: x.dtype, shape }];
  },
  lower(node, emit) {
    const target = reshapeTarget(node.inputs[0] as Tensor, only(node).shape);
    const shape = emit.int64(target);
    emit.node('Reshape', [(node.inputs[0] as Tensor).name, shape], names(node.outputs));
  },
};

const transpose: Op = {
  infer(inputs, attributes) {
    const [x] = inputs as [Tensor];
    const perm = ints(attributes, 'perm');
    if ([...perm].sort().join() !== [...x.shape.keys()].join())
      fail('transpose', inputs, `[${perm}] is no order of its axes`);
    return [{ dtype: x.dtype, shape: perm.map((axis) => x.shape[axis] as Dim) }];
  },
  lower: (node, emit) =>
    emit.node('Transpose', names(node.inputs), names(node.outputs), { perm: ints(node.attributes, 'perm') }),
};

const concat: Op = {
  infer(inputs, attributes) {
    const axis = int(attributes, 'axis');
    const [first] = inputs as [Tensor];
    checkTypes('concat', inputs, ['float32', 'int64', 'bool']);
    for (const { shape } of inputs) {
      const same = shape.length === first.shape.length && shape.every((dim, i) => i === axis || dim === first.shape[i]);
      if (!same) fail('concat', inputs, `sizes differ beside axis ${axis}`);
    }
    const joined = sum(...inputs.map((t) => t.shape[axis] as Dim));
    return [{ dtype: first.dtype, shape: first.shape.map((dim, i) => (i === axis ? joined : dim)) }];
  },
  lower: (node, emit) =>
    emit.node('Concat', names(node.inputs), names(node.outputs), { axis: int(node.attributes, 'axis') }),
};

/** Elements [start, end) of one axis. */
const slice: Op = {
  infer(inputs, attributes) {
    const [x] = inputs as [Tensor];
    const [axis, start, end] = [int(attributes, 'axis'), int(attributes, 'start'), int(attributes, 'end')];
    const size = x.shape[axis] as Dim;
    if (typeof size === 'number' && (start < 0 || end > size || end <= start))
      fail('slice', inputs, `[${start}, ${end})`);
    return [{ dtype: x.dtype, shape: x.shape.map((dim, i) => (i === axis ? end - start : dim)) }];
  },
  lower(node, emit) {
    const { axis, start, end } = node.attributes as { axis: number; start: number; end: number };
    const bounds = [[start], [end], [axis]].map((v) => emit.int64(v));
    emit.node('Slice', [(node.inputs[0] as Tensor).name, ...bounds], names(node.outputs));
  },
};

/** Gradient of slice: zeros of the second input's shape with the first put at [start, ...). */
const padLike: Op = {
  infer: ([, target]) => [{ dtype: 'float32', shape: (target as Tensor).shape }],
  lower(node, emit) {
    const [x, target] = node.inputs as [Tensor, Tensor];
    const { axis, start, end } = node.attributes as { axis: number; start: number; end: number };
    const [size, after, pads] = ['size', 'after', 'pads'].map((h) => emit.fresh(h)) as [string, string, string];
    const rank = target.shape.length;
    emit.node('Shape', [target.name], [size], { start: axis, end: axis + 1 });
    emit.node('Sub', [size, emit.int64([end])], [after]);
    const before = [...Array(rank).keys()].map((i) => (i === axis ? start : 0));
    const parts = [emit.int64([...before, ...Array(axis).fill(0)]), after];
    if (axis + 1 < rank) parts.push(emit.int64(Array(rank - axis - 1).fill(0)));
    emit.node('Concat', parts, [pads], { axis: 0 });
    emit.node('Pad', [x.name, pads], names(node.outputs));
  },
};

/** The part of x along `axis` that is as long as `like` is along `likeAxis`, from x's start or end. */
const sliceLike: Op = {
  infer([x, target], attributes) {
    const { axis, likeAxis } = attributes as { axis: number; likeAxis: number };
    const size = (target as Tensor).shape[likeAxis] as Dim;
    return [{ dtype: (x as Tensor).dtype, shape: (x as Tensor).shape.map((dim, i) => (i === axis ? size : dim)) }];
  },
  lower(node, emit) {
    const [x, target] = node.inputs as [Tensor, Tensor];
    const { axis, likeAxis, fromEnd } = node.attributes as { axis: number; likeAxis: number; fromEnd: boolean };
    const size = emit.fresh('size');
    emit.node('Shape', [target.name], [size], { start: likeAxis, end: likeAxis + 1 });
    let bounds = [emit.int64([0]), size];
    if (fromEnd) {
      const [whole, start] = [emit.fresh('whole'), emit.fresh('start')];
      emit.node('Shape', [x.name], [whole], { start: axis, end: axis + 1 });
      emit.node('Sub', [whole, size], [start]);
      bounds = [start, emit.int64([TO_END])];
    }
    emit.node('Slice', [x.name, ...bounds, emit.int64([axis])], names(node.outputs));
  },
};

/** Rows [index · n / count, (index + 1) · n / count) of n. */
const part: Op = {
  infer(inputs, attributes) {
    const [x] = inputs as [Tensor];
    const [index, count] = [int(attributes, 'index'), int(attributes, 'count')];
    const rows = x.shape[0] as Dim;
    if (typeof rows !== 'number' && !isName(rows)) fail('part', inputs, `cannot name a part of ${rows} rows`);
    const at = (end: number) => Math.floor((Number(rows) * end) / count);
    const size = typeof rows === 'number' ? at(index + 1) - at(index) : `${rows}/${count}#${index}`;
    return [{ dtype: x.dtype, shape: [size, ...x.shape.slice(1)] }];
  },
  lower(node, emit) {
    const [x] = names(node.inputs) as [string];
    const [index, count] = [int(node.attributes, 'index'), emit.int64([int(node.attributes, 'count')])];
    const rows = emit.fresh('rows');
    emit.node('Shape', [x], [rows], { start: 0, end: 1 });
    const bounds = [index, index + 1].map((end) => {
      const [scaled, bound] = [emit.fresh('scaled'), emit.fresh('bound')];
      emit.node('Mul', [rows, emit.int64([end])], [scaled]);
      emit.node('Div', [scaled, count], [bound]);
      return bound;
    });
    emit.node('Slice', [x, ...bounds, emit.int64([0])], names(node.outputs));
  },
};

/** Inputs: an array with as many rows as the result, then the parts. */
const join: Op = {
  infer(inputs) {
    const [like, first] = inputs as [Tensor, Tensor];
    return [{ dtype: first.dtype, shape: [like.shape[0] as Dim, ...first.shape.slice(1)] }];
  },
  lower: (node, emit) => emit.node('Concat', names(node.inputs.slice(1)), names(node.outputs), { axis: 0 }),
};

/** x plus nothing: 0 times the sum of all that must be known before. The runtime cannot know that it is nothing. */
const after: Op = {
  infer: ([x]) => [{ dtype: 'float32', shape: (x as Tensor).shape }],
  lower(node, emit) {
    const [x, ...signals] = names(node.inputs) as [string, ...string[]];
    const sums = signals.map((signal) => {
      const sum = emit.fresh('sum');
      emit.node('ReduceSum', [signal], [sum], { keepdims: 0 });
      return sum;
    });
    const [all, nothing] = [emit.fresh('all'), emit.fresh('nothing')];
    emit.node('Sum', sums, [all]);
    emit.node('Mul', [all, emit.float32(0)], [nothing]);
    emit.node('Add', [x, nothing], names(node.outputs));
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
