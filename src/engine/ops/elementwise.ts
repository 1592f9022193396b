// Ops that work element by element, and reductions of axes.
import type { DType, Tensor } from '../graph.ts';
import { broadcast, checkTypes, fail, ints, NUMBERS, names, type Op } from './op.ts';

export function unary(opType: string, types: readonly DType[] = ['float32']): Op {
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

const where: Op = {
  infer(inputs) {
    const [condition, a, b] = inputs as [Tensor, Tensor, Tensor];
    if (condition.dtype !== 'bool' || a.dtype !== b.dtype)
      fail('where', inputs, 'needs a bool and two tensors of one type');
    return [{ dtype: a.dtype, shape: broadcast('where', inputs) }];
  },
  lower: (node, emit) => emit.node('Where', names(node.inputs), names(node.outputs)),
};

const ONNX_DTYPE = { float32: 1, int64: 7, bool: 9 } as const;

const cast: Op = {
  infer: ([x], attributes) => [{ dtype: attributes['to'] as DType, shape: (x as Tensor).shape }],
  lower: (node, emit) =>
    emit.node('Cast', names(node.inputs), names(node.outputs), { to: ONNX_DTYPE[node.attributes['to'] as DType] }),
};

/** By name. */
export const ELEMENTWISE: Readonly<Record<string, Op>> = {
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
  where,
  cast,
};
