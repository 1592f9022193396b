// Numbers -> the arrays that programs are fed.
import type { HostArray, Precision } from './runtime/session.ts';

/** Whole numbers below 2^32 as int64, without a BigInt each. */
export function int64(values: ArrayLike<number>): BigInt64Array {
  const out = new BigInt64Array(values.length);
  const words = new Uint32Array(out.buffer);
  for (let i = 0; i < values.length; i++) words[2 * i] = values[i] as number;
  return out;
}

export function zerosOf(precision: Precision, shape: readonly number[]): HostArray {
  const size = shape.reduce((product, n) => product * n, 1);
  return { data: precision === 'float32' ? new Float32Array(size) : new Uint16Array(size), shape };
}

/** A one-dimensional array; an empty one becomes a single zero, since no tensor may be empty. */
export function vector<Data extends Float32Array | BigInt64Array>(data: Data): HostArray {
  const some = data.length > 0 ? data : data instanceof Float32Array ? new Float32Array(1) : new BigInt64Array(1);
  return { data: some, shape: [some.length] };
}
