// Values of several strata (seeds) -> their mean with its 95 % interval.
import type { Figure } from '#sipf/reports.js';
import { type BootstrapOptions, mean, middle95, sum } from '#sipf/statistics/intervals.js';

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
  return { value: mean(strata.map(mean)), ci95: middle95(means), n: sum(strata.map(({ length }) => length)) };
}
