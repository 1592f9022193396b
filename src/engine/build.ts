// Builders of nodes: tensors in, tensors out. The op table checks shapes.
import { type Dim, product, type Shape } from './dims.ts';
import type { Attributes, Tensor } from './graph.ts';
import { axisOf } from './ops/op.ts';
import { OPS } from './ops/ops.ts';
import type { Packing } from './ops/quantised.ts';

function apply(op: string, inputs: readonly Tensor[], attributes: Attributes = {}): Tensor[] {
  const definition = OPS[op];
  if (!definition) throw new Error(`No op is called ${op}`);
  const graph = (inputs[0] as Tensor).graph;
  return [...graph.append(op, inputs, attributes, definition.infer(inputs, attributes)).outputs];
}

const first = (op: string, inputs: readonly Tensor[], attributes?: Attributes): Tensor =>
  apply(op, inputs, attributes)[0] as Tensor;

const unary = (op: string) => (x: Tensor) => first(op, [x]);
/** Numbers become scalars of the other operand's graph and type. */
const binary = (op: string) => (a: Tensor | number, b: Tensor | number) => {
  const { graph, dtype } = typeof a === 'number' ? (b as Tensor) : a;
  const scalar = (v: number) => (dtype === 'int64' ? graph.integers([v], []) : graph.scalar(v));
  const lift = (v: Tensor | number) => (typeof v === 'number' ? scalar(v) : v);
  return first(op, [lift(a), lift(b)]);
};

/**
 * Functions of one tensor, element by element; softmax, cumSum and argMax go along the last axis.
 * @example
 * const p = sigmoid(neg(x)); // like x
 */
export const neg = unary('neg');
export const exp = unary('exp');
export const log = unary('log');
export const sqrt = unary('sqrt');
export const tanh = unary('tanh');
export const sigmoid = unary('sigmoid');
/** log(1 + e^x). */
export const softplus = unary('softplus');
export const sin = unary('sin');
export const floor = unary('floor');
export const not = unary('not');
export const softmax = unary('softmax');
export const cumSum = unary('cumSum');
export const argMax = unary('argMax');
/**
 * Functions of two tensors that broadcast as in NumPy, or of a tensor and a number.
 * @example
 * const y = add(mul(x, 2), bias); // x [batch, 8], bias [8]
 */
export const add = binary('add');
export const sub = binary('sub');
export const mul = binary('mul');
export const div = binary('div');
export const min = binary('min');
export const max = binary('max');
export const less = binary('less');
export const greater = binary('greater');
export const equal = binary('equal');
export const and = binary('and');
export const or = binary('or');

/** x · sigmoid(x). */
export const silu = (x: Tensor): Tensor => mul(x, sigmoid(x));

/** The tanh approximation of GELU (Hendrycks and Gimpel 2016). */
export function geluTanh(x: Tensor): Tensor {
  const cube = mul(mul(x, x), x);
  const inner = mul(add(x, mul(cube, 0.044715)), Math.sqrt(2 / Math.PI));
  return mul(mul(x, 0.5), add(tanh(inner), 1));
}

/**
 * `alpha · op(a) · op(b)`; op transposes the last two axes.
 * @example
 * const y = matmul(x, w, { transB: true }); // x [batch, seq, in], w [out, in] -> [batch, seq, out]
 */
export function matmul(
  a: Tensor,
  b: Tensor,
  options: { transA?: boolean; transB?: boolean; alpha?: number } = {},
): Tensor {
  const { transA = false, transB = false, alpha = 1 } = options;
  return first('matmul', [a, b], { transA, transB, alpha });
}

/** A frozen matrix `[rows, columns]` of few bits a weight: its bytes, and the numbers that scale them. */
export interface QuantisedMatrix {
  readonly packing: Packing;
  readonly shape: readonly [rows: number, columns: number];
  readonly packed: Tensor;
  readonly scales: Tensor;
}

/**
 * `x · op(matrix)` in float32, the matrix unpacked for the product alone; op transposes it.
 * @example
 * const y = quantisedMatmul(x, w, { transB: true }); // x [batch, seq, columns] -> [batch, seq, rows]
 */
export function quantisedMatmul(
  x: Tensor,
  { packing, shape: [rows, columns], packed, scales }: QuantisedMatrix,
  { transB }: { readonly transB: boolean },
): Tensor {
  return first('quantisedMatmul', [x, packed, scales], { packing, rows, columns, transB });
}

export function reshape(x: Tensor, shape: Shape): Tensor {
  return first('reshape', [x], { shape: shape.join(',') });
}

/**
 * x with the shape of `like`, with any names; `expandLike` broadcasts x to it.
 * @example
 * const heads = reshapeLike(reshape(x, ['batch*seq', 8]), x); // x again
 */
export const reshapeLike = (x: Tensor, like: Tensor): Tensor => first('reshapeLike', [x, like]);
export const expandLike = (x: Tensor, like: Tensor): Tensor => first('expandLike', [x, like]);

