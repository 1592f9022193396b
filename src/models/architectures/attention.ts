// Hidden states and how a layer attends -> attention over this pass and the cached tokens.
import {
  add,
  cast,
  concat,
  less,
  matmul,
  mul,
  reshape,
  rope,
  slice,
  sliceLike,
  softmax,
  sub,
  tanh,
  transpose,
  where,
} from '../../engine/build.ts';
import { type Dim, product } from '../../engine/dims.ts';
import type { Tensor } from '../../engine/graph.ts';
import type { PassTensors } from '../pass-inputs.ts';
import type { Norm } from './layers.ts';
import type { Parameters } from './parameters.ts';

/** Added to the score of what a query may not see: its softmax is exactly 0, and that of a row that sees nothing is no NaN. */
export const HIDDEN = -1e9;

/** Keys and values of one layer, `[batch, kvHeads, tokens, headDim]`, keys already rotated. */
export interface KeyValue {
  readonly keys: Tensor;
  readonly values: Tensor;
}

/** float32 `[positions, headDim / 2]` each. */
export interface RopeTable {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/** What attention sees besides its input. */
export interface LayerPass {
  readonly positions: Tensor;
  readonly ropes: readonly RopeTable[];
  /** Of the layer's window: `[batch, 1, groups·seq, past + seq]`, 0 where a query may look, HIDDEN elsewhere. */
  readonly bias: Tensor;
  readonly past: KeyValue | undefined;
  /** Told this pass's keys and values. */
  keep(own: KeyValue): void;
}

export interface Heads {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

export const PROJECTIONS = ['q_proj', 'k_proj', 'v_proj', 'o_proj'] as const;
export type Projection = (typeof PROJECTIONS)[number];

/** A norm of each head by itself, or of all heads together. */
export interface QkNorm {
  readonly norm: Norm;
  readonly over: 'head' | 'projection';
}

/** How a layer attends. */
export interface AttentionOptions extends Heads {
  /** What products of queries and keys are multiplied with; default: 1 / sqrt(headDim). */
  readonly scale?: number | undefined;
  /** A score s becomes softcap · tanh(s / softcap). */
  readonly softcap?: number | undefined;
  /** Tokens that a query sees, itself included; absent: all before it. */
  readonly window?: number | undefined;
  /**
   * Which of DecoderConfig.ropes turns queries and keys; null: none does; default: the first. A narrow table turns the first part of each head.
   */
  readonly rope?: number | null | undefined;
  /** Norms of queries (`q_norm`) and keys (`k_norm`) before they are turned. */
  readonly qkNorm?: QkNorm | undefined;
  /** Projections that must have a bias; others have one where the weights do. */
  readonly biased?: readonly Projection[] | undefined;
  /** Modules of projections, below that of the attention, where they have other names. */
  readonly names?: Partial<Record<Projection, string>> | undefined;
}

/** Grouped-query self-attention with rotary positions; the query heads of a group are rows of one product. */
export function attend(weights: Parameters, x: Tensor, options: AttentionOptions, pass: LayerPass): Tensor {
  const { heads, kvHeads, headDim, biased = [], names = {} } = options;
  const project = (states: Tensor, name: Projection, width: number) =>
    weights.linear(states, names[name] ?? name, width, biased.includes(name));
  const turned = (name: 'q' | 'k', count: number) => {
    const states = project(x, `${name}_proj`, count * headDim);
    return turn(normed(weights, states, `${name}_norm`, options), options, pass, count);
  };
  const queries = groupQueries(turned('q', heads), options);
  const keys = splitHeads(turned('k', kvHeads), options);
  const own = { keys, values: splitHeads(project(x, 'v_proj', kvHeads * headDim), options) };
  pass.keep(own);
  const mixed = ungroup(mix(queries, own, options, pass), options, pass.positions);
  return project(mixed, 'o_proj', Number(x.shape.at(-1)));
}

/** `[batch, seq, heads·headDim]` through the norm MODULE, where there is one. */
function normed(weights: Parameters, x: Tensor, module: string, { qkNorm, headDim }: AttentionOptions): Tensor {
  if (!qkNorm) return x;
  const norm = (states: Tensor) => qkNorm.norm(weights, states, module);
  return qkNorm.over === 'projection' ? norm(x) : perHead(x, Number(x.shape.at(-1)) / headDim, headDim, norm);
}

/** Rotary positions, for the first dimensions of each head: as many as the table has. */
function turn(
  x: Tensor,
  { headDim, rope: table = 0 }: AttentionOptions,
  { positions, ropes }: LayerPass,
  heads: number,
): Tensor {
  if (table === null) return x;
  const { cos, sin } = ropes[table] as RopeTable;
  const rotated = 2 * Number(cos.shape[1]);
  if (rotated === headDim) return rope(x, positions, cos, sin, heads);
  return perHead(x, heads, headDim, (apart) => {
    const first = slice(apart, -1, 0, rotated);
    const rows = reshape(first, [...positions.shape, heads * rotated]);
    const after = reshape(rope(rows, positions, cos, sin, heads), first.shape);
    return concat([after, slice(apart, -1, rotated, headDim)], -1);
  });
}

/**
 * The bias of layers with `window`, `[batch, 1, groups·seq, past + seq]`. Which tokens are near follows from the fed positions, so what feeds a
 * pass knows of no window.
 */
export function biasFor({ heads, kvHeads }: Heads, inputs: PassTensors, window: number | undefined): Tensor {
  const bias = window === undefined ? inputs.bias : windowed(inputs, window);
  const groups = heads / kvHeads;
  return groups === 1 ? bias : concat(Array<Tensor>(groups).fill(bias), 2);
}

function windowed({ bias, positions, cached }: PassTensors, window: number): Tensor {
  const [batch, seq] = positions.shape as [Dim, Dim];
  const queries = cast(reshape(positions, [batch, 1, seq, 1]), 'float32');
  const own = cast(reshape(positions, [batch, 1, 1, seq]), 'float32');
  const keys = cached ? concat([inEachRow(cached.positions, queries), own], -1) : own;
  return where(less(sub(queries, keys), window), bias, bias.graph.scalar(HIDDEN));
}

/** `[1, 1, 1, past]` -> `[batch, 1, 1, past]`, as many rows as `like [batch, 1, seq, 1]` has. */
const inEachRow = (positions: Tensor, like: Tensor): Tensor => add(positions, mul(slice(like, 2, 0, 1), 0));

/** cap · tanh(x / cap); x where there is no cap. */
export const softcapped = (x: Tensor, cap: number | undefined): Tensor =>
  cap === undefined ? x : mul(tanh(mul(x, 1 / cap)), cap);

function mix(queries: Tensor, own: KeyValue, options: AttentionOptions, { past, bias }: LayerPass): Tensor {
  const { scale = options.headDim ** -0.5 } = options;
  const capped = (scores: Tensor) => softcapped(scores, options.softcap);
  if (past && own.keys.shape[2] === 1) return mixOne(mul(queries, scale), own, past, bias, capped);
  const scores = (q: Tensor, k: Tensor) => capped(matmul(q, k, { transB: true, alpha: scale }));
  const present = scores(queries, own.keys);
  if (!past) return matmul(softmax(add(present, bias)), own.values);
  const weights = softmax(add(concat([scores(queries, past.keys), present], -1), bias));
  const fromPast = matmul(sliceLike(weights, past.keys, -1, 2, 'start'), past.values);
  const fromOwn = matmul(sliceLike(weights, own.keys, -1, 2, 'end'), own.values);
  return add(fromPast, fromOwn);
}

/**
 * mix() for one token a row, as decode steps have it. The cache is read by products of a single row, which stream it: those of a few rows
 * would first copy it into the kernel's layout.
 */
function mixOne(
  scaled: Tensor,
  own: KeyValue,
  past: KeyValue,
  bias: Tensor,
  capped: (scores: Tensor) => Tensor,
): Tensor {
  const earlier = capped(eachRow(scaled, past.keys, true));
  const present = capped(matmul(scaled, own.keys, { transB: true }));
  const weights = softmax(add(concat([earlier, present], -1), bias));
  const fromPast = eachRow(sliceLike(weights, past.keys, -1, 2, 'start'), past.values, false);
  return add(fromPast, mul(sliceLike(weights, own.keys, -1, 2, 'end'), own.values));
}

/** `[batch, kvHeads, rows, m]` times each head's `[batch, kvHeads, ...]`, row by row. */
function eachRow(x: Tensor, cache: Tensor, transB: boolean): Tensor {
  const [batch, kvHeads, rows, width] = x.shape as [Dim, Dim, Dim, Dim];
  const [, , past, headDim] = cache.shape as [Dim, Dim, Dim, Dim];
  const apart = matmul(
    reshape(x, [batch, kvHeads, rows, 1, width]),
    reshape(cache, [batch, kvHeads, 1, past, headDim]),
    { transB },
  );
  return reshape(apart, [batch, kvHeads, rows, transB ? past : headDim]);
}

/** `body` over `[batch, seq, heads, headDim]`, and back to `[batch, seq, heads·headDim]`. */
function perHead(x: Tensor, heads: number, headDim: number, body: (apart: Tensor) => Tensor): Tensor {
  const [batch, seq] = x.shape as [Dim, Dim];
  return reshape(body(reshape(x, [batch, seq, heads, headDim])), x.shape);
}

/** `[batch, seq, kvHeads·headDim]` -> `[batch, kvHeads, seq, headDim]`. */
function splitHeads(x: Tensor, { kvHeads, headDim }: Heads): Tensor {
  const [batch, seq] = x.shape as [string, string];
  return transpose(reshape(x, [batch, seq, kvHeads, headDim]), [0, 2, 1, 3]);
}

/** `[batch, seq, heads·headDim]` -> `[batch, kvHeads, groups·seq, headDim]`. */
function groupQueries(x: Tensor, { heads, kvHeads, headDim }: Heads): Tensor {
  const [batch, seq] = x.shape as [string, string];
  const groups = heads / kvHeads;
  const apart = transpose(reshape(x, [batch, seq, kvHeads, groups, headDim]), [0, 2, 3, 1, 4]);
  return reshape(apart, [batch, kvHeads, product(groups, seq), headDim]);
}

/** Inverse of groupQueries. */
function ungroup(x: Tensor, { heads, kvHeads, headDim }: Heads, positions: Tensor): Tensor {
  const [batch, seq] = positions.shape as [string, string];
  const apart = reshape(x, [batch, kvHeads, heads / kvHeads, seq, headDim]);
  return reshape(transpose(apart, [0, 3, 1, 2, 4]), [batch, seq, heads * headDim]);
}
