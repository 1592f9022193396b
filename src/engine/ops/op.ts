// What an op of the table is: a shape rule and its ONNX form, and what these share.
import type { Dim, Shape } from '../dims.ts';
import type { Attribute, DType, Node, Tensor } from '../graph.ts';

interface OutputType {
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

export type Attributes = Readonly<Record<string, Attribute>>;

export interface Op {
  infer(inputs: readonly Tensor[], attributes: Attributes): OutputType[];
  lower(node: Node, emit: Emitter): void;
}

export const MICROSOFT = 'com.microsoft';

export function fail(op: string, inputs: readonly Tensor[], why: string): never {
  const shapes = inputs.map((t) => `${t.name}: ${t.dtype}[${t.shape.join(', ')}]`).join('; ');
  throw new Error(`${op}: ${why}. Inputs: ${shapes}`);
}

export const names = (tensors: readonly Tensor[]) => tensors.map((t) => t.name);
export const only = (node: Node): Tensor => node.outputs[0] as Tensor;
export const ints = (attributes: Attributes, key: string) => attributes[key] as readonly number[];
export const int = (attributes: Attributes, key: string) => attributes[key] as number;

/** Position of a possibly negative axis. */
export function axisOf(tensor: Tensor, axis: number): number {
  const position = axis < 0 ? tensor.shape.length + axis : axis;
  if (position < 0 || position >= tensor.shape.length) fail('axis', [tensor], `there is no axis ${axis}`);
  return position;
}

/** Fails unless every input has one of `allowed` and all have the same. */
export function checkTypes(op: string, inputs: readonly Tensor[], allowed: readonly DType[]): void {
  const wrong = inputs.find(({ dtype }) => !allowed.includes(dtype));
  if (wrong) fail(op, inputs, `${wrong.name} is ${wrong.dtype}, not ${allowed.join(' or ')}`);
  if (inputs.some(({ dtype }) => dtype !== inputs[0]?.dtype)) fail(op, inputs, 'element types differ');
}

/** Fails unless the indices among the inputs are int64. */
export function checkIndices(op: string, inputs: readonly Tensor[], place: number): void {
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

export const NUMBERS = ['float32', 'int64'] as const;
