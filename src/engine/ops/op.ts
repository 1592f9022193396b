// What an op of the table is: a shape rule and its ONNX form, and what these share.
import type { Dim, Shape } from '../dims.ts';
import type { Attribute, Attributes, DType, Node, Tensor } from '../graph.ts';

interface OutputType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** What executes a graph. */
export type Provider = 'cpu' | 'webgpu';

/** The numbers in which products with packed matrices multiply, and a cache is kept. */
export type Precision = 'float32' | 'float16';

/** A value of the serialised model: a tensor of the graph, or what a lowering has made. */
export type Value = Tensor | string;

export type LoweredAttribute = Attribute | { readonly float: number };
export type LoweredAttributes = Readonly<Record<string, LoweredAttribute>>;

/** What a lowering may do; implemented by onnx.ts. */
export interface Emitter {
  readonly provider: Provider;
  readonly precision: Precision;
  /** Whether anything reads this output. */
  reads(output: Tensor): boolean;
  node(
    opType: string,
    inputs: readonly Value[],
    outputs: readonly Value[],
    attributes?: LoweredAttributes,
    domain?: string,
  ): void;
  /** The one output of a new node. */
  value(opType: string, inputs: readonly Value[], attributes?: LoweredAttributes, domain?: string): string;
  /** A one-dimensional int64 constant. */
  int64(values: readonly number[]): string;
  float32(value: number): string;
  /** A constant; equal ones are one. */
  floats(values: readonly number[], shape: readonly number[]): string;
  /** The provider computes this node wrongly where `dim` is 0. */
  nonEmpty(dim: Dim): void;
}

export interface Op<Inputs extends readonly Tensor[] = readonly Tensor[], Given = Attributes> {
  infer(inputs: Inputs, attributes: Given): readonly OutputType[];
  lower(node: Node<Inputs, Given>, emit: Emitter): void;
}

export type Unary<Given = Attributes> = Op<readonly [x: Tensor], Given>;
export type Binary<Given = Attributes> = Op<readonly [a: Tensor, b: Tensor], Given>;
export type Ternary<Given = Attributes> = Op<readonly [a: Tensor, b: Tensor, c: Tensor], Given>;

export const MICROSOFT = 'com.microsoft';

/** Numbers of element types in attributes and files (onnx.proto). */
export const ONNX_DTYPE = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float16: 10 } as const;

/** Lowers to one node of the runtime's with the same inputs and outputs. */
export function same<Given>(opType: string, attributes: (given: Given) => LoweredAttributes = () => ({}), domain = '') {
  return ({ inputs, outputs, attributes: given }: Node<readonly Tensor[], Given>, emit: Emitter): void =>
    emit.node(opType, inputs, outputs, attributes(given), domain);
}

/** The size of one axis, int64 `[1]`. */
export const sizeOf = (x: Tensor, axis: number, emit: Emitter): string =>
  emit.value('Shape', [x], { start: axis, end: axis + 1 });

/** A scalar 0 that is not known before all of `signals` are. */
export function nothingAfter(signals: readonly Value[], emit: Emitter): string {
  const sums = signals.map((signal) => emit.value('ReduceSum', [signal], { keepdims: 0 }));
  return emit.value('Mul', [emit.value('Sum', sums), emit.float32(0)]);
}

export function fail(op: string, inputs: readonly Tensor[], why: string): never {
  const shapes = inputs.map((t) => `${t.name}: ${t.dtype}[${t.shape.join(', ')}]`).join('; ');
  throw new Error(`${op}: ${why}. Inputs: ${shapes}`);
}

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

/** Fails unless the second input, the indices, is int64. */
export function checkIndices(op: string, inputs: readonly Tensor[]): void {
  if (inputs[1]?.dtype !== 'int64') fail(op, inputs, 'indices must be int64');
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
