// Scores and what they should have been -> reliability bins and the expected calibration error.
import { sum } from './intervals.ts';

/** Points whose score is in one bin. */
interface ReliabilityBin {
  readonly from: number;
  readonly to: number;
  readonly n: number;
  /** Means of the bin's scores and of its targets; null where the bin is empty. */
  readonly score: number | null;
  readonly frequency: number | null;
}

/** How well scores agree with what they should have been. */
interface Reliability {
  /** Expected calibration error: mean over points of |score - frequency| of their bin. null without points. */
  readonly ece: number | null;
  readonly bins: readonly ReliabilityBin[];
}

/**
 * Reliability over equal-width bins of [0, 1]; the last bin includes 1. Targets may be soft.
 * @throws RangeError for a score that is NaN.
 */
export function reliability(points: readonly { score: number; target: number }[], bins = 10): Reliability {
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