/** `[..., n]` -> `[product of the rest, n]`. */
export function flatten(x: Tensor): Tensor {
  if (x.shape.length === 2) return x;
  return reshape(x, [product(...x.shape.slice(0, -1)), x.shape.at(-1) as Dim]);
}

export const transpose = (x: Tensor, perm: readonly number[]): Tensor => first('transpose', [x], { perm });

/**
 * Tensors joined along an axis; `slice` takes [start, end) of one.
 * @example
 * const pair = concat([slice(x, 1, 0, 4), slice(x, 1, 4, 8)], 1); // x [batch, 8] again
 */
export const concat = (inputs: readonly Tensor[], axis: number): Tensor =>
  first('concat', inputs, { axis: axisOf(inputs[0] as Tensor, axis) });

/** The `index`-th of `count` nearly equal parts of x along its first axis. */
export const part = (x: Tensor, index: number, count: number): Tensor => first('part', [x], { index, count });

/** Parts as `part` cuts them -> the whole, with as many rows as `like`. */
export const join = (parts: readonly Tensor[], like: Tensor): Tensor => first('join', [like, ...parts]);

/** x itself, not before all of `signals` are known. */
export const after = (x: Tensor, signals: readonly Tensor[]): Tensor => first('after', [x, ...signals]);

export const slice = (x: Tensor, axis: number, start: number, end: number): Tensor =>
  first('slice', [x], { axis: axisOf(x, axis), start, end });

export const padLike = (x: Tensor, like: Tensor, axis: number, start: number, end: number): Tensor =>
  first('padLike', [x, like], { axis, start, end });

/** The part of x along `axis` as long as `like` along `likeAxis`, taken at x's start or end. */
export const sliceLike = (x: Tensor, like: Tensor, axis: number, likeAxis: number, from: 'start' | 'end'): Tensor =>
  first('sliceLike', [x, like], { axis: axisOf(x, axis), likeAxis: axisOf(like, likeAxis), fromEnd: from === 'end' });

/**
 * Rows of `data [n, ...]` at `indices`; `scatterRows` adds rows to zeros like `data`, `gatherElements` picks within rows.
 * @example
 * const embedded = gather(table, ids); // table [vocab, hidden], ids [batch, seq] -> [batch, seq, hidden]
 */
export const gather = (data: Tensor, indices: Tensor): Tensor => first('gather', [data, indices]);
export const scatterRows = (updates: Tensor, indices: Tensor, data: Tensor): Tensor =>
  first('scatterRows', [updates, indices, data]);
export const gatherElements = (x: Tensor, indices: Tensor): Tensor => first('gatherElements', [x, indices]);

/**
 * log softmax(logits)[target]: `[n, vocab]`, `[n]` -> `[n]`.
 * @example
 * const nll = neg(reduceMean(tokenLogp(logits, targets)));
 */
export const tokenLogp = (logits: Tensor, targets: Tensor): Tensor => first('tokenLogp', [logits, targets]);
export const tokenLogpGradient = (dy: Tensor, table: Tensor, targets: Tensor): Tensor =>
  first('tokenLogpGradient', [dy, table, targets]);

export const rmsNorm = (x: Tensor, weight: Tensor, epsilon: number): Tensor =>
  first('rmsNorm', [x, weight], { epsilon });

export function rope(x: Tensor, positions: Tensor, cos: Tensor, sin: Tensor, heads: number): Tensor {
  return first('rope', [x, positions, cos, sin], { heads });
}

export const where = (condition: Tensor, a: Tensor, b: Tensor): Tensor => first('where', [condition, a, b]);

interface ReduceOptions {
  readonly axes?: readonly number[];
  readonly keepDims?: boolean;
}
const reduce =
  (op: string) =>
  (x: Tensor, { axes, keepDims = false }: ReduceOptions = {}) =>
    first(op, [x], { axes: axes?.map((a) => axisOf(x, a)) ?? [...x.shape.keys()], keepDims });
/**
 * Over all axes unless given.
 * @example
 * const means = reduceMean(x, { axes: [-1], keepDims: true }); // [batch, 8] -> [batch, 1]
 */
export const reduceSum = reduce('reduceSum');
export const reduceMean = reduce('reduceMean');
export const reduceMax = reduce('reduceMax');

/**
 * The k largest of the last axis in descending order, and their places.
 * @example
 * const { values, indices } = topK(logits, 5); // [n, vocab] -> [n, 5] each
 */
export function topK(x: Tensor, k: number): { values: Tensor; indices: Tensor } {
  const [values, indices] = apply('topK', [x], { k }) as [Tensor, Tensor];
  return { values, indices };
}

/** The `count` (int64 `[1]`) largest, as many as a run finds it needs; the last axis is called `size` then. */
export function topKOf(x: Tensor, count: Tensor, size: string): { values: Tensor; indices: Tensor } {
  const [values, indices] = apply('topK', [x, count], { size }) as [Tensor, Tensor];
  return { values, indices };
}

/** x itself where it is of that type. */
export const cast = (x: Tensor, to: 'float32' | 'int64' | 'bool' | 'float16'): Tensor =>
  x.dtype === to ? x : first('cast', [x], { to });
