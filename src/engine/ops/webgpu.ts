// Ops that the runtime's WebGPU kernels lack or compute wrongly -> other ops that they have.
import type { Tensor } from '../graph.ts';
import type { Emitter, Value } from './op.ts';

interface Product {
  readonly transA: boolean;
  readonly transB: boolean;
  readonly alpha: number;
}

/** The operands of alpha · op(a) · op(b) as a plain product: there is no FusedMatMul, so they are transposed and a is scaled first. */
export function operands(a: Tensor, b: Tensor, { transA, transB, alpha }: Product, emit: Emitter): Value[] {
  const left = transA ? swapLastAxes(a, emit) : a;
  const right = transB ? swapLastAxes(b, emit) : b;
  return [alpha === 1 ? left : emit.value('Mul', [left, emit.float32(alpha)]), right];
}

function swapLastAxes(x: Tensor, emit: Emitter): string {
  const axes = [...x.shape.keys()];
  return emit.value('Transpose', [x], { perm: [...axes.slice(0, -2), axes.length - 1, axes.length - 2] });
}

/** x - max - log Σ e^(x - max) over the last axis: there is no LogSoftmax. */
export function logSoftmax(x: Tensor, result: Tensor, emit: Emitter): void {
  const axis = emit.int64([-1]);
  const low = emit.value('Sub', [x, emit.value('ReduceMax', [x, axis], { keepdims: 1 })]);
  const sum = emit.value('ReduceSum', [emit.value('Exp', [low]), axis], { keepdims: 1 });
  emit.node('Sub', [low, emit.value('Log', [sum])], [result]);
}

/** 1 / sqrt(mean(x²) + epsilon) over the last axis: SimplifiedLayerNormalization returns the mean in its place. */
export function inverseRoot(x: Tensor, result: Tensor, epsilon: number, emit: Emitter): void {
  const mean = emit.value('ReduceMean', [emit.value('Mul', [x, x]), emit.int64([-1])], { keepdims: 1 });
  const root = emit.value('Sqrt', [emit.value('Add', [mean, emit.float32(epsilon)])]);
  emit.node('Reciprocal', [root], [result]);
}
