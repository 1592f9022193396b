// How samples are drawn and what they are like -> how many a question takes on average.
import type { SampleOptions } from '../method/sample-options.ts';

/** Of one sample. */
interface Chances {
  readonly pRight: number;
  readonly distinctRight: number;
  readonly distinctWrong: number;
}

/**
 * Samples of a question: with a quota, rounds of draws until it has enough distinct right and wrong ones, or its budget is spent. Every sample has
 * the same chance to be a new right path, and the same to be a new wrong one.
 * @example
 * expectedSamples({ samples: 8, quota: null }, { pRight: 0.3, distinctRight: 1, distinctWrong: 1 }); // 8
 */
export function expectedSamples(
  { samples, quota }: Pick<SampleOptions, 'samples' | 'quota'>,
  chances: Chances,
): number {
  if (quota === null) return samples;
  const { right, wrong, round, budget } = quota;
  const newRight = chances.pRight * chances.distinctRight;
  const newWrong = (1 - chances.pRight) * chances.distinctWrong;
  let drawn = Math.min(samples, budget);
  let expected = drawn;
  while (drawn < budget) {
    const more = Math.min(round, budget - drawn);
    expected += more * (1 - bothReached(drawn, [newRight, right], [newWrong, wrong]));
    drawn += more;
  }
  return expected;
}

/** Chance that n draws, each of kind a or kind b or neither, hold at least so many of both kinds. */
function bothReached(
  n: number,
  [a, leastA]: readonly [number, number],
  [b, leastB]: readonly [number, number],
): number {
  let missed = 0;
  for (let i = 0; i < leastA; i += 1) missed += binomial(n, i, a);
  for (let i = leastA; i <= n; i += 1) {
    // Of the other draws, those of kind b.
    const among = a < 1 ? Math.min(1, b / (1 - a)) : 0;
    for (let j = 0; j < Math.min(leastB, n - i + 1); j += 1) missed += binomial(n, i, a) * binomial(n - i, j, among);
  }
  return Math.max(0, 1 - missed);
}

/** P(X = k) for X ~ Binomial(n, p). */
function binomial(n: number, k: number, p: number): number {
  if (k > n) return 0;
  if (p <= 0) return k === 0 ? 1 : 0;
  if (p >= 1) return k === n ? 1 : 0;
  let logarithm = k * Math.log(p) + (n - k) * Math.log1p(-p);
  for (let i = 1; i <= k; i += 1) logarithm += Math.log((n - k + i) / i);
  return Math.exp(logarithm);
}
