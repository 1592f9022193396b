// The evaluation section of the configuration. Leaves measuring to evaluate.ts.
import { z } from 'zod';

/** One question set to evaluate on. `name: null`: the run's own task; `data: null`: the run's own data for its own task, else the hub. */
export const EvaluationSet = z.strictObject({
  name: z.string().nullable().default(null),
  data: z.string().nullable().default(null),
  split: z.enum(['train', 'valid', 'test']).default('valid'),
  limit: z.number().int().positive().nullable().default(null),
});
export type EvaluationSet = z.infer<typeof EvaluationSet>;

export const EvaluateOptions = z.strictObject({
  /** Judged after every round. */
  sets: z.array(EvaluationSet).default([{ name: null, data: null, split: 'valid', limit: null }]),
  /** Judged once, after the last round, for the start and the last policy (and the control): the only place where test is read. */
  final: z.array(EvaluationSet).default([]),
  /** Train the warm-up policy on gold rows for as many optimizer tokens as the rounds spent, and judge it with `final`. */
  control: z.enum(['none', 'continued-sft']).default('none'),
  maxTokens: z.number().int().positive().nullable().default(null),
  /** Pairs whose mean log-probability is measured before and after each alignment. */
  logpPairs: z.number().int().min(0).default(64),
  gradeRetries: z.number().int().min(0).default(2),
  /** Questions of one unit of work. */
  unit: z.number().int().positive().default(64),
});
export type EvaluateOptions = z.infer<typeof EvaluateOptions>;
