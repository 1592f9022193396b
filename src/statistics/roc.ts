// Scores of good and bad paths, by question -> the ROC within questions, whose area is their AUC.
import type { Scored } from './auc.ts';
import { sum } from './intervals.ts';

/** Shares of the bad and of the good that a threshold lets pass. */
export type RocPoint = readonly [falsePositive: number, truePositive: number];

/**
 * The mean of the groups' own ROC curves at each false-positive rate, each weighed by its pairs of a good and a bad member: the area under
 * it is that of `withinGroupAuc`. A tie is a slope. Groups of one kind have no curve; empty: no group has one.
 */
export function withinGroupRoc(groups: readonly (readonly Scored[])[]): RocPoint[] {
  const curves = groups.map(curveOf).filter(({ pairs }) => pairs > 0);
  if (curves.length === 0) return [];
  const rates = [...new Set(curves.flatMap(({ points }) => points.map(([rate]) => rate)))].sort((a, b) => a - b);
  const weight = sum(curves.map(({ pairs }) => pairs));
  const at = (rate: number, end: 'low' | 'high') =>
    sum(curves.map(({ pairs, points }) => pairs * heightAt(points, rate)[end])) / weight;
  return rates.flatMap((rate): RocPoint[] => {
    const [low, high] = [at(rate, 'low'), at(rate, 'high')];
    return low === high
      ? [[rate, low]]
      : [
          [rate, low],
          [rate, high],
        ];
  });
}

interface Curve {
  readonly pairs: number;
  readonly points: readonly RocPoint[];
}

/** The corners of one group's curve, from (0, 0) to (1, 1). */
function curveOf(group: readonly Scored[]): Curve {
  const sorted = [...group].sort((a, b) => b.score - a.score);
  const good = group.filter(({ positive }) => positive).length;
  const bad = group.length - good;
  const points: RocPoint[] = [[0, 0]];
  let [passedBad, passedGood] = [0, 0];
  for (const [n, { score, positive }] of sorted.entries()) {
    if (positive) passedGood += 1;
    else passedBad += 1;
    if (sorted[n + 1]?.score !== score) points.push([passedBad / bad, passedGood / good]);
  }
  return { pairs: good * bad, points };
}

/** Least and largest height at a rate: a curve rises straight up where only good members pass. */
function heightAt(points: readonly RocPoint[], rate: number): { readonly low: number; readonly high: number } {
  const next = points.findIndex(([own]) => own >= rate);
  const [nextRate, low] = points[next]!;
  if (nextRate === rate) {
    const [, high] = points.findLast(([own]) => own === rate)!;
    return { low, high };
  }
  const [fromRate, from] = points[next - 1]!;
  const height = from + ((low - from) * (rate - fromRate)) / (nextRate - fromRate);
  return { low: height, high: height };
}
