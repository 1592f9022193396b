// Paths with labels by hand -> how often scores, tallies and exact checks say the same of a step.
import { wilson } from '../../statistics/intervals.ts';
import type { PathView, ScoresReply } from '../api.ts';

type Judge = (path: PathView, step: number) => boolean | null;

/** What a step's label by hand is compared with: whether it calls the step correct; null: it says nothing. */
const JUDGES: Readonly<Record<string, Judge>> = {
  scores: ({ scores }, step) => {
    const score = scores?.scores?.[step];
    return score === undefined ? null : score >= 0.5;
  },
  // The last step's label is the outcome, which no rollout has told.
  tallies: ({ sample, hardLabels }, step) => (step === sample.steps.length - 1 ? null : (hardLabels?.[step] ?? null)),
  'exact checks': ({ truth }, step) => truth[step] ?? null,
};

/** Over the steps that a person called good or bad; `n` counts them, and intervals are Wilson's. */
export function humanAgreement(paths: readonly PathView[]): ScoresReply['human'] {
  return Object.entries(JUDGES).map(([name, judge]) => {
    const same = paths.flatMap((path) =>
      path.human.flatMap((given, step) => {
        const judged = judge(path, step);
        const isSaid = given?.label === 'good' || given?.label === 'bad';
        return isSaid && judged !== null ? [judged === (given.label === 'good')] : [];
      }),
    );
    const [agreed, n] = [same.filter(Boolean).length, same.length];
    return { with: name, agreement: n === 0 ? null : { value: agreed / n, ci95: wilson(agreed, n), n } };
  });
}
