// Counts by question -> a figure with its 95 % interval over questions. Leaves tests of single proportions to statistics.ts.
import type { Estimate } from '../records.ts';

const Z95 = 1.959963984540054;

/**
 * Sum of numerators over sum of denominators, one pair a question, with the cluster-robust (linearised) standard error of a ratio:
 * sqrt(G/(G-1) sum (num - value den)^2) / sum den. Null without a denominator. One question alone gives the whole range.
 */
export function ratioEstimate(groups: readonly (readonly [number, number])[]): Estimate {
  const used = groups.filter(([, den]) => den > 0);
  const total = used.reduce((sum, [, den]) => sum + den, 0);
  if (total === 0) return null;
  const value = used.reduce((sum, [num]) => sum + num, 0) / total;
  if (used.length < 2) return { value, ci95: [0, 1], n: used.length };
  const squares = used.reduce((sum, [num, den]) => sum + (num - value * den) ** 2, 0);
  const half = (Z95 * Math.sqrt((squares * used.length) / (used.length - 1))) / total;
  return { value, ci95: [Math.max(0, value - half), Math.min(1, value + half)], n: used.length };
}

/** Wilson's 95 % interval of a proportion. [0, 1] for n = 0. */
export function wilsonInterval(correct: number, n: number): [number, number] {
  if (n === 0) return [0, 1];
  const p = correct / n;
  const z2 = Z95 ** 2;
  const centre = (p + z2 / (2 * n)) / (1 + z2 / n);
  const half = (Z95 / (1 + z2 / n)) * Math.sqrt((p * (1 - p)) / n + z2 / (4 * n * n));
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}

export interface PairedDifference {
  /** Mean of (after - before) over the questions both answered. */
  readonly difference: number;
  readonly ci95: [number, number];
  readonly n: number;
  /** Questions won and lost. */
  readonly better: number;
  readonly worse: number;
}

/** Difference of two accuracies on the same questions, by the paired normal approximation. Null without a common question. */
export function pairedDifference(before: ReadonlyMap<string, boolean>, after: ReadonlyMap<string, boolean>): PairedDifference | null {
  let [n, better, worse] = [0, 0, 0];
  for (const [id, now] of after) {
    const then = before.get(id);
    if (then === undefined) continue;
    n += 1;
    if (now && !then) better += 1;
    if (then && !now) worse += 1;
  }
  if (n === 0) return null;
  const difference = (better - worse) / n;
  const variance = n < 2 ? 1 : ((better + worse) / n - difference ** 2) * (n / (n - 1));
  const half = Z95 * Math.sqrt(variance / n);
  return { difference, ci95: [difference - half, difference + half], n, better, worse };
}
