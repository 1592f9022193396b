// Results of one prefix's rollouts -> its tally, and how many of them it rests on.
import type { StepTally } from '../records.ts';
import type { LabelOptions } from './label-options.ts';

/** By rollout index: right, wrong, null for an infrastructure error, undefined while it runs. */
export type RolloutResults = readonly (boolean | null | undefined)[];

/** A prefix's results so far, taken one after another. */
export interface Scan {
  readonly state: 'done' | 'failed' | 'open';
  /** Results looked at, in the order of their indices: those that asking for one at a time would have asked for so far. */
  readonly used: number;
  readonly tally: StepTally;
}

/**
 * Takes results one after another until a step is settled (more than delta right, or K), there are too many errors, or one is still running.
 * With `delta: K` the tally is complete.
 */
export function scan(results: RolloutResults, { K, delta }: Pick<LabelOptions, 'K' | 'delta'>): Scan {
  let [correct, run, used] = [0, 0, 0];
  const after = (state: Scan['state']): Scan => {
    const stop = run < K ? 'first-success' : 'full';
    return { state, used, tally: { correct, run, stop, impliedBy: null } };
  };
  for (const result of results) {
    if (result === undefined) break;
    used += 1;
    if (result !== null) run += 1;
    if (result === true) correct += 1;
    if (correct > delta || run >= K) return after('done');
    if (used - run > K) return after('failed');
  }
  return after('open');
}
