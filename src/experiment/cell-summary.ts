// What one run of an experiment says, small enough to keep under version control.
import { z } from 'zod';
import { Counts, EvalReport, ScoreFigures } from '../reports.ts';

const CellRound = z.object({
  iteration: z.number().int(),
  /** Accuracy on the first of evaluate.sets (valid); null without one. */
  valid: z.number().nullable(),
  optimizerTokens: z.number(),
  prmTokens: z.number(),
  cost: EvalReport.shape.cost,
  pairs: Counts.nullable(),
  figures: ScoreFigures.nullable(),
  warnings: z.array(z.string()),
  /** Of its stages, evaluation apart, those included that were copied from another run; null where a stage's time is not known. */
  seconds: z.number().nullable(),
});
export type CellRound = z.infer<typeof CellRound>;

/** One character a question. */
const Marks = z.string().regex(/^[01-]*$/, 'a character 0, 1 or - for each question');

/** The last policy's answers to one set of evaluate.final: 1 yes, 0 no, - not graded. */
const SetOutcomes = z.object({
  task: z.string(),
  split: z.string(),
  /** Hash of the question ids in order. */
  questions: z.string(),
  right: Marks,
  /** Right and without a false step; null: no step of the set can be checked. */
  sound: Marks.nullable(),
});
export type SetOutcomes = z.infer<typeof SetOutcomes>;

/** The table of an experiment is made of these alone. */
export const CellSummary = z.object({
  seed: z.number().int(),
  variant: z.string().nullable(),
  method: z.string(),
  column: z.enum(['tokens', 'flops']),
  /** Hash of what the grid said of the run. */
  settings: z.string(),
  /** The name of what it runs: `method` may be a name of the grid's own. */
  runs: z.string(),
  scorer: z.string(),
  parameters: z.number(),
  lora: z.boolean(),
  /** Checkpoint hashes of the warm-up and of the last policy. */
  policies: z.object({ start: z.string(), last: z.string() }),
  sets: z.array(SetOutcomes),
  rounds: z.array(CellRound),
  total: z.object({ optimizerTokens: z.number(), flops: z.number(), seconds: z.number().nullable() }),
});
export type CellSummary = z.infer<typeof CellSummary>;
