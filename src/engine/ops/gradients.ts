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
import type { Node, Tensor } from '../graph.ts';

/** `dy` has the shape of the node's first output. null: no derivative flows into that input (integers, masks). */
type GradientRule = (node: Node, dy: Tensor) => (Tensor | null)[];

const input = (node: Node, index: number): Tensor => node.inputs[index] as Tensor;
const output = (node: Node, index = 0): Tensor => node.outputs[index] as Tensor;

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

/** A rule for an op of one input, given dy · f'(x). */
const chain =
  (derivative: (node: Node, dy: Tensor) => Tensor): GradientRule =>
  (node, dy) => [derivative(node, dy)];

/** The larger (or smaller) operand takes the derivative; equal ones share it. */
function selection(pickA: (a: Tensor, b: Tensor) => Tensor, pickB: (a: Tensor, b: Tensor) => Tensor): GradientRule {
  return (node, dy) => {
    const [a, b] = [input(node, 0), input(node, 1)];
    const half = mul(dy, 0.5);
    const zero = mul(dy, 0);
    const shareA = where(pickA(a, b), dy, where(pickB(a, b), zero, half));
    return [sumTo(shareA, a), sumTo(sub(dy, shareA), b)];
  };
}

const matmul2: GradientRule = (node, dy) => {
  const { transA, transB, alpha } = node.attributes as { transA: boolean; transB: boolean; alpha: number };
  const [a, b] = [input(node, 0), input(node, 1)];
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

const concatenation: GradientRule = (node, dy) => {
  const axis = node.attributes['axis'] as number;
  let start = 0;
  return node.inputs.map((part) => {
    const size = part.shape[axis];
    if (typeof size !== 'number') throw new Error(`concat: no gradient along the named size ${size}`);
    start += size;
    return slice(dy, axis, start - size, start);
  });
};

/** dx = inv (g - x inv² mean(g x)), g = dy · weight (Zhang and Sennrich 2019, eq. 7). */
const rmsNormRule: GradientRule = (node, dy) => {
  const [x, weight] = [input(node, 0), input(node, 1)];
  const inverse = output(node, 1);
  const normal = mul(x, inverse);
  const g = mul(dy, weight);
  const projection = reduceMean(mul(g, normal), { axes: [-1], keepDims: true });
  const dx = mul(inverse, sub(g, mul(normal, projection)));
  const leading = [...x.shape.keys()].slice(0, -1);
  return [dx, reduceSum(mul(dy, normal), { axes: leading })];
};

const softmaxRule: GradientRule = (node, dy) => {
  const y = output(node);
  const weighted = mul(dy, y);
  return [sub(weighted, mul(y, reduceSum(weighted, { axes: [-1], keepDims: true })))];
};

function reduced(node: Node, dy: Tensor): Tensor {
  const x = input(node, 0);
  if (node.attributes['keepDims'] || dy.shape.length === 0) return expandLike(dy, x);
  // Put the dropped axes back as ones: expand a keepDims reduction of x of the same shape.
  const kept = reduceSum(mul(x, 0), { axes: node.attributes['axes'] as number[], keepDims: true });
  return expandLike(reshapeLike(dy, kept), x);
}

const meanRule: GradientRule = (node, dy) => {
  const x = input(node, 0);
  const axes = node.attributes['axes'] as number[];
  const count = product(...axes.map((axis) => x.shape[axis] as Dim));
  if (typeof count === 'number') return [div(reduced(node, dy), count)];
  const ones = expandLike(x.graph.scalar(1), x);
  return [div(reduced(node, dy), reduceSum(ones, { axes, keepDims: true }))];
};

/** Derivative rules by op name; an op that is missing here cannot be differentiated. */
export const GRADIENTS: Readonly<Record<string, GradientRule>> = {
  neg: chain((_, dy) => neg(dy)),
  exp: chain((node, dy) => mul(dy, output(node))),
  log: chain((node, dy) => div(dy, input(node, 0))),
  sqrt: chain((node, dy) => div(mul(dy, 0.5), output(node))),
  tanh: chain((node, dy) => mul(dy, sub(1, mul(output(node), output(node))))),
  sigmoid: chain((node, dy) => mul(dy, mul(output(node), sub(1, output(node))))),
  softplus: chain((node, dy) => mul(dy, sigmoid(input(node, 0)))),
  add: (node, dy) => [sumTo(dy, input(node, 0)), sumTo(dy, input(node, 1))],
  sub: (node, dy) => [sumTo(dy, input(node, 0)), sumTo(neg(dy), input(node, 1))],
  mul: (node, dy) => [sumTo(mul(dy, input(node, 1)), input(node, 0)), sumTo(mul(dy, input(node, 0)), input(node, 1))],
  div: (node, dy) => {
    const [a, b] = [input(node, 0), input(node, 1)];
    const da = div(dy, b);
    return [sumTo(da, a), sumTo(neg(mul(da, output(node))), b)];
  },
  min: selection(less, greater),
  max: selection(greater, less),
  matmul: matmul2,
  reshape: chain((node, dy) => reshapeLike(dy, input(node, 0))),
  reshapeLike: (node, dy) => [reshapeLike(dy, input(node, 0)), null],
  expandLike: (node, dy) => [sumTo(dy, input(node, 0)), null],
  transpose: chain((node, dy) => {
    const perm = node.attributes['perm'] as readonly number[];
    return transpose(
      dy,
      perm.map((_, axis) => perm.indexOf(axis)),
    );
  }),
  concat: concatenation,
  join: ({ inputs: [, ...parts] }, dy) => [null, ...parts.map((_, i) => part(dy, i, parts.length))],
  after: ({ inputs }, dy) => [dy, ...inputs.slice(1).map(() => null)],
  slice: chain((node, dy) => {
    const { axis, start, end } = node.attributes as { axis: number; start: number; end: number };
    return padLike(dy, input(node, 0), axis, start, end);
  }),
  gather: (node, dy) => {
    const [data, indices] = [input(node, 0), input(node, 1)];
    if (data.shape.length !== 2) throw new Error(`gather: the gradient needs a table [n, width], got [${data.shape}]`);
    return [scatterRows(flatten(dy), flatIndices(indices), data), null];
  },
  tokenLogp: (node, dy) => [tokenLogpGradient(dy, output(node, 1), input(node, 1)), null],
  rmsNorm: rmsNormRule,
  rope: (node, dy) => {
    const [positions, cos, sin] = [input(node, 1), input(node, 2), input(node, 3)];
    return [rotate(dy, positions, cos, neg(sin), node.attributes['heads'] as number), null, null, null];
  },
  where: (node, dy) => {
    const [condition, a, b] = [input(node, 0), input(node, 1), input(node, 2)];
    const mask = cast(condition, 'float32');
    const others = cast(not(condition), 'float32');
    return [null, sumTo(mul(dy, mask), a), sumTo(mul(dy, others), b)];
  },
  softmax: softmaxRule,
  reduceSum: (node, dy) => [reduced(node, dy)],
  reduceMean: meanRule,
};

function flatIndices(indices: Tensor): Tensor {
  return indices.shape.length === 1 ? indices : reshape(indices, [product(...indices.shape)]);
}
