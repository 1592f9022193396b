// Outcomes of questions -> proportions, differences and means with 95 % intervals.
import type { Random } from '../random.ts';
import type { Figure, Interval, PairedDifference } from '../reports.ts';

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

/**
 * The difference of two models on the same questions: `a[i]` and `b[i]` say who is right on question i. The interval is Wald's after half an
 * observation is added to each of the four cells (Agresti and Min 2005); p is of the exact McNemar test, two-sided.
 * @throws RangeError where the lengths differ.
 */
export function pairedDifference(a: readonly boolean[], b: readonly boolean[]): PairedDifference {
  if (a.length !== b.length)
    throw new RangeError(`Expected as many outcomes of both, got ${a.length} and ${b.length}.`);
  const n = a.length;
  const better = a.filter((right, i) => right && !b[i]).length;
  const worse = b.filter((right, i) => right && !a[i]).length;
  const adjusted = (better - worse) / (n + 2);
  const half = (Z * Math.sqrt(better + worse + 1 - (better - worse) ** 2 / (n + 2))) / (n + 2);
  return {
    difference: n === 0 ? 0 : (better - worse) / n,
    ci95: [Math.max(-1, adjusted - half), Math.min(1, adjusted + half)],
    pValue: Math.min(1, 2 * binomialHalfTail(Math.min(better, worse), better + worse)),
    n,
    better,
    worse,
  };
}

/** Where resamples come from, and how many (default 1,000). */
export interface BootstrapOptions {
  readonly random: Random;
  readonly resamples?: number;
}

/**
 * A statistic of groups (questions) with its 95 % interval: a percentile bootstrap over them. Resamples where the statistic is null are left
 * out. null: the statistic is, or fewer than two groups are there, or most resamples gave none.
 */
export function bootstrap<T>(
  groups: readonly T[],
  statistic: (resampled: readonly T[]) => number | null,
  { random, resamples = 1000 }: BootstrapOptions,
): Figure | null {
  const value = statistic(groups);
  if (value === null || groups.length < 2) return null;
  const values: number[] = [];
  for (let round = 0; round < resamples; round++) {
    const resampled = statistic(groups.map(() => random.pick(groups)));
    if (resampled !== null) values.push(resampled);
  }
  return values.length < resamples / 2 ? null : { value, ci95: middle95(values), n: groups.length };
}

/** What a group adds to a share of all: right steps of its steps, say. */
export interface Part {
  readonly part: number;
  readonly whole: number;
}

/** The share over all groups together, as `bootstrap` gives it; groups that add nothing do not count. */
export function pooledShare(groups: readonly Part[], { random, resamples = 1000 }: BootstrapOptions): Figure | null {
  const counted = groups.filter(({ whole }) => whole > 0);
  if (counted.length < 2) return null;
  // A resample is added up as it is drawn: `bootstrap` would make a list of it.
  const resampled = (): number => {
    let [part, whole] = [0, 0];
    for (let n = 0; n < counted.length; n += 1) {
      const drawn = random.pick(counted);
      part += drawn.part;
      whole += drawn.whole;
    }
    return part / whole;
  };
  const value = sum(counted.map(({ part }) => part)) / sum(counted.map(({ whole }) => whole));
  return { value, ci95: middle95(Array.from({ length: resamples }, resampled)), n: counted.length };
}

/** The 2.5 % and 97.5 % quantiles of values in any order, not none. */
export function middle95(values: readonly number[]): Interval {
  const sorted = [...values].sort((a, b) => a - b);
  return [quantile(sorted, 0.025), quantile(sorted, 0.975)];
}

/** Linear between order statistics. `sorted` is not empty. */
function quantile(sorted: readonly number[], share: number): number {
  const at = (sorted.length - 1) * share;
  const [low, high] = [sorted[Math.floor(at)] ?? 0, sorted[Math.ceil(at)] ?? 0];
  return low + (high - low) * (at - Math.floor(at));
}
