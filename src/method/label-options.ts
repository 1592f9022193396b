// The section of the configuration that says how steps are labelled. Leaves rollouts to label-steps.ts.

import { z } from 'zod';
import { described } from '../described.ts';
import { MOST } from '../limits.ts';

export const LabelOptions = z.strictObject({
  K: described(
    z.number().int().positive().max(MOST.samples).default(8),
    'Rollouts of a step. Raise it for surer labels where right rollouts are rare; time grows with it.',
  ),
  delta: described(
    z.number().int().min(0).default(0),
    'A step is correct when more than this many of its rollouts are right. Raise it where lucky answers make wrong steps correct.',
  ),
  mode: described(
    z.enum(['auto', 'first-success', 'full']).default('auto'),
    'first-success: stops a step at its first right rollout; hard labels stay exact. full: all K rollouts, for soft labels and the tallies scorer. auto: what the configuration needs. Set full to keep complete tallies.',
  ),
  closure: described(
    z.enum(['monotone', 'none']).default('monotone'),
    'monotone: a step is correct if a later one is, which saves rollouts. none: each step by its own rollouts (the paper). Take none to repeat the paper.',
  ),
  ownWitness: described(
    z.boolean().default(false),
    "A right path's own success settles all its steps, without rollouts: an outcome label, and an approximation. Set it true only where rollouts cost too much.",
  ),
  paths: described(
    z.number().int().positive().nullable().default(null),
    'Paths that are labelled in a round, half right and half wrong where there are enough, pairs of one question first. null: all. The first lever for the time of labelling.',
  ),
  heldOut: described(
    z.number().min(0).max(1).default(0.1),
    'Share of questions whose labels never train a PRM: all figures of the PRM come from them. Raise it where a warning says that nothing tells how good the PRM is.',
  ),
  relabel: described(
    z.boolean().default(false),
    'Labels the paths of earlier rounds again with the current simulator. Set it true where the policy changes much from round to round; the cost grows each round.',
  ),
  temperature: described(
    z.number().positive().default(1),
    'Randomness of rollouts. Keep it near sampling.temperature, so that labels speak of the policy as it samples.',
  ),
  topP: described(
    z.number().positive().max(1).default(1),
    'Nucleus sampling of rollouts: the likeliest tokens that hold this much probability. 1: all. Keep it as sampling.topP.',
  ),
  topK: described(
    z.number().int().min(0).default(0),
    'Only the k likeliest tokens in rollouts. 0: all. Keep it as sampling.topK.',
  ),
  maxTokens: described(
    z.number().int().positive().max(MOST.tokens).nullable().default(null),
    "Longest rollout in tokens. null: the task's own limit. Lower it for time, to no less than a path needs.",
  ),
  gradeRetries: described(
    z.number().int().min(0).max(MOST.retries).default(2),
    'How often a rollout is judged again after the judge itself failed. Raise it on a machine that is short of memory.',
  ),
  unit: described(
    z.number().int().positive().max(MOST.unit).default(64),
    'Questions that are labelled and saved together. Lower it to lose less work at a stop; a small unit leaves batches half empty.',
  ),
  lookahead: described(
    z.number().int().positive().max(MOST.unit).default(32),
    'Rollouts to keep running: with fewer steps under scan, each asks for several at once. Labels and records stay the same. 1: never. Change it for speed only.',
  ),
});
export type LabelOptions = z.infer<typeof LabelOptions>;
