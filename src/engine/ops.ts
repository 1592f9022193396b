// The table of ops: shape rule and ONNX lowering of each. Builders with typed arguments are in build.ts, derivatives in gradients.ts.
import { type Dim, isName, product, type Shape, sum } from './dims.ts';
import type { Attribute, DType, Node, Tensor } from './graph.ts';
import * as webgpu from './webgpu.ts';

export interface OutputType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** What executes a graph. */
export type Provider = 'cpu' | 'webgpu';

/** What a lowering may do; implemented by onnx.ts. */
export interface Emitter {
  readonly provider: Provider;
  /** Whether anything reads this output. */
  reads(output: Tensor): boolean;
  node(
    opType: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes?: Readonly<Record<string, Attribute | { float: number }>>,
    domain?: string,
  ): void;
  /** Name of a one-dimensional int64 constant. */
  int64(values: readonly number[]): string;
  float32(value: number): string;
  /** A name for an intermediate value. */
  fresh(hint: string): string;
  /** The provider computes this node wrongly where `dim` is 0. */
  nonEmpty(dim: Dim): void;
}

type Attributes = Readonly<Record<string, Attribute>>;

export interface Op {
  infer(inputs: readonly Tensor[], attributes: Attributes): OutputType[];
  lower(node: Node, emit: Emitter): void;
}

const MICROSOFT = 'com.microsoft';
const TO_END = 2 ** 31 - 1;
const ONNX_DTYPE = { float32: 1, int64: 7, bool: 9 } as const;

function fail(op: string, inputs: readonly Tensor[], why: string): never {
  const shapes = inputs.map((t) => `${t.name}: ${t.dtype}[${t.shape.join(', ')}]`).join('; ');
  throw new Error(`${op}: ${why}. Inputs: ${shapes}`);
}

const names = (tensors: readonly Tensor[]) => tensors.map((t) => t.name);
const only = (node: Node): Tensor => node.outputs[0] as Tensor;
const ints = (attributes: Attributes, key: string) => attributes[key] as readonly number[];
const int = (attributes: Attributes, key: string) => attributes[key] as number;

/** Position of a possibly negative axis. */
export function axisOf(tensor: Tensor, axis: number): number {
  const position = axis < 0 ? tensor.shape.length + axis : axis;
  if (position < 0 || position >= tensor.shape.length) fail('axis', [tensor], `there is no axis ${axis}`);
  return position;
}

/** Fails unless every input has one of `allowed` and all have the same. */
function checkTypes(op: string, inputs: readonly Tensor[], allowed: readonly DType[]): void {
  const wrong = inputs.find(({ dtype }) => !allowed.includes(dtype));
  if (wrong) fail(op, inputs, `${wrong.name} is ${wrong.dtype}, not ${allowed.join(' or ')}`);
  if (inputs.some(({ dtype }) => dtype !== inputs[0]?.dtype)) fail(op, inputs, 'element types differ');
}

/** Fails unless the indices among the inputs are int64. */
function checkIndices(op: string, inputs: readonly Tensor[], place: number): void {
  if (inputs[place]?.dtype !== 'int64') fail(op, inputs, 'indices must be int64');
}

/** Shape of a broadcast result; a 1 meets anything, otherwise sizes must be equal by number or by name. */
export function broadcast(op: string, inputs: readonly Tensor[]): Dim[] {
  const rank = Math.max(...inputs.map((t) => t.shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    let result: Dim = 1;
    for (const input of inputs) {
      const dim = input.shape[axis - rank + input.shape.length];
      if (dim === undefined || dim === 1 || dim === result) continue;
      if (result !== 1) fail(op, inputs, `sizes ${result} and ${dim} do not broadcast`);
      result = dim;
    }
    return result;
  });
}

const NUMBERS = ['float32', 'int64'] as const;

function unary(opType: string, types: readonly DType[] = ['float32']): Op {
  return {
    infer(inputs) {
      const [x] = inputs as [Tensor];
      checkTypes(opType, inputs, types);
      return [{ dtype: x.dtype, shape: x.shape }];
    },
    lower: (node, emit) => emit.node(opType, names(node.inputs), names(node.outputs)),
  };
}

