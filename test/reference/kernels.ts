// Arrays -> arrays in float64, one plain kernel an op: what each op means, written for reading.
import type { Dim } from '../../src/engine/dims.ts';
import type { Attributes } from '../../src/engine/graph.ts';
import { shapeOf } from '../../src/engine/ops/layout.ts';
import type { QuantisedAttributes } from '../../src/engine/ops/quantised.ts';
import { broadcastShape, count, pick, places, rows, steps, stretch, type Values, walk } from './arrays.ts';

interface Given {
  readonly attributes: Attributes;
  /** A dimension's value in this run, undefined where nothing that was fed tells. */
  size(dim: Dim): number | undefined;
}

type Kernel = (given: Given, ...inputs: Values[]) => Values[];

/** A kernel of a function of one element of each input. */
const each =
  (f: (...values: number[]) => number): Kernel =>
  (_, ...inputs) => {
    const shape = broadcastShape(inputs.map((x) => x.shape));
    const operands = inputs.map((x) => pick(x.data, places(x.shape, shape)));
    const data = Float64Array.from({ length: count(shape) }, (_, i) => f(...operands.map((x) => x[i] as number)));
    return [{ data, shape }];
  };

const product = each((...values) => values.reduce((a, b) => a * b));

/** Start value, step, and a final step given the number of elements reduced. */
function reduction(
  start: number,
  f: (sum: number, x: number) => number,
  finish: (sum: number, n: number) => number = (sum) => sum,
): Kernel {
  return ({ attributes }, { data, shape }) => {
    const { axes, keepDims } = attributes as { axes: readonly number[]; keepDims: boolean };
    const kept = shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
    const out = new Float64Array(count(kept)).fill(start);
    const into = places(kept, shape);
    data.forEach((value, i) => {
      const place = into[i] as number;
      out[place] = f(out[place] as number, value);
    });
    const n = count(axes.map((axis) => shape[axis] as number));
    const result = keepDims ? kept : shape.filter((_, axis) => !axes.includes(axis));
    return [{ data: out.map((sum) => finish(sum, n)), shape: result }];
  };
}

const logSumExp = (row: Float64Array): number => {
  const top = row.reduce((a, b) => Math.max(a, b), -Infinity);
  return top + Math.log(row.reduce((sum, x) => sum + Math.exp(x - top), 0));
};

const matmul: Kernel = ({ attributes }, x, y) => {
  const { transA, transB, alpha } = attributes as { transA: boolean; transB: boolean; alpha: number };
  const [m, k] = (transA ? x.shape.slice(-2).reverse() : x.shape.slice(-2)) as [number, number];
  const n = y.shape.at(transB ? -2 : -1) as number;
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
    data[cell] = alpha * sum;
  }
  return [{ data, shape: [...batch, m, n] }];
};

/** The 16 levels of NF4 (Dettmers et al. 2023, appendix E). */
const NF4 = [
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
  -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
  0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
];

