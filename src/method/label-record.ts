// A labelled path and the tallies of its steps -> the record of its labels.
import type { Sample, StepLabels, StepTally } from '../records.ts';

/** A step that a false equation, in it or before it, settles as wrong. */
export const SETTLED: StepTally = {
  correct: 0,
  run: 0,
  stop: 'full',
  impliedBy: null,
  settledBy: 'false-equation',
};

/** A path under labelling. */
export interface CheckedPath {
  readonly sample: Sample;
  /** By step: a false equation is in it or before it; empty: nothing was checked. */
  readonly spoiled: readonly boolean[];
}

/** `tallies` are those of all steps but the last, which the path's own outcome labels. */
export function labelRecord(
  { sample, spoiled }: CheckedPath,
  tallies: readonly StepTally[],
  { simulator, K, rolloutTokens }: Pick<StepLabels, 'simulator' | 'K' | 'rolloutTokens'>,
): StepLabels {
  const { id: sampleId, questionId, iteration, outcome } = sample;
  const outcomeRight = outcome.kind === 'right';
  const ended: StepTally = { correct: outcomeRight ? 1 : 0, run: 0, stop: 'full', impliedBy: null };
  const last = spoiled.at(-1) ? SETTLED : ended;
  return { sampleId, questionId, iteration, simulator, K, steps: [...tallies, last], outcomeRight, rolloutTokens };
}
