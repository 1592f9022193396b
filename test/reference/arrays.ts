// Dense float64 arrays for the reference kernels: strides, views, broadcasting. Knows no op.

/** A dense row-major array. int64 as whole numbers (exact below 2^53), bool as 0 and 1. */
export interface Values {
  readonly data: Float64Array;
  readonly shape: readonly number[];
}

/** Number of elements. */
export const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** How far the next element of each axis is in a dense array. */
export const steps = (shape: readonly number[]): number[] => shape.map((_, axis) => count(shape.slice(axis + 1)));

/** For each element of `target` in row-major order: its place in an array of `shape` that is broadcast to it. */
export function places(shape: readonly number[], target: readonly number[]): Int32Array {
  const own = steps(shape).map((step, axis) => (shape[axis] === 1 ? 0 : step));
  return walk(target, [...Array<number>(target.length - shape.length).fill(0), ...own]);
}

/** Offsets met when walking an array of shape `target` in row-major order with `step` per axis, from `start`. */
export function walk(target: readonly number[], step: readonly number[], start = 0): Int32Array {
  const offsets = new Int32Array(count(target));
  const at = new Array<number>(target.length).fill(0);
  for (let i = 0, offset = start; i < offsets.length; i++) {
    offsets[i] = offset;
    for (let axis = target.length - 1; axis >= 0; axis--) {
      offset += step[axis] as number;
      if (++(at[axis] as number) < (target[axis] as number)) break;
      offset -= (step[axis] as number) * (target[axis] as number);
      at[axis] = 0;
    }
  }
  return offsets;
}

/** The elements of `data` at `offsets`. */
export const pick = (data: Float64Array, offsets: Int32Array): Float64Array =>
  Float64Array.from(offsets, (place) => data[place] as number);

/** The places of [from, from + length) of one axis in an array of `shape`, and the shape of that part. */
export function stretch(shape: readonly number[], axis: number, from: number, length: number) {
  if (from < 0 || from + length > (shape[axis] as number)) {
    throw new Error(`[${from}, ${from + length}) of axis ${axis} of [${shape.join(', ')}]`);
  }
  const part = shape.map((n, i) => (i === axis ? length : n));
  return { shape: part, offsets: walk(part, steps(shape), from * (steps(shape)[axis] as number)) };
}

export function broadcastShape(shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((s) => s.length));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = shapes.map((s) => s[axis - rank + s.length] ?? 1).filter((size) => size !== 1);
    if (sizes.some((size) => size !== sizes[0])) throw new Error(`[${shapes.join('] [')}] do not broadcast`);
    return sizes[0] ?? 1;
  });
}

/** Applies `f` to each row of the last axis; `width` values come out of each. */
export function rows({ data, shape }: Values, width: number, f: (row: Float64Array) => ArrayLike<number>): Values {
  const n = shape.at(-1) as number;
  const many = count(shape.slice(0, -1));
  const out = new Float64Array(many * width);
  for (let r = 0; r < many; r++) out.set(f(data.subarray(r * n, (r + 1) * n)), r * width);
  return { data: out, shape: [...shape.slice(0, -1), width] };
}
