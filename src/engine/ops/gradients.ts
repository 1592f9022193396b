// The gradient rules: derivative of a node's first output -> derivatives of its inputs, as nodes.
import {
  cast,
  div,
  expandLike,
  flatten,
  greater,
  less,
  matmul,
  mul,
  neg,
  not,
  padLike,
  part,
  quantisedMatmul,
  reduceMean,
  reduceSum,
  reshape,
  reshapeLike,
  rope as rotate,
  scatterRows,
  sigmoid,
  slice,
  sub,
  tokenLogpGradient,
  transpose,
  where,
} from '../build.ts';
import { type Dim, product } from '../dims.ts';
import type { Attributes, Tensor } from '../graph.ts';
import type { QuantisedAttributes } from './quantised.ts';

/** A node: its outputs, and the derivative by the first of them. */
interface Reached {
  readonly dy: Tensor;
  readonly y: Tensor;
  /** Its second output; only of nodes that have one. */
  readonly other: Tensor;
  readonly attributes: Attributes;
}

/** null: no derivative flows into that input (integers, masks). */
type GradientRule = (node: Reached, ...inputs: Tensor[]) => (Tensor | null)[];

/** Sums `dy` over the axes along which `target` was broadcast. */
function sumTo(dy: Tensor, target: Tensor): Tensor {
  const extra = dy.shape.length - target.shape.length;
  const axes = [...dy.shape.keys()].filter(
    (axis) => axis < extra || (target.shape[axis - extra] === 1 && dy.shape[axis] !== 1),
  );
  if (axes.length === 0) return dy;
  const summed = reduceSum(dy, { axes, keepDims: true });
  return extra > 0 ? reshapeLike(summed, target) : summed;
}

/** The larger (or smaller) operand takes the derivative; equal ones share it. */
function selection(pickA: (a: Tensor, b: Tensor) => Tensor, pickB: (a: Tensor, b: Tensor) => Tensor): GradientRule {
  return ({ dy }, a, b) => {
    const half = mul(dy, 0.5);
    const zero = mul(dy, 0);
    const shareA = where(pickA(a, b), dy, where(pickB(a, b), zero, half));
    return [sumTo(shareA, a), sumTo(sub(dy, shareA), b)];
  };
}

const matmul2: GradientRule = ({ dy, attributes }, a, b) => {
  const { transA, transB, alpha } = attributes as { transA: boolean; transB: boolean; alpha: number };
  const shared = b.shape.length === 2 && a.shape.length > 2 && !transA;
  // A matrix shared by all leading axes: one flat product instead of a batch of products and a sum.
  if (shared) {
    const [flatA, flatDy] = [flatten(a), flatten(dy)];
    const db = transB ? matmul(flatDy, flatA, { transA: true, alpha }) : matmul(flatA, flatDy, { transA: true, alpha });
    return [matmul(dy, b, { transB: !transB, alpha }), db];
  }
  const da = transA
    ? matmul(b, dy, { transA: transB, transB: true, alpha })
    : matmul(dy, b, { transB: !transB, alpha });
  const db = transB
    ? matmul(dy, a, { transA: true, transB: transA, alpha })
    : matmul(a, dy, { transA: !transA, alpha });
  return [sumTo(da, a), sumTo(db, b)];
};

/** The matrix is frozen: no derivative flows into it. */
const quantisedRule: GradientRule = ({ dy, attributes }, _x, packed, scales) => {
  const { packing, rows, columns, transB } = attributes as QuantisedAttributes;
  const matrix = { packing, shape: [rows, columns] as const, packed: packed as Tensor, scales: scales as Tensor };
  return [quantisedMatmul(dy, matrix, { transB: !transB }), null, null];
};

const concatenation: GradientRule = ({ dy, attributes }, ...inputs) => {
  const axis = attributes['axis'] as number;
  let start = 0;
  return inputs.map(({ shape }) => {
    const size = shape[axis];
    if (typeof size !== 'number') throw new Error(`concat: no gradient along the named size ${size}`);
    start += size;
    return slice(dy, axis, start - size, start);
  });
};

/** dx = inv (g - x inv² mean(g x)), g = dy · weight (Zhang and Sennrich 2019, eq. 7). */
const rmsNormRule: GradientRule = ({ dy, other: inverse }, x, weight) => {
  const normal = mul(x, inverse);
  const g = mul(dy, weight);
  const projection = reduceMean(mul(g, normal), { axes: [-1], keepDims: true });
  const dx = mul(inverse, sub(g, mul(normal, projection)));
  const leading = [...x.shape.keys()].slice(0, -1);
  return [dx, reduceSum(mul(dy, normal), { axes: leading })];
};