function elementwise(opType: string, result: 'same' | 'bool', types: readonly DType[] = NUMBERS): Op {
  return {
    infer(inputs) {
      const [a] = inputs as [Tensor];
      checkTypes(opType, inputs, types);
      return [{ dtype: result === 'bool' ? 'bool' : a.dtype, shape: broadcast(opType, inputs) }];
    },
    lower: (node, emit) => emit.node(opType, names(node.inputs), names(node.outputs)),
  };
}

function reduction(opType: string): Op {
  return {
    infer(inputs, attributes) {
      const [x] = inputs;
      checkTypes(opType, inputs, ['float32']);
      const axes = ints(attributes, 'axes');
      const shape = (x as Tensor).shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
      return [{ dtype: 'float32', shape: attributes['keepDims'] ? shape : shape.filter((_, i) => !axes.includes(i)) }];
    },
    lower(node, emit) {
      const axes = ints(node.attributes, 'axes');
      const keepdims = node.attributes['keepDims'] ? 1 : 0;
      const [x] = names(node.inputs) as [string];
      emit.node(opType, [x, emit.int64(axes)], names(node.outputs), { keepdims, noop_with_empty_axes: 1 });
    },
  };
}

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

/** Rows of a table: `data [n, ...rest]`, `indices [...]` -> `[...indices, ...rest]`. */
const gather: Op = {
  infer(inputs) {
    const [data, indices] = inputs as [Tensor, Tensor];
    checkIndices('gather', inputs, 1);
    return [{ dtype: data.dtype, shape: [...indices.shape, ...data.shape.slice(1)] }];
  },
  lower: (node, emit) => emit.node('Gather', names(node.inputs), names(node.outputs), { axis: 0 }),
};

/** Gradient of gather: zeros like `data` plus each update added to its row. Inputs: updates [k, width], indices [k], data [n, width]. */
const scatterRows: Op = {
  infer: ([, , data]) => [{ dtype: 'float32', shape: (data as Tensor).shape }],
  lower(node, emit) {
    const [updates, indices, data] = names(node.inputs) as [string, string, string];
    const [column, wide, shape, dataShape, zeros] = ['column', 'wide', 'shape', 'dataShape', 'zeros'].map((h) =>
      emit.fresh(h),
    ) as [string, string, string, string, string];
    emit.node('Unsqueeze', [indices, emit.int64([1])], [column]);
    emit.node('Shape', [updates], [shape]);
    emit.node('Expand', [column, shape], [wide]);
    emit.node('Shape', [data], [dataShape]);
    emit.node('Expand', [emit.float32(0), dataShape], [zeros]);
    emit.node('ScatterElements', [zeros, wide, updates], names(node.outputs), { axis: 0, reduction: 'add' });
  },
};

/** `logits [n, vocab]`, `targets [n]` -> log-probability of each target `[n]`, and the normaliser's table `[n, vocab]` for the gradient. */
const tokenLogp: Op = {
  infer(inputs) {
    const [logits, targets] = inputs as [Tensor, Tensor];
    if (logits.shape.length !== 2 || targets.shape.length !== 1 || logits.shape[0] !== targets.shape[0]) {
      fail('tokenLogp', inputs, 'needs logits [n, vocab] and targets [n]');
    }
    checkIndices('tokenLogp', inputs, 1);
    return [
      { dtype: 'float32', shape: targets.shape },
      { dtype: 'float32', shape: logits.shape },
    ];
  },
  lower(node, emit) {
    const [logits, targets] = names(node.inputs) as [string, string];
    const [logp, table] = names(node.outputs) as [string, string];
    const [column, picked] = [emit.fresh('column'), emit.fresh('picked')];
    if (emit.provider === 'webgpu') webgpu.logSoftmax(logits, table, emit);
    else emit.node('LogSoftmax', [logits], [table], { axis: -1 });
    emit.node('Unsqueeze', [targets, emit.int64([1])], [column]);
    emit.node('GatherElements', [table, column], [picked], { axis: 1 });
    emit.node('Squeeze', [picked, emit.int64([1])], [logp]);
  },
};

