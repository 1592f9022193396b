// Dense float64 arrays for the reference kernels: broadcasting and walking them. Knows no op.

/** A dense row-major array. int64 as whole numbers (exact below 2^53), bool as 0 and 1. */
export interface Values {
  readonly data: Float64Array;
  readonly shape: readonly number[];
}

/** Number of elements. */
export const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** For each element of `target` in row-major order: its place in an array of `shape` that is broadcast to it. */
export function places(shape: readonly number[], target: readonly number[]): Int32Array {
  const rank = target.length;
  const steps = new Array<number>(rank).fill(0);
  for (let axis = shape.length - 1, step = 1; axis >= 0; axis--) {
    const size = shape[axis] as number;
    steps[axis + rank - shape.length] = size === 1 ? 0 : step;
    step *= size;
  }
  return walk(target, steps);
}

/** Offsets met when walking an array of shape `target` in row-major order with `steps` per axis. */
export function walk(target: readonly number[], steps: readonly number[]): Int32Array {
  const offsets = new Int32Array(count(target));
  const at = new Array<number>(target.length).fill(0);
  for (let i = 0, offset = 0; i < offsets.length; i++) {
    offsets[i] = offset;
    for (let axis = target.length - 1; axis >= 0; axis--) {
      offset += steps[axis] as number;
      if (++(at[axis] as number) < (target[axis] as number)) break;
      offset -= (steps[axis] as number) * (target[axis] as number);
      at[axis] = 0;
    }
  }
  return offsets;
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
export function rows(x: Values, width: number, f: (row: Float64Array, out: Float64Array) => void): Values {
  const n = x.shape.at(-1) as number;
  const many = count(x.shape.slice(0, -1));
  const data = new Float64Array(many * width);
  for (let r = 0; r < many; r++) f(x.data.subarray(r * n, (r + 1) * n), data.subarray(r * width, (r + 1) * width));
  return { data, shape: [...x.shape.slice(0, -1), width] };
}