/** IEEE 754 binary16. */
function half(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

/** A packed matrix, weight by weight: the upper half of a byte is the first of its two in NF4, the second in int4. */
const unpacked = (
  { packing, rows: height, columns }: QuantisedAttributes,
  packed: Values,
  scales: Values,
): Float64Array =>
  Float64Array.from({ length: height * columns }, (_, i) => {
    const [whole, byte] = [packed.data[i] as number, packed.data[i >> 1] as number];
    const row = scales.data[Math.floor(i / columns)] as number;
    if (packing === 'int8') return whole * row;
    if (packing === 'float16') return half(whole) * row;
    if (packing === 'int4') return ((i % 2 === 0 ? byte & 15 : byte >> 4) - 8) * (scales.data[i >> 5] as number);
    return (NF4[i % 2 === 0 ? byte >> 4 : byte & 15] as number) * (scales.data[Math.floor(i / 64)] as number);
  });

const quantisedMatmul: Kernel = (given, x, packed, scales) => {
  const attributes = given.attributes as QuantisedAttributes;
  const matrix = { data: unpacked(attributes, packed, scales), shape: [attributes.rows, attributes.columns] };
  const product = { transA: false, transB: attributes.transB, alpha: 1 };
  return matmul({ ...given, attributes: product }, x, matrix);
};

const reshape: Kernel = ({ attributes, size }, { data }) => {
  const shape = shapeOf(attributes['shape'] as string).map((dim) => size(dim) ?? -1);
  const known = count(shape.filter((n) => n >= 0));
  return [{ data, shape: shape.map((n) => (n >= 0 ? n : data.length / known)) }];
};

const transpose: Kernel = ({ attributes }, { data, shape }) => {
  const perm = attributes['perm'] as readonly number[];
  const along = (values: readonly number[]) => perm.map((axis) => values[axis] as number);
  return [{ data: pick(data, walk(along(shape), along(steps(shape)))), shape: along(shape) }];
};

/** Zeros of `shape` with each part at its place along `axis`, from `start` on. */
function put(shape: readonly number[], axis: number, start: number, parts: readonly Values[]): Values {
  const data = new Float64Array(count(shape));
  let at = start;
  for (const part of parts) {
    const length = part.shape[axis] as number;
    stretch(shape, axis, at, length).offsets.forEach((place, i) => {
      data[place] = part.data[i] as number;
    });
    at += length;
  }
  return { data, shape };
}

function joined(parts: readonly Values[], axis: number): Values[] {
  const sizes = parts.map(({ shape }) => shape[axis] as number);
  const shape = (parts[0] as Values).shape.with(
    axis,
    sizes.reduce((a, b) => a + b),
  );
  return [put(shape, axis, 0, parts)];
}

function sliceOf(x: Values, axis: number, start: number, end: number): Values[] {
  const { shape, offsets } = stretch(x.shape, axis, start, end - start);
  return [{ data: pick(x.data, offsets), shape }];
}

type Stretch = Record<'axis' | 'start' | 'end', number>;

const slice: Kernel = ({ attributes }, x) => {
  const { axis, start, end } = attributes as Stretch;
  return sliceOf(x, axis, start, end);
};

const sliceLike: Kernel = ({ attributes }, x, like) => {
  const { axis, likeAxis, fromEnd } = attributes as { axis: number; likeAxis: number; fromEnd: boolean };
  const length = like.shape[likeAxis] as number;
  const start = fromEnd ? (x.shape[axis] as number) - length : 0;
  return sliceOf(x, axis, start, start + length);
};

const padLike: Kernel = ({ attributes }, x, { shape }) => {
  const { axis, start } = attributes as Stretch;
  return [put(shape, axis, start, [x])];
};

const part: Kernel = ({ attributes }, x) => {
  const { index, count: parts } = attributes as { index: number; count: number };
  const at = (end: number) => Math.floor(((x.shape[0] as number) * end) / parts);
  return sliceOf(x, 0, at(index), at(index + 1));
};

function rowAt(index: number, n: number): number {
  if (!(index >= 0 && index < n)) throw new Error(`index ${index} of ${n}`);
  return index;
}

const gather: Kernel = (_, table, indices) => {
  const [n, ...rest] = table.shape as [number, ...number[]];
  const width = count(rest);
  const out = new Float64Array(indices.data.length * width);
  indices.data.forEach((index, i) => {
    const row = rowAt(index, n) * width;
    out.set(table.data.subarray(row, row + width), i * width);
  });
  return [{ data: out, shape: [...indices.shape, ...rest] }];
};

const scatterRows: Kernel = (_, updates, indices, { shape }) => {
  const [n, width] = shape as [number, number];
  const data = new Float64Array(count(shape));
  updates.data.forEach((value, i) => {
    const place = rowAt(indices.data[Math.floor(i / width)] as number, n) * width + (i % width);
    data[place] = (data[place] as number) + value;
  });
  return [{ data, shape }];
};

const gatherElements: Kernel = (_, x, { data, shape }) => {
  const [from, to] = [x.shape.at(-1) as number, shape.at(-1) as number];
  const found = (index: number, i: number) => x.data[Math.floor(i / to) * from + rowAt(index, from)] as number;
  return [{ data: data.map(found), shape }];
};

const tokenLogp: Kernel = (_, logits, { data, shape }) => {
  const vocabulary = logits.shape[1] as number;
  const table = rows(logits, vocabulary, (row) => {
    const normaliser = logSumExp(row);
    return row.map((x) => x - normaliser);
  });
  const logp = data.map((target, i) => table.data[i * vocabulary + rowAt(target, vocabulary)] as number);
  return [{ data: logp, shape }, table];
};

const tokenLogpGradient: Kernel = (_, dy, { data, shape }, targets) => {
  const vocabulary = shape[1] as number;
  const at = (logp: number, i: number) => {
    const row = Math.floor(i / vocabulary);
    const hit = targets.data[row] === i % vocabulary ? 1 : 0;
    return (dy.data[row] as number) * (hit - Math.exp(logp));
  };
  return [{ data: data.map(at), shape }];
};

const rmsNorm: Kernel = (given, x, weight) => {
  const epsilon = given.attributes['epsilon'] as number;
  const inverse = rows(x, 1, (row) => [1 / Math.sqrt(row.reduce((sum, v) => sum + v * v, 0) / row.length + epsilon)]);
  return [...product(given, x, inverse, weight), inverse];
};

const rope: Kernel = ({ attributes }, { data, shape }, positions, cos, sin) => {
  const width = shape[2] as number;
  const half = width / (attributes['heads'] as number) / 2;
  const out = new Float64Array(data.length);
  for (let start = 0; start < data.length; start += 2 * half) {
    const position = positions.data[Math.floor(start / width)] as number;
    const row = rowAt(position, cos.shape[0] as number) * half;
    for (let i = 0; i < half; i++) {
      const [c, s] = [cos.data[row + i] as number, sin.data[row + i] as number];
      const [first, second] = [data[start + i] as number, data[start + half + i] as number];
      out[start + i] = first * c - second * s;
      out[start + half + i] = second * c + first * s;
    }
  }
  return [{ data: out, shape }];
};

/** A kernel of a function of a row, as long as the row. */
const eachRow =
  (f: (row: Float64Array) => Float64Array): Kernel =>
  (_, x) => [rows(x, x.shape.at(-1) as number, f)];

/** Places of a row's elements, the largest first, equal ones in their order. */
const ranking = (row: Float64Array): number[] =>
  [...row.keys()].sort((a, b) => (row[b] as number) - (row[a] as number) || a - b);

const topK: Kernel = (given, x, count) => {
  const k = given.attributes['k'] === undefined ? (count.data[0] as number) : (given.attributes['k'] as number);
  const indices = rows(x, k, (row) => ranking(row).slice(0, k));
  return [...gatherElements(given, x, indices), indices];
};

const CASTS: Readonly<Record<string, (x: number) => number>> = {
  float32: (x) => x,
  int64: Math.trunc,
  bool: (x) => (x === 0 ? 0 : 1),
};

/** Every op of ops.ts, by name. */
export const KERNELS: Readonly<Record<string, Kernel>> = {
  neg: each((x) => -x),
  exp: each(Math.exp),
  log: each(Math.log),
  sqrt: each(Math.sqrt),
  sin: each(Math.sin),
  floor: each(Math.floor),
  tanh: each(Math.tanh),
  sigmoid: each((x) => 1 / (1 + Math.exp(-x))),
  softplus: each((x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),
  not: each((x) => 1 - x),
  add: each((a, b) => a + b),
  sub: each((a, b) => a - b),
  mul: product,
  div: each((a, b) => a / b),
  min: each(Math.min),
  max: each(Math.max),
  less: each((a, b) => Number(a < b)),
  greater: each((a, b) => Number(a > b)),
  equal: each((a, b) => Number(a === b)),
  and: product,
  or: each(Math.max),
  where: each((condition, a, b) => (condition ? a : b)),
  reduceSum: reduction(0, (sum, x) => sum + x),
  reduceMean: reduction(
    0,
    (sum, x) => sum + x,
    (sum, n) => sum / n,
  ),
  reduceMax: reduction(-Infinity, Math.max),
  reshapeLike: (_, { data }, { shape }) => [{ data, shape }],
  expandLike: (_, x, { shape }) => [{ data: pick(x.data, places(x.shape, shape)), shape }],
  cast: ({ attributes }, { data, shape }) => [
    { data: data.map(CASTS[attributes['to'] as string] as (x: number) => number), shape },
  ],
  matmul,
  quantisedMatmul,
  reshape,
  transpose,
  concat: ({ attributes }, ...parts) => joined(parts, attributes['axis'] as number),
  slice,
  padLike,
  sliceLike,
  part,
  join: (_, _like, ...parts) => joined(parts, 0),
  after: (_, x) => [x],
  gather,
  scatterRows,
  gatherElements,
  tokenLogp,
  tokenLogpGradient,
  rmsNorm,
  rope,
  softmax: eachRow((row) => {
    const normaliser = logSumExp(row);
    return row.map((x) => Math.exp(x - normaliser));
  }),
  cumSum: eachRow((row) => {
    let sum = 0;
    return row.map((x) => (sum += x));
  }),
  argMax: (_, x) => [rows(x, 1, (row) => ranking(row).slice(0, 1))],
  topK,
};
