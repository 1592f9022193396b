// The evaluation section of the configuration. Leaves measuring to evaluate.ts.

import { z } from 'zod';
import { described } from '../described.ts';
import { MOST } from '../limits.ts';

/** One question set to evaluate on. */
export const EvaluationSet = z.strictObject({
  name: described(z.string().nullable().default(null), "A task. null: the run's own."),
  data: described(
    z.string().nullable().default(null),
    "Its file or folder. null: the run's own data for its own task, else the hub.",
  ),
  split: described(z.enum(['train', 'valid', 'test']).default('valid'), 'Which of its questions.'),
  limit: described(
    z.number().int().positive().max(MOST.questions).nullable().default(null),
    'The first n of them. null: all.',
  ),
});
export type EvaluationSet = z.infer<typeof EvaluationSet>;

export const EvaluateOptions = z.strictObject({
  sets: described(
    z.array(EvaluationSet).default([{ name: null, data: null, split: 'valid', limit: null }]),
    'Question sets that every round is judged on, as JSON. Give a limit for shorter rounds; a few hundred questions show changes of five points or more.',
  ),
  final: described(
    z.array(EvaluationSet).default([]),
    'Question sets for the start, the last policy and the control, once, after the last round: the only place where test is read. Name one before you report a result.',
  ),
  control: described(
    z.enum(['none', 'continued-sft']).default('none'),
    'continued-sft: the warm-up policy is trained on worked solutions for as many optimizer tokens as the rounds spent, and judged with `final`. Use it to see what process feedback adds.',
  ),
  maxTokens: described(
    z.number().int().positive().max(MOST.tokens).nullable().default(null),
    "Longest answer in tokens. null: the task's own limit. Lower it for time, raise it where many answers are truncated.",
  ),
  logpPairs: described(
    z.number().int().min(0).default(64),
    'Pairs of each round whose log-probability is measured before and after alignment. 0: none. Raise it for closer figures.',
  ),
  gradeRetries: described(
    z.number().int().min(0).max(MOST.retries).default(2),
    'How often an answer is judged again after the judge itself failed. Raise it on a machine that is short of memory.',
  ),
  unit: described(
    z.number().int().positive().max(MOST.unit).default(64),
    'Questions that are answered and saved together. Lower it to lose less work at a stop; raise it for full batches.',
  ),
});
export type EvaluateOptions = z.infer<typeof EvaluateOptions>;
