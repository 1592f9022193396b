// A path with its rollouts and log-probability -> what ranks it without a model trained to.
import type { Sample, StepTally } from '../records.ts';
import { mean } from '../statistics/intervals.ts';
import type { LabelledPath } from './step-labels.ts';

/** What is known of a path when it is drawn. */
interface Drawn {
  readonly sample: Pick<Sample, 'sumLogp' | 'tokens' | 'forced'>;
}

/** What ranks paths without a model that was trained to: figures show each beside the scores. */
export const CHEAP_RANKS = {
  /**
   * Mean share of right rollouts, or probability of the answer, over the steps before the last, which is the outcome itself. An implied step
   * counts 1, one that a false equation settles 0, a path of one step a half.
   */
  tallies: ({ labels }: LabelledPath): number => {
    const before = (labels?.steps ?? []).slice(0, -1).map((tally, j) => readShare(tally, labels?.answerLogps?.[j + 1]));
    return before.length === 0 ? 0.5 : mean(before);
  },
  meanLogp: ({ sample }: Drawn): number =>
    sample.sumLogp === null ? 0 : sample.sumLogp / Math.max(1, sample.tokens - (sample.forced ?? 0)),
  shortness: ({ sample }: Drawn): number => -sample.tokens,
};

function readShare({ correct, run, impliedBy, settledBy }: StepTally, answerLogp: number | undefined): number {
  if (settledBy !== undefined) return 0;
  if (answerLogp !== undefined) return Math.exp(answerLogp);
  return impliedBy !== null ? 1 : run === 0 ? 0 : correct / run;
}
