// The settings of stage 1: which questions, and how paths are drawn and filtered.
import { z } from 'zod';
import { described, traceless } from '../described.ts';
import { MOST } from '../limits.ts';

/** How many distinct right and wrong paths a question should have. */
const Quota = z.strictObject({
  right: described(
    z.number().int().min(0).default(4),
    'Distinct right paths that each question should have. Raise it for more chosen paths a question.',
  ),
  wrong: described(
    z.number().int().min(0).default(4),
    'Distinct wrong paths that each question should have. Raise it for more rejected paths a question.',
  ),
  round: described(
    z.number().int().positive().default(4),
    'Samples that are drawn at a time until both are there. Raise it for fuller batches and some waste.',
  ),
  budget: described(
    z.number().int().positive().default(32),
    'Most samples of one question. Lower it where hard questions take most of the time.',
  ),
});

/** Stage 1: which questions, and how paths are drawn and filtered. */
export const SampleOptions = z.strictObject({
  questions: described(
    z.number().int().positive().nullable().default(null),
    'Questions of a round. null: all. The first lever for the time of a round.',
  ),
  rotate: described(
    z.boolean().default(false),
    'Each round takes the next questions instead of the same ones. Set it true where `questions` is less than all.',
  ),
  samples: described(
    z.number().int().positive().max(MOST.samples).default(8),
    'Paths that are drawn for each question. Raise it where few questions have a right and a wrong path.',
  ),
  temperature: described(
    z.number().positive().default(1),
    'Randomness of drawing. Raise it where paths repeat each other, lower it where nearly all are wrong.',
  ),
  topP: described(
    z.number().positive().max(1).default(1),
    'Nucleus sampling: the likeliest tokens that hold this much probability. 1: all. Lower it (0.95) against rare nonsense.',
  ),
  topK: described(
    z.number().int().min(0).default(0),
    'Only the k likeliest tokens. 0: all. Set it (50) against rare nonsense.',
  ),
  maxTokens: described(
    z.number().int().positive().max(MOST.tokens).nullable().default(null),
    "Longest path in tokens. null: the task's own limit. Lower it for time, raise it where many paths are truncated.",
  ),
  calculator: described(
    traceless(false),
    'Results of `<<3*4=` annotations are computed and written, not drawn. Set it true where paths have annotations and fail at their sums, and with it labels.calculator and evaluate.calculator.',
  ),
  quota: described(
    Quota.nullable().default(null),
    'After the first `samples`, draws more until each question has enough distinct right and wrong paths. null: off. Use it where some questions are much harder than others.',
  ),
  hint: described(
    z.boolean().optional(),
    'A question without a right path is asked again with its answer as a hint (STaR), as often as before. Training sees the question alone. Absent: false. Set it true where the policy is hardly ever right.',
  ),
  keepLogps: described(
    z.boolean().optional(),
    "Each sample keeps its tokens with their log-probabilities, for a person to look at (`sipf view`). Absent: false. Set it true to see where the policy was unsure; a sample's line becomes about twice as long.",
  ),
  gold: described(
    z.boolean().default(true),
    "Worked solutions count as samples too. Set it false to learn from the policy's own paths alone.",
  ),
  distinct: described(
    z.boolean().default(true),
    'Leaves out a path with the same equations (or nearly the same words, or program) as one before. Set it false to keep repetitions.',
  ),
  dropFalseEquations: described(
    z.boolean().default(false),
    'Leaves out a path that holds a false equation. Set it true where right answers with wrong sums should not be learnt.',
  ),
  gradeRetries: described(
    z.number().int().min(0).max(MOST.retries).default(2),
    'How often a path is graded again after an error of the grading itself. Raise it on a machine that is short of memory.',
  ),
  unit: described(
    z.number().int().positive().max(MOST.unit).default(16),
    'Questions that are drawn and saved together. Lower it to lose less work at a stop; raise it for full batches.',
  ),
});
export type SampleOptions = z.infer<typeof SampleOptions>;