/** Gradient of tokenLogp's first output: `dy [n]`, `table [n, vocab]`, `targets [n]` -> dy (onehot - softmax). */
const tokenLogpGradient: Op = {
  infer: ([, table]) => [{ dtype: 'float32', shape: (table as Tensor).shape }],
  lower(node, emit) {
    const [dy, table, targets] = names(node.inputs) as [string, string, string];
    const [column, dyColumn, negative, softmax, base] = ['column', 'dy', 'negative', 'softmax', 'base'].map((h) =>
      emit.fresh(h),
    ) as [string, string, string, string, string];
    const one = emit.int64([1]);
    emit.node('Unsqueeze', [targets, one], [column]);
    emit.node('Unsqueeze', [dy, one], [dyColumn]);
    emit.node('Neg', [dyColumn], [negative]);
    emit.node('Exp', [table], [softmax]);
    emit.node('Mul', [softmax, negative], [base]);
    emit.node('ScatterElements', [base, column, dyColumn], names(node.outputs), { axis: 1, reduction: 'add' });
  },
};

/** Picks one element a row: `x [n, m]`, `indices [n, k]` -> `[n, k]`. */
const gatherElements: Op = {
  infer(inputs) {
    const [x, indices] = inputs as [Tensor, Tensor];
    checkIndices('gatherElements', inputs, 1);
    const rows = (t: Tensor) => t.shape.slice(0, -1).join();
    if (x.shape.length !== indices.shape.length || rows(x) !== rows(indices))
      fail('gatherElements', inputs, 'rows differ');
    return [{ dtype: x.dtype, shape: indices.shape }];
  },
  lower: (node, emit) =>
    emit.node('GatherElements', names(node.inputs), names(node.outputs), { axis: only(node).shape.length - 1 }),
};

/** x / sqrt(mean(x²) + eps) · weight over the last axis; second output: the inverse root `[..., 1]`. */
const rmsNorm: Op = {
  infer(inputs) {
    const [x, weight] = inputs as [Tensor, Tensor];
    if (weight.shape.length !== 1 || weight.shape[0] !== x.shape.at(-1)) fail('rmsNorm', inputs, 'weight does not fit');
    return [
      { dtype: 'float32', shape: x.shape },
      { dtype: 'float32', shape: [...x.shape.slice(0, -1), 1] },
    ];
  },
  lower(node, emit) {
    const [y, inverse] = node.outputs as [Tensor, Tensor];
    const own = emit.provider === 'webgpu';
    const outputs = names(own || !emit.reads(inverse) ? [y] : [y, inverse]);
    const epsilon = int(node.attributes, 'epsilon');
    const attributes = { axis: -1, epsilon: { float: epsilon }, stash_type: 1 };
    emit.node('SimplifiedLayerNormalization', names(node.inputs), outputs, attributes);
    if (own && emit.reads(inverse)) webgpu.inverseRoot((node.inputs[0] as Tensor).name, inverse.name, epsilon, emit);
  },
};

/** Rotary position embedding (half-split pairs): `x [batch, seq, heads·headDim]`, `positions [batch, seq]`, `cos, sin [n, headDim/2]`. */
const rope: Op = {
  infer(inputs, attributes) {
    const [x, positions, cos] = inputs as [Tensor, Tensor, Tensor];
    const half = Number(x.shape[2]) / int(attributes, 'heads') / 2;
    if (cos.shape[1] !== half) fail('rope', inputs, `the tables must be ${half} wide`);
    checkIndices('rope', inputs, 1);
    if (positions.shape.join() !== x.shape.slice(0, 2).join())
      fail('rope', inputs, 'needs a position for each row of x');
    return [{ dtype: 'float32', shape: x.shape }];
  },
  lower: (node, emit) =>
    emit.node(
      'RotaryEmbedding',
      names(node.inputs),
      names(node.outputs),
      { num_heads: int(node.attributes, 'heads') },
      MICROSOFT,
    ),
};

