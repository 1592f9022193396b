// Ops that work element by element, and reductions of axes.
import type { DType, Tensor } from '../graph.ts';
import { broadcast, checkTypes, fail, ONNX_DTYPE, type Op, same, type Ternary, type Unary } from './op.ts';

const FLOAT = ['float32'] as const;
const NUMBERS = ['float32', 'int64'] as const;
const BOOL = ['bool'] as const;
const ALL = ['float32', 'int64', 'bool'] as const;

/** @param result type of what comes out; default: that of the inputs. */
function elementwise(opType: string, types: readonly DType[], result?: DType): Op {
  return {
    infer(inputs) {
      checkTypes(opType, inputs, types);
      const { dtype } = inputs[0] as Tensor;
      return [{ dtype: result ?? dtype, shape: broadcast(opType, inputs) }];
    },
    lower: same(opType),
  };
}

function reduction(opType: string): Unary<{ axes: readonly number[]; keepDims: boolean }> {
  return {
    infer(inputs, { axes, keepDims }) {
      checkTypes(opType, inputs, FLOAT);
      const shape = inputs[0].shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
      return [{ dtype: 'float32', shape: keepDims ? shape : shape.filter((_, axis) => !axes.includes(axis)) }];
    },
    lower({ inputs: [x], outputs, attributes: { axes, keepDims } }, emit) {
      const attributes = { keepdims: keepDims ? 1 : 0, noop_with_empty_axes: 1 };
      emit.node(opType, [x, emit.int64(axes)], outputs, attributes);
    },
  };
}

const where: Ternary = {
  infer(inputs) {
    const [condition, a, b] = inputs;
    if (condition.dtype !== 'bool' || a.dtype !== b.dtype)
      fail('where', inputs, 'needs a bool and two tensors of one type');
    return [{ dtype: a.dtype, shape: broadcast('where', inputs) }];
  },
  lower: same('Where'),
};

const cast: Unary<{ to: Exclude<DType, 'uint8' | 'int8'> }> = {
  infer: ([{ shape }], { to }) => [{ dtype: to, shape }],
  lower: same('Cast', ({ to }) => ({ to: ONNX_DTYPE[to] })),
};

/** By name. */
export const ELEMENTWISE: Readonly<Record<string, Op>> = {
  neg: elementwise('Neg', NUMBERS),
  exp: elementwise('Exp', FLOAT),
  log: elementwise('Log', FLOAT),
  sqrt: elementwise('Sqrt', FLOAT),
  tanh: elementwise('Tanh', FLOAT),
  sigmoid: elementwise('Sigmoid', FLOAT),
  softplus: elementwise('Softplus', FLOAT),
  sin: elementwise('Sin', FLOAT),
  floor: elementwise('Floor', FLOAT),
  not: elementwise('Not', BOOL),
  add: elementwise('Add', NUMBERS),
  sub: elementwise('Sub', NUMBERS),
  mul: elementwise('Mul', NUMBERS),
  div: elementwise('Div', NUMBERS),
  min: elementwise('Min', NUMBERS),
  max: elementwise('Max', NUMBERS),
  less: elementwise('Less', NUMBERS, 'bool'),
  greater: elementwise('Greater', NUMBERS, 'bool'),
  equal: elementwise('Equal', ALL, 'bool'),
  and: elementwise('And', BOOL),
  or: elementwise('Or', BOOL),
  reduceSum: reduction('ReduceSum'),
  reduceMean: reduction('ReduceMean'),
  reduceMax: reduction('ReduceMax'),
  where,
  cast,
};