const softmaxRule: GradientRule = ({ dy, y }) => {
  const weighted = mul(dy, y);
  return [sub(weighted, mul(y, reduceSum(weighted, { axes: [-1], keepDims: true })))];
};

/** `dy` of a reduction of x over the axes, for every element of x. */
function spread(dy: Tensor, x: Tensor, { axes, keepDims }: Attributes): Tensor {
  if (keepDims || dy.shape.length === 0) return expandLike(dy, x);
  // Put the dropped axes back as ones: expand a keepDims reduction of x of the same shape.
  const kept = reduceSum(mul(x, 0), { axes: axes as readonly number[], keepDims: true });
  return expandLike(reshapeLike(dy, kept), x);
}

const meanRule: GradientRule = ({ dy, attributes }, x) => {
  const axes = attributes['axes'] as readonly number[];
  const count = product(...axes.map((axis) => x.shape[axis] as Dim));
  if (typeof count === 'number') return [div(spread(dy, x, attributes), count)];
  const ones = expandLike(x.graph.scalar(1), x);
  return [div(spread(dy, x, attributes), reduceSum(ones, { axes, keepDims: true }))];
};

/** Derivative rules by op name; an op that is missing here cannot be differentiated. */
export const GRADIENTS: Readonly<Record<string, GradientRule>> = {
  neg: ({ dy }) => [neg(dy)],
  exp: ({ dy, y }) => [mul(dy, y)],
  log: ({ dy }, x) => [div(dy, x)],
  sqrt: ({ dy, y }) => [div(mul(dy, 0.5), y)],
  tanh: ({ dy, y }) => [mul(dy, sub(1, mul(y, y)))],
  sigmoid: ({ dy, y }) => [mul(dy, mul(y, sub(1, y)))],
  softplus: ({ dy }, x) => [mul(dy, sigmoid(x))],
  add: ({ dy }, a, b) => [sumTo(dy, a), sumTo(dy, b)],
  sub: ({ dy }, a, b) => [sumTo(dy, a), sumTo(neg(dy), b)],
  mul: ({ dy }, a, b) => [sumTo(mul(dy, b), a), sumTo(mul(dy, a), b)],
  div: ({ dy, y }, a, b) => {
    const da = div(dy, b);
    return [sumTo(da, a), sumTo(neg(mul(da, y)), b)];
  },
  min: selection(less, greater),
  max: selection(greater, less),
  matmul: matmul2,
  quantisedMatmul: quantisedRule,
  reshape: ({ dy }, x) => [reshapeLike(dy, x)],
  reshapeLike: ({ dy }, x) => [reshapeLike(dy, x), null],
  expandLike: ({ dy }, x) => [sumTo(dy, x), null],
  transpose: ({ dy, attributes }) => {
    const perm = attributes['perm'] as readonly number[];
    const back = perm.map((_, axis) => perm.indexOf(axis));
    return [transpose(dy, back)];
  },
  concat: concatenation,
  join: ({ dy }, _like, ...parts) => [null, ...parts.map((_, i) => part(dy, i, parts.length))],
  after: ({ dy }, _x, ...signals) => [dy, ...signals.map(() => null)],
  slice: ({ dy, attributes }, x) => {
    const { axis, start, end } = attributes as { axis: number; start: number; end: number };
    return [padLike(dy, x, axis, start, end)];
  },
  gather: ({ dy }, data, indices) => {
    if (data.shape.length !== 2) throw new Error(`gather: the gradient needs a table [n, width], got [${data.shape}]`);
    return [scatterRows(flatten(dy), flatIndices(indices), data), null];
  },
  tokenLogp: ({ dy, other: table }, _logits, targets) => [tokenLogpGradient(dy, table, targets), null],
  rmsNorm: rmsNormRule,
  rope: ({ dy, attributes }, _x, positions, cos, sin) => [
    rotate(dy, positions, cos, neg(sin), attributes['heads'] as number),
    null,
    null,
    null,
  ],
  where: ({ dy }, condition, a, b) => {
    const mask = cast(condition, 'float32');
    const others = cast(not(condition), 'float32');
    return [null, sumTo(mul(dy, mask), a), sumTo(mul(dy, others), b)];
  },
  softmax: softmaxRule,
  reduceSum: ({ dy, attributes }, x) => [spread(dy, x, attributes)],
  reduceMean: meanRule,
};

function flatIndices(indices: Tensor): Tensor {
  return indices.shape.length === 1 ? indices : reshape(indices, [product(...indices.shape)]);
}
