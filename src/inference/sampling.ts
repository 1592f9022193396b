// Logits and one uniform a row -> the chosen token and its log-probability, in the graph.
import {
  add,
  and,
  argMax,
  cast,
  concat,
  cumSum,
  div,
  equal,
  gatherElements,
  greater,
  less,
  matmul,
  max,
  min,
  mul,
  neg,
  not,
  or,
  reduceMax,
  reduceSum,
  reshape,
  slice,
  softmax,
  sub,
  tokenLogp,
  topK,
  topKOf,
  where,
} from '../engine/build.ts';
import type { Tensor } from '../engine/graph.ts';
import { likeliestTokens } from './likeliest.ts';

/** What a sampler must be able to do besides temperature; each costs time in every step. */
export interface SamplerFeatures {
  /** top-k and top-p: sorts the likeliest tokens, and the whole vocabulary where these do not settle a row. */
  readonly truncate: boolean;
  /** Rows that must not end. */
  readonly suppress: boolean;
  /** The likeliest tokens of each row. */
  readonly likeliest: boolean;
}

/** int64 `tokens [batch]`, `logps [batch]` under the raw logits, and where they are asked for what `likeliestTokens` gives. */
type SampledTokens = Readonly<Record<'tokens' | 'logps', Tensor>> & Partial<ReturnType<typeof likeliestTokens>>;

const LARGE = 1e30;
/** The largest float32 below 1: a bound that stays below the sum it multiplies. */
const BELOW_ONE = 1 - 2 ** -23;

/**
 * Draws one token a row from `logits [batch, vocab]`. Declares the inputs, all float32 `[batch, 1]`: `temperature` (0: the best token), `uniform`
 * in [0, 1), with `truncate` also `topK` (at least vocab: off) and `topP` (above 1: off), with `suppress` also `suppress` (1: `endIds` are excluded).
 * The distribution is the softmax at the temperature, cut to the top-k, cut to the smallest set of mass top-p of what is left; equals at a cut are all kept.
 */
export function sampleTokens(logits: Tensor, endIds: readonly number[], features: SamplerFeatures): SampledTokens {
  const { graph } = logits;
  const rowInput = (name: string) => graph.input(name, 'float32', ['batch', 1]);
  const [temperature, uniform] = [rowInput('temperature'), rowInput('uniform')];
  const allowed = features.suppress ? exclude(logits, endIds, rowInput('suppress')) : logits;
  const random = greater(temperature, 0);
  const scaled = div(allowed, where(random, temperature, graph.scalar(1)));
  let weights = softmax(scaled);
  if (features.truncate) {
    const threshold = cutAt(scaled, weights, rowInput('topK'), rowInput('topP'));
    weights = where(not(less(scaled, threshold)), weights, graph.scalar(0));
  }
  const drawn = categorical(weights, uniform);
  const best = argMax(allowed);
  const tokens = reshape(where(random, drawn, best), ['batch']);
  const logps = tokenLogp(logits, tokens);
  return { tokens, logps, ...(features.likeliest ? likeliestTokens(logits, tokens, logps) : {}) };
}

/** The columns of `endIds`, lowered in rows to suppress, between those of the other tokens: no constant is as wide as a vocabulary. */
function exclude(logits: Tensor, endIds: readonly number[], suppress: Tensor): Tensor {
  const vocab = Number(logits.shape[1]);
  const ids = [...new Set(endIds)].filter((id) => id < vocab).sort((a, b) => a - b);
  const penalty = mul(suppress, -LARGE);
  const columns = (from: number, to: number) => (from < to ? [slice(logits, 1, from, to)] : []);
  const pieces = ids.flatMap((id, n) => [
    ...columns((ids[n - 1] ?? -1) + 1, id),
    ...columns(id, id + 1).map((column) => add(column, penalty)),
  ]);
  return ids.length === 0 ? logits : concat([...pieces, ...columns((ids.at(-1) as number) + 1, vocab)], 1);
}

/** Tokens that are sorted at first. */
const LIKELIEST = 1024;

/**
 * The smallest value of each row that is kept, `[batch, 1]`. Sorting the likeliest tokens settles all rows but those whose k or top-p goes
 * beyond them. The whole vocabulary is sorted only where there is such a row: many times the work.
 */
