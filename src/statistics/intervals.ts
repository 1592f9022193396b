// Outcomes of questions -> proportions, differences and means with 95 % intervals.
import type { Random } from '../random.ts';

/** Lower and upper end. */
export type Interval = [number, number];

/** A figure with its 95 % interval; `n` is what the interval is over (questions, unless said otherwise). */
export interface Figure {
  value: number;
  ci95: Interval;
  n: number;
}

/** 97.5 % quantile of the standard normal distribution. */
const Z = 1.959963984540054;

/** 0 for an empty list. */
export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** NaN for an empty list. */
export const mean = (values: readonly number[]): number => sum(values) / values.length;

/** Wilson's 95 % score interval of a proportion (Wilson 1927). No observations: [0, 1]. */
export function wilson(correct: number, n: number): Interval {
  if (n === 0) return [0, 1];
  const p = correct / n;
  const scale = 1 + (Z * Z) / n;
  const centre = (p + (Z * Z) / (2 * n)) / scale;
  const half = (Z / scale) * Math.sqrt((p * (1 - p)) / n + (Z * Z) / (4 * n * n));
  return [correct === 0 ? 0 : Math.max(0, centre - half), correct === n ? 1 : Math.min(1, centre + half)];
}

/** P(X <= k) for X ~ Binomial(n, 1/2), summed in logarithms so that large n does not underflow. */
function binomialHalfTail(k: number, n: number): number {
  let logTerm = -n * Math.LN2;
  let total = Math.exp(logTerm);
  for (let i = 1; i <= k; i++) {
    logTerm += Math.log((n - i + 1) / i);
    total += Math.exp(logTerm);
  }
  return Math.min(1, total);
}

/** Two models on the same questions. */
interface PairedDifference {
  /** Accuracy of `a` minus accuracy of `b`. */
  difference: number;
  /** Agresti and Min 2005: Wald's interval after half an observation is added to each of the four cells. */
  ci95: Interval;
  /** Exact McNemar (two-sided sign test over the questions that differ). */
  pValue: number;
  onlyA: number;
  onlyB: number;
  n: number;
}

/**
 * The difference of two models on the same questions: `a[i]` and `b[i]` say who is right on question i.
 * @throws RangeError where the lengths differ.
 */
export function pairedDifference(a: readonly boolean[], b: readonly boolean[]): PairedDifference {
  if (a.length !== b.length)
    throw new RangeError(`Expected as many outcomes of both, got ${a.length} and ${b.length}.`);
  const n = a.length;
  const onlyA = a.filter((right, i) => right && !b[i]).length;
  const onlyB = b.filter((right, i) => right && !a[i]).length;
  const adjusted = (onlyA - onlyB) / (n + 2);
  const half = (Z * Math.sqrt(onlyA + onlyB + 1 - (onlyA - onlyB) ** 2 / (n + 2))) / (n + 2);
  return {
    difference: n === 0 ? 0 : (onlyA - onlyB) / n,
    ci95: [Math.max(-1, adjusted - half), Math.min(1, adjusted + half)],
    pValue: Math.min(1, 2 * binomialHalfTail(Math.min(onlyA, onlyB), onlyA + onlyB)),
    onlyA,
    onlyB,
    n,
  };
}

/** Where resamples come from, and how many (default 1,000). */
export interface BootstrapOptions {
  readonly random: Random;
  readonly resamples?: number;
}

/**
 * Percentile bootstrap over groups (questions): 95 % interval of `statistic`. Resamples where the statistic is null are left out;
 * null where fewer than two groups are there or most resamples gave none.
 */
export function bootstrap<T>(
  groups: readonly T[],
  statistic: (resampled: readonly T[]) => number | null,
  { random, resamples = 1000 }: BootstrapOptions,
): Interval | null {
  if (groups.length < 2) return null;
  const values: number[] = [];
  for (let round = 0; round < resamples; round++) {
    const value = statistic(groups.map(() => random.pick(groups)));
    if (value !== null) values.push(value);
  }
  if (values.length < resamples / 2) return null;
  values.sort((a, b) => a - b);
  return [quantile(values, 0.025), quantile(values, 0.975)];
}

/**
 * Mean over strata (seeds) of each stratum's mean, with a percentile bootstrap that resamples values (questions) within their stratum.
 * Covers what other questions would give, not what other strata would. null where a stratum has fewer than two values.
 */
export function stratifiedMean(
  strata: readonly (readonly number[])[],
  { random, resamples = 1000 }: BootstrapOptions,
): Figure | null {
  if (strata.length === 0 || strata.some(({ length }) => length < 2)) return null;
  const cells = strata.map((values) => Float64Array.from(values));
  const means: number[] = [];
  for (let round = 0; round < resamples; round++) {
    let total = 0;
    for (const cell of cells) {
      let inner = 0;
      for (let i = 0; i < cell.length; i++) inner += cell[Math.floor(random.next() * cell.length)] ?? 0;
      total += inner / cell.length;
    }
    means.push(total / cells.length);
  }
  means.sort((a, b) => a - b);
  return {
    value: mean(strata.map(mean)),
    ci95: [quantile(means, 0.025), quantile(means, 0.975)],
    n: sum(strata.map(({ length }) => length)),
  };
}

/** Linear between order statistics. `sorted` is not empty. */
function quantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share;
  const [low, high] = [sorted[Math.floor(at)] ?? 0, sorted[Math.ceil(at)] ?? 0];
  return low + (high - low) * (at - Math.floor(at));
}
