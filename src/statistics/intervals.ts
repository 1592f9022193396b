// Outcomes, scores and labels -> accuracies, differences and areas with their intervals. Leaves deciding what to compare to evaluate.ts.
import type { Random } from '../random.ts';

export type Interval = [number, number];

/** A figure with its 95 % interval; `n` is what the interval is over (questions, unless said otherwise). */
export interface Figure {
  value: number;
  ci95: Interval;
  n: number;
}

/** 97.5 % quantile of the standard normal distribution. */
const Z = 1.959963984540054;

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

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

export interface PairedDifference {
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

/** Two models on the same questions, `a[i]` and `b[i]` being right on question i. Throws RangeError where the lengths differ. */
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
    value: sum(strata.map((values) => sum(values) / values.length)) / strata.length,
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

export interface Scored {
  readonly score: number;
  readonly positive: boolean;
}

/** Pairs of a positive and a negative within the group, and in how many the positive scores higher (a tie counts half). */
function orderedPairs(group: readonly Scored[]): { wins: number; pairs: number } {
  const sorted = [...group].sort((a, b) => a.score - b.score);
  let [wins, below, negatives] = [0, 0, 0];
  for (let i = 0; i < sorted.length; ) {
    let [tiedPositive, tiedNegative] = [0, 0];
    const score = sorted[i]?.score;
    for (; sorted[i]?.score === score && i < sorted.length; i++) sorted[i]?.positive ? tiedPositive++ : tiedNegative++;
    wins += tiedPositive * (below + tiedNegative / 2);
    below += tiedNegative;
    negatives += tiedNegative;
  }
  return { wins, pairs: negatives * (sorted.length - negatives) };
}

/**
 * Area under the ROC curve over the pairs WITHIN each group (paths of one question), pooled, with a bootstrap over groups. Groups of one
 * kind have no pairs and do not count in `n`. null where no group, or only one, has a pair. Throws RangeError for a score that is NaN.
 */
export function withinGroupAuc(groups: readonly (readonly Scored[])[], options: BootstrapOptions): Figure | null {
  if (groups.some((group) => group.some(({ score }) => Number.isNaN(score)))) {
    throw new RangeError('Expected scores that are numbers, got NaN.');
  }
  const counted = groups.map(orderedPairs).filter(({ pairs }) => pairs > 0);
  const pooled = (chosen: readonly { wins: number; pairs: number }[]): number =>
    sum(chosen.map(({ wins }) => wins)) / sum(chosen.map(({ pairs }) => pairs));
  const ci95 = bootstrap(counted, pooled, options);
  return ci95 === null ? null : { value: pooled(counted), ci95, n: counted.length };
}

/** Share of steps whose score is on the label's side of `threshold` (a score at the threshold says correct); interval over groups. */
export function stepAccuracy(
  groups: readonly (readonly Scored[])[],
  { threshold = 0.5, ...options }: BootstrapOptions & { readonly threshold?: number },
): Figure | null {
  const counted = groups
    .filter((group) => group.length > 0)
    .map((group) => ({
      hits: group.filter(({ score, positive }) => score >= threshold === positive).length,
      steps: group.length,
    }));
  const pooled = (chosen: readonly { hits: number; steps: number }[]): number =>
    sum(chosen.map(({ hits }) => hits)) / sum(chosen.map(({ steps }) => steps));
  const ci95 = bootstrap(counted, pooled, options);
  return ci95 === null ? null : { value: pooled(counted), ci95, n: counted.length };
}

/** Index of the first score below `threshold`; -1: none. */
export function firstErrorAt(scores: readonly number[], threshold = 0.5): number {
  return scores.findIndex((score) => score < threshold);
}

export interface FirstError {
  /** Index of the first step said to be wrong; -1: none. */
  readonly predicted: number;
  readonly label: number;
}

export interface FirstErrorAccuracy {
  /** On paths with an error: the share where its very place was found. null: no such path. */
  wrong: { value: number; ci95: Interval; n: number } | null;
  /** On paths without: the share where none was claimed. */
  right: { value: number; ci95: Interval; n: number } | null;
  /** ProcessBench's F1: the harmonic mean of the two (Zheng et al. 2024). null where either kind of path is missing. */
  f1: number | null;
}

/** How well the first error is found, as ProcessBench counts it. Intervals are Wilson's, over paths. */
export function firstErrorAccuracy(paths: readonly FirstError[]): FirstErrorAccuracy {
  const share = (chosen: readonly FirstError[]): FirstErrorAccuracy['wrong'] => {
    const hits = chosen.filter(({ predicted, label }) => predicted === label).length;
    return chosen.length === 0
      ? null
      : { value: hits / chosen.length, ci95: wilson(hits, chosen.length), n: chosen.length };
  };
  const wrong = share(paths.filter(({ label }) => label >= 0));
  const right = share(paths.filter(({ label }) => label < 0));
  if (wrong === null || right === null) return { wrong, right, f1: null };
  const total = wrong.value + right.value;
  return { wrong, right, f1: total === 0 ? 0 : (2 * wrong.value * right.value) / total };
}

/** `firstErrorAccuracy`'s F1 with a bootstrap over questions: each group holds the paths of one. */
export function firstErrorF1(groups: readonly (readonly FirstError[])[], options: BootstrapOptions): Figure | null {
  const counted = groups.filter((group) => group.length > 0);
  const value = firstErrorAccuracy(counted.flat()).f1;
  const ci95 = bootstrap(counted, (chosen) => firstErrorAccuracy(chosen.flat()).f1, options);
  return value === null || ci95 === null ? null : { value, ci95, n: counted.length };
}

export interface CalibrationBin {
  readonly from: number;
  readonly to: number;
  readonly n: number;
  /** Means of the bin's scores and of its targets; null where the bin is empty. */
  readonly score: number | null;
  readonly frequency: number | null;
}

export interface Calibration {
  /** Expected calibration error: mean over points of |score - frequency| of their bin. null without points. */
  readonly ece: number | null;
  readonly bins: readonly CalibrationBin[];
}

/** Reliability over equal-width bins of [0, 1]; the last bin includes 1. Targets may be soft. */
export function calibration(points: readonly { score: number; target: number }[], bins = 10): Calibration {
  const cells = Array.from({ length: bins }, () => ({ n: 0, score: 0, target: 0 }));
  for (const { score, target } of points) {
    const cell = cells[Math.max(0, Math.min(bins - 1, Math.floor(score * bins)))];
    if (cell === undefined) throw new RangeError(`Expected a score in [0, 1], got ${score}.`);
    cell.n += 1;
    cell.score += score;
    cell.target += target;
  }
  const gap = sum(cells.map(({ score, target }) => Math.abs(score - target)));
  return {
    ece: points.length === 0 ? null : gap / points.length,
    bins: cells.map(({ n, score, target }, i) => ({
      from: i / bins,
      to: (i + 1) / bins,
      n,
      score: n === 0 ? null : score / n,
      frequency: n === 0 ? null : target / n,
    })),
  };
}
