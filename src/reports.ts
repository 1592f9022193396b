// What a trained model cost, and what a round and a run report, as schemas.
import { z } from 'zod';
import { Checkpoint } from './records.ts';

/** What a stage counted, by name. */
export const Counts = z.record(z.string(), z.number());
export type Counts = Readonly<Record<string, number>>;

/** A trained model with what its training spent. */
export const Trained = z.object({
  checkpoint: Checkpoint,
  steps: z.number().int(),
  trainTokens: z.number(),
  examples: z.number().int(),
  /** Examples longer than maxLength. */
  dropped: z.number().int(),
  counts: Counts,
});
export type Trained = z.infer<typeof Trained>;

/** Lower and upper end. */
const Interval = z.tuple([z.number(), z.number()]);
export type Interval = z.infer<typeof Interval>;

/** A figure with its 95 % interval; `n` is what the interval is over (questions, unless said otherwise). */
const Figure = z.object({ value: z.number(), ci95: Interval, n: z.number().int() });
export type Figure = z.infer<typeof Figure>;

/** A figure, or null where there was too little to compute it. */
export const Estimate = Figure.nullable();
export type Estimate = z.infer<typeof Estimate>;

const Aucs = z.object({ scores: Estimate, tallies: Estimate, meanLogp: Estimate, shortness: Estimate });

/** Figures on labelled paths of questions that never trained a PRM; intervals are over questions. */
export const ScoreFigures = z.object({
  questions: z.number().int(),
  paths: z.number().int(),
  steps: z.number().int(),
  /** Model tokens that the labels of a path rest on, on average. Absent in reports of earlier versions. */
  labelTokens: z.number().nullable().optional(),
  /** Step accuracy at threshold 0.5 against hard labels, and what always saying the commoner label gives. */
  stepAccuracy: Estimate,
  majority: z.number().nullable(),
  /** The first step below 0.5 is the first wrong label (or neither is there); f1: harmonic mean over paths with and without an error (ProcessBench). */
  firstErrorAccuracy: Estimate,
  firstErrorF1: Estimate,
  /** Within a question: P(score of a right path > score of a wrong one), ties a half, pooled over its pairs. Tallies without the last step, which is the outcome itself. */
  aucOutcome: Aucs,
  /** The same for "every step is true", and accuracies against true steps, where the task knows them. */
  aucTrue: Aucs.nullable(),
  trueSteps: z.object({ scores: Estimate, labels: Estimate }).nullable(),
  /** Ten bins of step scores: how many, their mean, and the share labelled correct. */
  calibration: z.object({
    ece: z.number().nullable(),
    bins: z.array(
      z.object({
        from: z.number(),
        to: z.number(),
        n: z.number().int(),
        score: z.number().nullable(),
        frequency: z.number().nullable(),
      }),
    ),
  }),
});
export type ScoreFigures = z.infer<typeof ScoreFigures>;

/** Two policies on the same questions. */
const PairedDifference = z.object({
  /** Accuracy of the first minus that of the second. */
  difference: z.number(),
  ci95: Interval,
  /** Exact McNemar. */
  pValue: z.number(),
  n: z.number().int(),
  /** Questions won and lost. */
  better: z.number().int(),
  worse: z.number().int(),
});
export type PairedDifference = z.infer<typeof PairedDifference>;

/**
 * Accuracy and sound answers on a set, and the paired differences to an earlier policy's answers to the same questions. Errors are no
 * answers: they leave n.
 */
export const SetReport = z.object({
  task: z.string(),
  split: z.string(),
  n: z.number().int(),
  correct: z.number().int(),
  accuracy: z.number(),
  ci95: Interval,
  truncated: z.number().int(),
  errors: z.number().int(),
  paired: PairedDifference.nullable(),
  /** Of all answers: those that are right and have no false step. null: no step can be checked, or the file is older. */
  sound: Estimate.default(null),
  pairedSound: PairedDifference.nullable().default(null),
  /** Of the right answers with a step that can be checked (n): those with a false step. */
  falseAmongRight: Estimate.default(null),
});
export type SetReport = z.infer<typeof SetReport>;

/**
 * Answers chosen among N samples of each question. Rules: `greedy` (the answer at temperature 0), `random` (a sample by chance: the mean of
 * all), `majority` (the commonest answer), a scorer's name (the sample with the best score), `any` (one sample at least is right: pass@N).
 * Intervals are Wilson's, of differences Agresti and Min's; of `random` they are bootstraps over questions.
 */
export const BestOfReport = z.object({
  task: z.string(),
  split: z.string(),
  /** Those with a graded greedy answer and N graded samples. */
  questions: z.number().int(),
  samples: z.number().int(),
  rules: z.array(
    z.object({
      rule: z.string(),
      accuracy: Estimate,
      /** Right and without a false step; null: no step can be checked. */
      sound: Estimate,
      /** Differences in accuracy on the same questions; null of the rule itself, and where there is no vote. */
      againstGreedy: Estimate,
      againstMajority: Estimate,
    }),
  ),
});
export type BestOfReport = z.infer<typeof BestOfReport>;

/** Mean log-probability of chosen and rejected completions under the policies before and after an alignment. */
export const PairLogps = z.object({
  n: z.number().int(),
  chosen: z.object({ before: z.number(), after: z.number() }),
  rejected: z.object({ before: z.number(), after: z.number() }),
});
export type PairLogps = z.infer<typeof PairLogps>;

/** What 7-eval.json holds. */
export const EvalReport = z.object({
  iteration: z.number().int(),
  policy: z.string(),
  sets: z.array(SetReport),
  /** Of this round's scorer; null without labels and scores. */
  scores: ScoreFigures.nullable(),
  /** The same for each task of a mixture. */
  scoresByTask: z.record(z.string(), ScoreFigures).optional(),
  pairs: Counts.nullable(),
  logps: PairLogps.nullable(),
  /** Counts of this round's stages, by stage. */
  counts: z.record(z.string(), Counts),
  cost: z.object({
    promptTokens: z.number(),
    generatedTokens: z.number(),
    scoredTokens: z.number(),
    trainTokens: z.number(),
    flops: z.number(),
  }),
  warnings: z.array(z.string()),
});
export type EvalReport = z.infer<typeof EvalReport>;

/** What final/eval.json holds: one row a policy, each paired with the start. */
export const FinalReport = z.object({
  rows: z.array(
    z.object({
      name: z.enum(['start', 'last', 'continued-sft']),
      policy: z.string(),
      /** Optimizer tokens spent after the warm-up, and all model FLOPs after it. */
      optimizerTokens: z.number(),
      flops: z.number(),
      sets: z.array(SetReport),
      /** Of the last policy: its paired differences to the control on each set. Absent without a control, and in older files. */
      againstControl: z.array(SetReport.pick({ task: true, split: true, paired: true, pairedSound: true })).optional(),
      /** With evaluate.samples: of each set. */
      bestOf: z.array(BestOfReport).optional(),
    }),
  ),
  /** What the figures must be read with: few questions, or some that were trained on. */
  warnings: z.array(z.string()).default([]),
});
export type FinalReport = z.infer<typeof FinalReport>;
