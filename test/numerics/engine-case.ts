// What a case of the op suite is, and short makers of cases and of their inputs.
import type { Shape } from '../../src/engine/dims.ts';
import type { DType, Graph, Tensor } from '../../src/engine/graph.ts';
import type { HostArray } from '../../src/engine/runtime/arrays.ts';
import { createRandom } from '../../src/random.ts';

/** One input of a case. */
export interface CaseInput {
  /** As declared in the graph. */
  readonly shape: Shape;
  /** Values of the names in `shape`, in this order of axes; default: the numbers of `shape`. */
  readonly sizes: readonly number[];
  readonly dtype: DType;
  readonly data: HostArray['data'];
  /** Whether the loss is differentiated by it. */
  readonly differentiate: boolean;
}

export interface OpCase {
  readonly op: string;
  readonly variant: string;
  readonly inputs: Readonly<Record<string, CaseInput>>;
  /** Tensors to compare; the gradient check uses the first. */
  build(t: Readonly<Record<string, Tensor>>, graph: Graph): Tensor[];
}

export interface FloatOptions {
  readonly shape?: Shape;
  /** Uniform in [low, high]. */
  readonly low?: number;
  readonly high?: number;
  readonly values?: readonly number[];
  readonly differentiate?: boolean;
}

const count = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);

/** Random float32 values, never nearer to each other than is good for finite differences. */
export function f(sizes: readonly number[], options: FloatOptions = {}): CaseInput {
  const { shape = sizes, low = -2, high = 2, values, differentiate = true } = options;
  const random = createRandom(`engine-cases ${sizes.join('x')} ${low} ${high}`);
  const data = Float32Array.from(
    values ?? Array.from({ length: count(sizes) }, () => low + (high - low) * random.next()),
  );
  return { shape, sizes, dtype: 'float32', data, differentiate };
}

/** A float32 input that no derivative is taken by. */
export const fixed = (sizes: readonly number[], options: FloatOptions = {}) =>
  f(sizes, { ...options, differentiate: false });

export const i = (sizes: readonly number[], values: readonly number[], shape: Shape = sizes): CaseInput => ({
  shape,
  sizes,
  dtype: 'int64',
  data: BigInt64Array.from(values, BigInt),
  differentiate: false,
});

export const b = (sizes: readonly number[], values: readonly number[], shape: Shape = sizes): CaseInput => ({
  shape,
  sizes,
  dtype: 'bool',
  data: Uint8Array.from(values),
  differentiate: false,
});

/** Random bytes of a packed matrix; of float16 numbers below 1. */
export function bytes(dtype: 'uint8' | 'int8' | 'float16', sizes: readonly number[]): CaseInput {
  const random = createRandom(`engine-cases ${dtype} ${sizes.join('x')}`);
  const drawn = Array.from({ length: count(sizes) }, () => Math.floor(256 * random.next()));
  const data = {
    uint8: () => Uint8Array.from(drawn),
    int8: () => Int8Array.from(drawn, (value) => value - 128),
    float16: () => Uint16Array.from(drawn, (value) => (value & 1) * 0x8000 + 60 * value),
  }[dtype]();
  return { shape: sizes, sizes, dtype, data, differentiate: false };
}

type Builder = OpCase['build'];
export const one = (
  op: string,
  variant: string,
  inputs: OpCase['inputs'],
  result: (t: Readonly<Record<string, Tensor>>) => Tensor,
): OpCase => ({
  op,
  variant,
  inputs,
  build: (t) => [result(t)],
});
export const many = (op: string, variant: string, inputs: OpCase['inputs'], builder: Builder): OpCase => ({
  op,
  variant,
  inputs,
  build: builder,
});

/** Tensor of a case by name. */
export const x = (t: Readonly<Record<string, Tensor>>, name = 'x'): Tensor => t[name] as Tensor;
