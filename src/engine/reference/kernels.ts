// Arrays -> arrays in float64, one plain kernel an op: what each op means, written for reading.
import type { Dim } from '../dims.ts';
import type { Attribute } from '../graph.ts';
import { broadcastShape, count, places, rows, type Values, walk } from './arrays.ts';

type Attributes = Readonly<Record<string, Attribute>>;

/** `size`: a dimension's value in this run, undefined where nothing that was fed tells. */
type Kernel = (inputs: readonly Values[], attributes: Attributes, size: (dim: Dim) => number | undefined) => Values[];

function elementwise(inputs: readonly Values[], f: (...values: number[]) => number): Values[] {
  const shape = broadcastShape(inputs.map((x) => x.shape));
  const where = inputs.map((x) => places(x.shape, shape));
  const data = Float64Array.from({ length: count(shape) }, (_, i) =>
    f(...inputs.map((x, n) => x.data[(where[n] as Int32Array)[i] as number] as number)),
  );
  return [{ data, shape }];
}

const unary =
  (f: (x: number) => number): Kernel =>
  ([x]) => [{ data: (x as Values).data.map(f), shape: (x as Values).shape }];
const binary =
  (f: (a: number, b: number) => number): Kernel =>
  (inputs) =>
    elementwise(inputs, f as (...v: number[]) => number);

/** Start value, step, and a final step given the number of elements reduced. */
function reduction(
  start: number,
  f: (sum: number, x: number) => number,
  finish: (sum: number, n: number) => number,
): Kernel {
  return ([x], attributes) => {
    const { data, shape } = x as Values;
    const axes = attributes['axes'] as readonly number[];
    const kept = shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
    const out = new Float64Array(count(kept)).fill(start);
    const into = places(kept, shape);
    data.forEach((value, i) => {
      const place = into[i] as number;
      out[place] = f(out[place] as number, value);
    });
    const n = count(axes.map((axis) => shape[axis] as number));
    const result = attributes['keepDims'] ? kept : shape.filter((_, axis) => !axes.includes(axis));
    return [{ data: out.map((sum) => finish(sum, n)), shape: result }];
  };
}

function logSumExp(row: Float64Array): number {
  const top = row.reduce((a, b) => Math.max(a, b), -Infinity);
  return top + Math.log(row.reduce((sum, x) => sum + Math.exp(x - top), 0));
}

const matmul: Kernel = ([a, b], { transA, transB, alpha }) => {
  const [x, y] = [a as Values, b as Values];
  const [m, k] = (transA ? [...x.shape.slice(-2)].reverse() : x.shape.slice(-2)) as [number, number];
  const n = (transB ? y.shape.at(-2) : y.shape.at(-1)) as number;
  const batch = broadcastShape([x.shape.slice(0, -2), y.shape.slice(0, -2)]);
  const [fromX, fromY] = [places(x.shape.slice(0, -2), batch), places(y.shape.slice(0, -2), batch)];
  const [xRow, xStep] = transA ? [1, m] : [k, 1];
  const [yStep, yColumn] = transB ? [1, k] : [n, 1];
  const data = new Float64Array(count(batch) * m * n);
  for (let cell = 0; cell < data.length; cell++) {
    const [block, row, column] = [Math.floor(cell / (m * n)), Math.floor(cell / n) % m, cell % n];
    const startX = (fromX[block] as number) * m * k + row * xRow;
    const startY = (fromY[block] as number) * k * n + column * yColumn;
    let sum = 0;
    for (let i = 0; i < k; i++) sum += (x.data[startX + i * xStep] as number) * (y.data[startY + i * yStep] as number);
    data[cell] = (alpha as number) * sum;
  }
  return [{ data, shape: [...batch, m, n] }];
};

const reshape: Kernel = ([x], attributes, size) => {
  const { data } = x as Values;
  const target = (attributes['shape'] as string).split(',').filter(Boolean);
  const shape = target.map((dim) => (/^\d+$/.test(dim) ? Number(dim) : (size(dim) ?? -1)));
  const known = count(shape.filter((n) => n >= 0));
  return [{ data, shape: shape.map((n) => (n >= 0 ? n : data.length / known)) }];
};

const transpose: Kernel = ([x], attributes) => {
  const { data, shape } = x as Values;
  const perm = attributes['perm'] as readonly number[];
  const target = perm.map((axis) => shape[axis] as number);
  const from = walk(
    target,
    perm.map((axis) => count(shape.slice(axis + 1))),
  );
  return [{ data: Float64Array.from(from, (place) => data[place] as number), shape: target }];
};

const concat: Kernel = (inputs, attributes) => {
  const axis = attributes['axis'] as number;
  const first = inputs[0] as Values;
  const size = inputs.reduce((sum, x) => sum + (x.shape[axis] as number), 0);
  const shape = first.shape.map((n, i) => (i === axis ? size : n));
  const data = new Float64Array(count(shape));
  let at = 0;
  for (let outer = 0; outer < count(shape.slice(0, axis)); outer++) {
    for (const x of inputs) {
      const chunk = count(x.shape.slice(axis));
      data.set(x.data.subarray(outer * chunk, (outer + 1) * chunk), at);
      at += chunk;
    }
  }
  return [{ data, shape }];
};

