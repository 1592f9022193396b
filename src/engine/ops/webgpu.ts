// Ops that the runtime's WebGPU kernels lack or compute wrongly -> other ops that they have.
import type { Tensor } from '../graph.ts';
import type { Emitter } from './op.ts';

const fresh = <Names extends readonly string[]>(emit: Emitter, ...hints: Names) =>
  hints.map((hint) => emit.fresh(hint)) as { [K in keyof Names]: string };

interface Product {
  readonly transA: boolean;
  readonly transB: boolean;
  readonly alpha: number;
}

/** alpha · op(a) · op(b): there is no FusedMatMul, so operands are transposed and a is scaled first. */
export function product(a: Tensor, b: Tensor, result: string, { transA, transB, alpha }: Product, emit: Emitter): void {
  const left = transA ? swapLastAxes(a, emit) : a.name;
  const right = transB ? swapLastAxes(b, emit) : b.name;
  emit.node('MatMul', [alpha === 1 ? left : scaled(left, alpha, emit), right], [result]);
}

function swapLastAxes({ name, shape }: Tensor, emit: Emitter): string {
  const [swapped] = fresh(emit, 'swapped');
  const axes = [...shape.keys()];
  emit.node('Transpose', [name], [swapped], { perm: [...axes.slice(0, -2), axes.length - 1, axes.length - 2] });
  return swapped;
}

function scaled(x: string, alpha: number, emit: Emitter): string {
  const [result] = fresh(emit, 'scaled');
  emit.node('Mul', [x, emit.float32(alpha)], [result]);
  return result;
}

/** x - max - log Σ e^(x - max) over the last axis: there is no LogSoftmax. */
export function logSoftmax(x: string, result: string, emit: Emitter): void {
  const [top, low, exponentials, sum, log] = fresh(emit, 'top', 'low', 'exponentials', 'sum', 'log');
  const axis = emit.int64([-1]);
  emit.node('ReduceMax', [x, axis], [top], { keepdims: 1 });
  emit.node('Sub', [x, top], [low]);
  emit.node('Exp', [low], [exponentials]);
  emit.node('ReduceSum', [exponentials, axis], [sum], { keepdims: 1 });
  emit.node('Log', [sum], [log]);
  emit.node('Sub', [low, log], [result]);
}

/** 1 / sqrt(mean(x²) + epsilon) over the last axis: SimplifiedLayerNormalization returns the mean in its place. */
export function inverseRoot(x: string, result: string, epsilon: number, emit: Emitter): void {
  const [square, mean, raised, root] = fresh(emit, 'square', 'mean', 'raised', 'root');
  emit.node('Mul', [x, x], [square]);
  emit.node('ReduceMean', [square, emit.int64([-1])], [mean], { keepdims: 1 });
  emit.node('Add', [mean, emit.float32(epsilon)], [raised]);
  emit.node('Sqrt', [raised], [root]);
  emit.node('Reciprocal', [root], [result]);
}
