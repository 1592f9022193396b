// Labels of a question's paths -> targets of a PRM that trusts fewer of them.
import { z } from 'zod';
import { described } from '../described.ts';
import type { Sample, StepLabels } from '../records.ts';
import { questionValue } from './path-score.ts';
import { hardLabels, type LabelRule, softLabels } from './step-labels.ts';

/** Which labels the PRM trusts (after SCAN, arXiv 2509.16548). */
export const DenoiseOptions = z.strictObject({
  minRight: described(
    z.number().min(0).max(1).default(0.1),
    'Questions of which a smaller share of samples is right are left out: their rollouts say next to nothing. Raise it where most steps of such questions are labelled wrong.',
  ),
  distance: described(
    z.number().int().min(0).default(1),
    'Steps so near to the first wrong label learn their share of right rollouts instead of 0 or 1: rollouts often find the first error too late. 0: that step alone. Raise it for long paths.',
  ),
});
export type DenoiseOptions = z.infer<typeof DenoiseOptions>;

/** True where the value of a question is too low; a question without one is not hopeless. */
export function isHopeless(samples: readonly Sample[], { minRight }: DenoiseOptions): boolean {
  const value = questionValue(samples);
  return value !== null && value < minRight;
}

/**
 * Targets of one path. A right path is correct throughout: rollouts tell of wrong paths alone. A step that a false equation settles has 0.
 * A wrong path has the labels that `targets` says, and soft ones near its first wrong step.
 * @throws SipfError 'bad-input' where tallies are incomplete near the first wrong step.
 */
export function denoisedTargets(
  record: StepLabels,
  {
    rule,
    targets,
    distance,
  }: { readonly rule: LabelRule; readonly targets: 'hard' | 'soft' } & Pick<DenoiseOptions, 'distance'>,
): number[] {
  const hard = hardLabels(record, { ...rule, ownWitness: true }).map(Number);
  if (record.outcomeRight) return hard;
  const soft = softLabels(record);
  const first = hard.indexOf(0);
  return hard.map((label, j) => (targets === 'soft' || Math.abs(j - first) <= distance ? soft[j]! : label));
}