function cutAt(scaled: Tensor, weights: Tensor, k: Tensor, p: Tensor): Tensor {
  const { graph } = scaled;
  const vocab = Number(scaled.shape[1]);
  const everything: Cuts = { k, p, weights, whole: reduceSum(weights, { axes: [1], keepDims: true }) };
  const allK = not(less(k, vocab));
  const off = and(allK, greater(p, 1));
  const first = cutSorted(topK(scaled, Math.min(LIKELIEST, vocab)), everything);
  if (vocab <= LIKELIEST) return where(off, graph.scalar(-LARGE), first.threshold);
  const enough = and(allK, not(less(first.mass, mul(p, everything.whole))));
  const settled = or(or(off, enough), not(greater(k, LIKELIEST)));
  const open = reduceMax(cast(not(settled), 'float32'));
  const count = reshape(cast(add(mul(open, vocab - 1), 1), 'int64'), [1]);
  const all = cutSorted(topKOf(scaled, count, 'sorted'), everything);
  return where(off, graph.scalar(-LARGE), where(settled, first.threshold, all.threshold));
}

interface Cuts {
  readonly k: Tensor;
  readonly p: Tensor;
  /** Of all tokens, `[batch, vocab]`, and their sum. */
  readonly weights: Tensor;
  readonly whole: Tensor;
}

/** The smallest value that is kept of values in descending order, where they are enough to tell, and the mass of those within the top-k. */
function cutSorted(
  { values, indices }: { values: Tensor; indices: Tensor },
  { k, p, weights, whole }: Cuts,
): { threshold: Tensor; mass: Tensor } {
  const { graph } = values;
  const rank = sub(cumSum(cast(equal(values, values), 'float32')), 1);
  const inTopK = less(rank, k);
  const sorted = where(inTopK, gatherElements(weights, indices), graph.scalar(0));
  const mass = reduceSum(sorted, { axes: [1], keepDims: true });
  const total = where(less(k, Number(weights.shape[1])), mass, whole);
  const above = sub(cumSum(sorted), sorted);
  const inTopP = or(less(above, mul(p, total)), less(rank, 1));
  const kept = and(inTopK, inTopP);
  const threshold = neg(reduceMax(where(kept, neg(values), graph.scalar(-LARGE)), { axes: [1], keepDims: true }));
  return { threshold, mass };
}

/**
 * Index drawn with probability proportional to `weights [batch, n]`: the first whose cumulative sum exceeds uniform · total. In two levels, sums of
 * blocks first, so that no sum runs over the whole vocabulary. A weight of 0 is never drawn.
 */
function categorical(weights: Tensor, uniform: Tensor): Tensor {
  const { graph } = weights;
  const { size, blocks } = blocksOf(Number(weights.shape[1]));
  const table = reshape(padTo(weights, size * blocks), ['batch', blocks, size]);
  const sums = reduceSum(table, { axes: [2] });
  const cumulative = cumSum(sums);
  const target = mul(lastColumn(cumulative), uniform);
  const block = firstAbove(cumulative, target);
  const isBlock = cast(equal(graph.integers([...Array(blocks).keys()], [1, blocks]), block), 'float32');
  const row = reshape(matmul(reshape(isBlock, ['batch', 1, blocks]), table), ['batch', size]);
  const before = gatherElements(sub(cumulative, sums), block);
  const inside = firstAbove(cumSum(row), max(sub(target, before), 0));
  return add(mul(block, graph.integers([size], [1])), inside);
}

/** Index of the first element above `bound [batch, 1]` in rows that rise; a bound that rounding put at a row's end stays below it. */
function firstAbove(rising: Tensor, bound: Tensor): Tensor {
  return argMax(cast(greater(rising, min(bound, mul(lastColumn(rising), BELOW_ONE))), 'float32'));
}

function lastColumn(x: Tensor): Tensor {
  const width = Number(x.shape[1]);
  return slice(x, 1, width - 1, width);
}

/** `[batch, n]` with zeros behind, `[batch, width]`. */
function padTo(weights: Tensor, width: number): Tensor {
  const missing = width - Number(weights.shape[1]);
  return missing === 0 ? weights : concat([weights, mul(slice(weights, 1, 0, missing), 0)], 1);
}

/** Blocks of about the square root of n; exact divisors where there is one near, else the last block is padded. */
export function blocksOf(n: number): { size: number; blocks: number } {
  const root = Math.ceil(Math.sqrt(n));
  for (let size = root; size <= 4 * root; size++) if (n % size === 0) return { size, blocks: n / size };
  return { size: root, blocks: Math.ceil(n / root) };
}