const where: Op = {
  infer(inputs) {
    const [condition, a, b] = inputs as [Tensor, Tensor, Tensor];
    if (condition.dtype !== 'bool' || a.dtype !== b.dtype)
      fail('where', inputs, 'needs a bool and two tensors of one type');
    return [{ dtype: a.dtype, shape: broadcast('where', inputs) }];
  },
  lower: (node, emit) => emit.node('Where', names(node.inputs), names(node.outputs)),
};

const softmax: Op = {
  infer: unary('softmax').infer,
  lower: (node, emit) => emit.node('Softmax', names(node.inputs), names(node.outputs), { axis: -1 }),
};

const cumSum: Op = {
  infer: unary('cumSum').infer,
  lower(node, emit) {
    const axis = emit.int64([(node.inputs[0] as Tensor).shape.length - 1]);
    emit.node('CumSum', [(node.inputs[0] as Tensor).name, axis], names(node.outputs));
  },
};

/** Index of the largest element of the last axis, the first among equals; that axis becomes 1. */
const argMax: Op = {
  infer: ([x]) => [{ dtype: 'int64', shape: [...(x as Tensor).shape.slice(0, -1), 1] }],
  lower: (node, emit) => emit.node('ArgMax', names(node.inputs), names(node.outputs), { axis: -1, keepdims: 1 }),
};

/** The k largest of the last axis in descending order, and their places; k is an attribute, or an int64 [1] that names the new size `size`. */
const topK: Op = {
  infer([x, count], attributes) {
    const size = count ? (attributes['size'] as string) : int(attributes, 'k');
    const shape = [...(x as Tensor).shape.slice(0, -1), size];
    return [
      { dtype: 'float32', shape },
      { dtype: 'int64', shape },
    ];
  },
  lower(node, emit) {
    const [x, count] = node.inputs as [Tensor, Tensor | undefined];
    const k = count?.name ?? emit.int64([int(node.attributes, 'k')]);
    emit.node('TopK', [x.name, k], names(node.outputs), { axis: -1, largest: 1, sorted: 1 });
  },
};

const cast: Op = {
  infer: ([x], attributes) => [{ dtype: attributes['to'] as DType, shape: (x as Tensor).shape }],
  lower: (node, emit) =>
    emit.node('Cast', names(node.inputs), names(node.outputs), { to: ONNX_DTYPE[node.attributes['to'] as DType] }),
};

/** Every op there is, by name. */
export const OPS: Readonly<Record<string, Op>> = {
  neg: unary('Neg', NUMBERS),
  exp: unary('Exp'),
  log: unary('Log'),
  sqrt: unary('Sqrt'),
  tanh: unary('Tanh'),
  sigmoid: unary('Sigmoid'),
  softplus: unary('Softplus'),
  sin: unary('Sin'),
  floor: unary('Floor'),
  not: unary('Not', ['bool']),
  add: elementwise('Add', 'same'),
  sub: elementwise('Sub', 'same'),
  mul: elementwise('Mul', 'same'),
  div: elementwise('Div', 'same'),
  min: elementwise('Min', 'same'),
  max: elementwise('Max', 'same'),
  less: elementwise('Less', 'bool'),
  greater: elementwise('Greater', 'bool'),
  equal: elementwise('Equal', 'bool', ['float32', 'int64', 'bool']),
  and: elementwise('And', 'bool', ['bool']),
  or: elementwise('Or', 'bool', ['bool']),
  reduceSum: reduction('ReduceSum'),
  reduceMean: reduction('ReduceMean'),
  reduceMax: reduction('ReduceMax'),
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
  gather,
  scatterRows,
  gatherElements,
  tokenLogp,
  tokenLogpGradient,
  rmsNorm,
  rope,
  where,
  softmax,
  cumSum,
  argMax,
  topK,
  cast,
};
