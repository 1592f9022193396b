// The settings of stage 2: how many rollouts a step gets, and how they become labels.
import { z } from 'zod';
import { described, traceless } from '../described.ts';
import { MOST } from '../limits.ts';

/** Stage 2: how steps are labelled. */
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
    z.enum(['auto', 'first-success', 'full', 'gold-likelihood', 'verify']).default('auto'),
    "first-success: stops a step at its first right rollout; hard labels stay exact. full: all K rollouts, for soft labels and the tallies scorer. gold-likelihood: no rollouts; how probable the right answer is after each step, for a small part of their time. verify: only the step with the largest drop of the last round's PRM scores, and the one before it (SAPO). auto: what the configuration needs. Set full to keep complete tallies, verify or gold-likelihood where rollouts cost too much.",
  ),
  keepRollouts: described(
    z.boolean().optional(),
    'Rollouts are kept as paths, which later stages score, pair and train on (SAPO). Absent: false. Set it true for more paths without more draws.',
  ),
  closure: described(
    z.enum(['monotone', 'none']).default('monotone'),
    'monotone: a step is correct if a later one is, which saves rollouts. none: each step by its own rollouts (the paper). Take none to repeat the paper.',
  ),
  ownWitness: described(
    z.boolean().default(false),
    "A right path's own success settles all its steps, without rollouts: an outcome label, and an approximation. Set it true only where rollouts cost too much.",
  ),
  exactChecks: described(
    z.boolean().default(false),
    'A false equation settles its step and all later ones as wrong, without rollouts. Set it true where steps hold equations: it saves time, and no lucky rollout makes such a step correct.',
  ),
  paths: described(
    z.number().int().positive().nullable().default(null),
    'Paths that are labelled in a round, half right and half wrong where there are enough, pairs of one question first. null: all. The first lever for the time of labelling.',
  ),
  heldOut: described(
    z.number().min(0).max(1).default(0.1),
    'Share of questions whose labels never train a PRM or a probe: all figures of scores come from them. Raise it where a warning says that nothing tells how good the scores are.',
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
  calculator: described(
    traceless(false),
    'Results of `<<3*4=` annotations in rollouts are computed and written, not drawn. Keep it as sampling.calculator.',
  ),
  gradeRetries: described(
    z.number().int().min(0).max(MOST.retries).default(2),
    'How often a rollout is graded again after an error of the grading itself. Raise it on a machine that is short of memory.',
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