/** Copies [start, start + length) of `axis` between a whole array and a part of it, in the direction `copy` goes. */
function part(
  whole: readonly number[],
  axis: number,
  start: number,
  length: number,
  copy: (whole: number, part: number) => void,
) {
  if (start < 0 || start + length > (whole[axis] as number)) {
    throw new Error(`[${start}, ${start + length}) of axis ${axis} of [${whole.join(', ')}]`);
  }
  const inner = count(whole.slice(axis + 1));
  for (let outer = 0; outer < count(whole.slice(0, axis)); outer++) {
    for (let i = 0; i < length * inner; i++) {
      copy((outer * (whole[axis] as number) + start) * inner + i, outer * length * inner + i);
    }
  }
}

function sliceOf({ data, shape }: Values, axis: number, start: number, length: number): Values[] {
  const result = shape.map((n, i) => (i === axis ? length : n));
  const out = new Float64Array(count(result));
  part(shape, axis, start, length, (whole, place) => {
    out[place] = data[whole] as number;
  });
  return [{ data: out, shape: result }];
}

const slice: Kernel = ([x], { axis, start, end }) =>
  sliceOf(x as Values, axis as number, start as number, (end as number) - (start as number));

const sliceLike: Kernel = ([x, like], { axis, likeAxis, fromEnd }) => {
  const length = (like as Values).shape[likeAxis as number] as number;
  const whole = (x as Values).shape[axis as number] as number;
  return sliceOf(x as Values, axis as number, fromEnd ? whole - length : 0, length);
};

const padLike: Kernel = ([x, like], { axis, start, end }) => {
  const { shape } = like as Values;
  const data = new Float64Array(count(shape));
  part(shape, axis as number, start as number, (end as number) - (start as number), (whole, place) => {
    data[whole] = (x as Values).data[place] as number;
  });
  return [{ data, shape }];
};

function rowAt(index: number, n: number): number {
  if (!(index >= 0 && index < n)) throw new Error(`index ${index} of ${n}`);
  return index;
}

const gather: Kernel = ([data, indices]) => {
  const table = data as Values;
  const width = count(table.shape.slice(1));
  const out = new Float64Array((indices as Values).data.length * width);
  (indices as Values).data.forEach((index, i) => {
    const row = rowAt(index, table.shape[0] as number);
    out.set(table.data.subarray(row * width, (row + 1) * width), i * width);
  });
  return [{ data: out, shape: [...(indices as Values).shape, ...table.shape.slice(1)] }];
};

const scatterRows: Kernel = ([updates, indices, like]) => {
  const { shape } = like as Values;
  const width = shape[1] as number;
  const data = new Float64Array(count(shape));
  (updates as Values).data.forEach((value, i) => {
    const row = rowAt((indices as Values).data[Math.floor(i / width)] as number, shape[0] as number);
    data[row * width + (i % width)] = (data[row * width + (i % width)] as number) + value;
  });
  return [{ data, shape }];
};

const partOf: Kernel = ([x], attributes) => {
  const { data, shape } = x as Values;
  const [n, ...rest] = shape as [number, ...number[]];
  const { index, count: parts } = attributes as { index: number; count: number };
  const [from, to] = [index, index + 1].map((end) => Math.floor((n * end) / parts)) as [number, number];
  return [{ data: data.slice(from * count(rest), to * count(rest)), shape: [to - from, ...rest] }];
};

const join: Kernel = ([, ...parts]) => concat(parts, { axis: 0 }, () => undefined);

const gatherElements: Kernel = ([x, indices]) => {
  const { data, shape } = indices as Values;
  const [from, to] = [(x as Values).shape.at(-1) as number, shape.at(-1) as number];
  const pick = (index: number, i: number) =>
    (x as Values).data[Math.floor(i / to) * from + rowAt(index, from)] as number;
  return [{ data: data.map(pick), shape }];
};

const tokenLogp: Kernel = ([logits, targets]) => {
  const vocabulary = (logits as Values).shape[1] as number;
  const table = rows(logits as Values, vocabulary, (row, out) => {
    const normaliser = logSumExp(row);
    out.set(row.map((x) => x - normaliser));
  });
  const { data, shape } = targets as Values;
  const logp = data.map((target, i) => table.data[i * vocabulary + rowAt(target, vocabulary)] as number);
  return [{ data: logp, shape }, table];
};

const tokenLogpGradient: Kernel = ([dy, table, targets]) => {
  const { data, shape } = table as Values;
  const vocabulary = shape[1] as number;
  const at = (logp: number, i: number) => {
    const row = Math.floor(i / vocabulary);
    const hit = (targets as Values).data[row] === i % vocabulary ? 1 : 0;
    return ((dy as Values).data[row] as number) * (hit - Math.exp(logp));
  };
  return [{ data: data.map(at), shape }];
};

