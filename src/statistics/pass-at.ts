// How many of each question's samples are right -> pass@k with its interval.
import { createRandom } from '../random.ts';
import type { Outcome } from '../records.ts';
import type { Figure } from '../reports.ts';
import { bootstrap, mean } from './intervals.ts';

/**
 * Unbiased estimate of the chance that at least one of k samples is right, from n samples of which `correct` are (Chen et al. 2021, eq. 1):
 * 1 - C(n - correct, k) / C(n, k), as a product, which neither over- nor underflows.
 * @throws RangeError unless 1 <= k <= n and 0 <= correct <= n.
 * @example
 * passAt(20, 5, 1); // 0.25
 */
export function passAt(n: number, correct: number, k: number): number {
  const whole = [n, correct, k].every(Number.isInteger);
  if (!whole || k < 1 || k > n || correct < 0 || correct > n) {
    throw new RangeError(`Expected 1 <= k <= n and 0 <= correct <= n, got k ${k}, n ${n}, correct ${correct}.`);
  }
  if (n - correct < k) return 1;
  let allWrong = 1;
  for (let i = n - correct + 1; i <= n; i++) allWrong *= 1 - k / i;
  return 1 - allWrong;
}

/** The tries of each question, in order of appearance. */
export function triesOf(samples: Iterable<{ readonly questionId: string; readonly outcome: Outcome }>): Tries[] {
  const tries = new Map<string, { n: number; correct: number }>();
  for (const { questionId, outcome } of samples) {
    const own = tries.get(questionId) ?? { n: 0, correct: 0 };
    tries.set(questionId, own);
    if (outcome.kind === 'error') continue;
    own.n += 1;
    if (outcome.kind === 'right') own.correct += 1;
  }
  return [...tries.values()];
}

/** One question's samples. Those with an error are in neither number. */
export interface Tries {
  readonly n: number;
  readonly correct: number;
}

/**
 * Mean pass@k over questions with a percentile bootstrap over them. Questions with fewer than k graded samples are left out. null: fewer than two.
 * @example
 * passAtFigure([{ n: 20, correct: 5 }, { n: 20, correct: 0 }], 10);
 */
export function passAtFigure(questions: readonly Tries[], k: number): Figure | null {
  const values = questions.filter(({ n }) => n >= k).map(({ n, correct }) => passAt(n, correct, k));
  return bootstrap(values, mean, { random: createRandom(`pass@${k}`) });
}
