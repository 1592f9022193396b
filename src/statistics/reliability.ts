// Scores and what they should have been -> reliability bins and the expected calibration error.
import type { ScoreFigures } from '../reports.ts';
import { sum } from './intervals.ts';

const BINS = 10;

/**
 * Reliability over equal-width bins of [0, 1]; the last bin includes 1. Targets may be soft. `ece`, the expected calibration error: mean over
 * points of |score - frequency| of their bin.
 * @throws RangeError for a score that is NaN.
 */
export function reliability(points: readonly { score: number; target: number }[]): ScoreFigures['calibration'] {
  const cells = Array.from({ length: BINS }, () => ({ n: 0, score: 0, target: 0 }));
  for (const { score, target } of points) {
    const cell = cells[Math.max(0, Math.min(BINS - 1, Math.floor(score * BINS)))];
    if (cell === undefined) throw new RangeError(`Expected a score in [0, 1], got ${score}.`);
    cell.n += 1;
    cell.score += score;
    cell.target += target;
  }
  const gap = sum(cells.map(({ score, target }) => Math.abs(score - target)));
  return {
    ece: points.length === 0 ? null : gap / points.length,
    bins: cells.map(({ n, score, target }, i) => ({
      from: i / BINS,
      to: (i + 1) / BINS,
      n,
      score: n === 0 ? null : score / n,
      frequency: n === 0 ? null : target / n,
    })),
  };
}