const rmsNorm: Kernel = ([x, weight], { epsilon }) => {
  const inverse = rows(x as Values, 1, (row, out) => {
    out[0] = 1 / Math.sqrt(row.reduce((sum, v) => sum + v * v, 0) / row.length + (epsilon as number));
  });
  return [
    ...elementwise([x as Values, inverse, weight as Values], (v, scale, w) => v * (scale as number) * (w as number)),
    inverse,
  ];
};

const rope: Kernel = ([x, positions, cos, sin], { heads }) => {
  const { data, shape } = x as Values;
  const half = (shape[2] as number) / (heads as number) / 2;
  const out = new Float64Array(data.length);
  for (let start = 0; start < data.length; start += 2 * half) {
    const position = (positions as Values).data[Math.floor(start / (shape[2] as number))] as number;
    const row = rowAt(position, (cos as Values).shape[0] as number) * half;
    for (let i = 0; i < half; i++) {
      const [c, s] = [(cos as Values).data[row + i] as number, (sin as Values).data[row + i] as number];
      const [first, second] = [data[start + i] as number, data[start + half + i] as number];
      out[start + i] = first * c - second * s;
      out[start + half + i] = second * c + first * s;
    }
  }
  return [{ data: out, shape }];
};

const softmax: Kernel = ([x]) => {
  const exponentials = (row: Float64Array, out: Float64Array) => {
    const normaliser = logSumExp(row);
    out.set(row.map((v) => Math.exp(v - normaliser)));
  };
  return [rows(x as Values, (x as Values).shape.at(-1) as number, exponentials)];
};

const cumSum: Kernel = ([x]) => {
  const running = (row: Float64Array, out: Float64Array) => {
    let sum = 0;
    row.forEach((v, i) => {
      sum += v;
      out[i] = sum;
    });
  };
  return [rows(x as Values, (x as Values).shape.at(-1) as number, running)];
};

/** Places of a row's elements, the largest first, equal ones in their order. */
const ranking = (row: Float64Array): number[] =>
  [...row.keys()].sort((a, b) => (row[b] as number) - (row[a] as number) || a - b);

const argMax: Kernel = ([x]) => [rows(x as Values, 1, (row, out) => out.set(ranking(row).slice(0, 1)))];

const topK: Kernel = ([x, count], attributes) => {
  const k = count ? (count.data[0] as number) : (attributes['k'] as number);
  const pick = (row: Float64Array, out: Float64Array) => out.set(ranking(row).slice(0, k));
  const indices = rows(x as Values, k, pick);
  return [...gatherElements([x as Values, indices], {}, () => undefined), indices];
};

const CASTS: Readonly<Record<string, (x: number) => number>> = {
  float32: (x) => x,
  int64: Math.trunc,
  bool: (x) => (x === 0 ? 0 : 1),
};

/** Every op of ops.ts, by name. */
export const KERNELS: Readonly<Record<string, Kernel>> = {
  neg: unary((x) => -x),
  exp: unary(Math.exp),
  log: unary(Math.log),
  sqrt: unary(Math.sqrt),
  sin: unary(Math.sin),
  floor: unary(Math.floor),
  tanh: unary(Math.tanh),
  sigmoid: unary((x) => 1 / (1 + Math.exp(-x))),
  softplus: unary((x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),
  not: unary((x) => 1 - x),
  add: binary((a, b) => a + b),
  sub: binary((a, b) => a - b),
  mul: binary((a, b) => a * b),
  div: binary((a, b) => a / b),
  min: binary(Math.min),
  max: binary(Math.max),
  less: binary((a, b) => Number(a < b)),
  greater: binary((a, b) => Number(a > b)),
  equal: binary((a, b) => Number(a === b)),
  and: binary((a, b) => a * b),
  or: binary(Math.max),
  reduceSum: reduction(
    0,
    (sum, x) => sum + x,
    (sum) => sum,
  ),
  reduceMean: reduction(
    0,
    (sum, x) => sum + x,
    (sum, n) => sum / n,
  ),
  reduceMax: reduction(-Infinity, Math.max, (top) => top),
  reshapeLike: ([x, like]) => [{ data: (x as Values).data, shape: (like as Values).shape }],
  expandLike: ([x, like]) => elementwise([x as Values, like as Values], (value) => value as number),
  where: (inputs) => elementwise(inputs, (condition, a, b) => (condition ? a : b) as number),
  cast: ([x], { to }) => [
    { data: (x as Values).data.map(CASTS[to as string] as (x: number) => number), shape: (x as Values).shape },
  ],
  matmul,
  reshape,
  transpose,
  concat,
  slice,
  padLike,
  sliceLike,
  part: partOf,
  join,
  after: ([x]) => [x as Values],
  gather,
  scatterRows,
  gatherElements,
  tokenLogp,
  tokenLogpGradient,
  rmsNorm,
  rope,
  softmax,
  cumSum,
  argMax,
  topK,
};
