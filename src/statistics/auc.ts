// Scores of good and bad paths, by question -> the within-question area under the ROC curve.
import { type BootstrapOptions, bootstrap, type Figure, sum } from './intervals.ts';

/** A score, and whether what it was given to is good. */
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
 * kind have no pairs and do not count in `n`. null where no group, or only one, has a pair.
 * @throws RangeError for a score that is NaN.
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
