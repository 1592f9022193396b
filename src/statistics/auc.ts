// Scores of good and bad paths, by question -> the within-question area under the ROC curve.
import type { Figure } from '../reports.ts';
import { type BootstrapOptions, type Part, pooledShare } from './intervals.ts';

/** A score, and whether what it was given to is good. */
export interface Scored {
  readonly score: number;
  readonly positive: boolean;
}

/** Pairs of a positive and a negative within the group, and in how many the positive scores higher (a tie counts half). */
function orderedPairs(group: readonly Scored[]): Part {
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
  return { part: wins, whole: negatives * (sorted.length - negatives) };
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
  return pooledShare(groups.map(orderedPairs), options);
}
