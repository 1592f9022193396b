// The records that flow between stages: one JSON line each, raw facts only.
import { z } from 'zod';

/** A Hugging Face folder, a .gguf file, a hub id or an s3:// address, with an optional PEFT adapter folder or its address. */
export interface ModelSource {
  readonly model: string;
  readonly adapter?: string | undefined;
}

/** What decides about a program, in place of an answer. */
export const CodeTests = z.object({
  /** Python that runs before the program: imports, helpers. Empty: none. */
  setup: z.string(),
  /** Python statements (an assert, or a check function with its call), each run apart after the program. */
  cases: z.array(z.string()).min(1),
  /** The function that they use, where known. */
  entryPoint: z.string().nullable(),
  /** What else they use of the program, as the reference solution shows: a program without it is wrong. */
  names: z.array(z.string()).optional(),
});
export type CodeTests = z.infer<typeof CodeTests>;

/**
 * One question with a checkable answer. `solution`: the worked solution's steps, where there is one. Code questions have `tests` and an
 * empty `answer`. `choices`: the options of a multiple-choice question, which its text shows, too; `answer` is then one of them. `prefix`: code that the answer continues (HumanEval); the prompt ends with it.
 */
export const Question = z.object({
  id: z.string(),
  task: z.string(),
  question: z.string(),
  answer: z.string(),
  solution: z.array(z.string()).optional(),
  tests: CodeTests.optional(),
  prefix: z.string().optional(),
  choices: z.array(z.string()).min(2).optional(),
});
export type Question = z.infer<typeof Question>;

/** Why an answer is wrong: the first four of any answer, the others of a program that was run. `timeout` depends on the machine. */
const WRONG_REASONS = [
  'other-answer',
  'no-answer',
  'truncated',
  'false-equation',
  'assertion',
  'exception',
  'timeout',
  'memory',
  'syntax',
  'exit',
] as const;

/** What checking a completion gave. `error` is never a label: infrastructure, or the tests' own `fault`, which no retry changes. `detail`: what a program said, cut short. */
export const Outcome = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('right') }),
  z.object({ kind: z.literal('wrong'), reason: z.enum(WRONG_REASONS), detail: z.string().optional() }),
  z.object({ kind: z.literal('error'), reason: z.string(), fault: z.literal('tests').optional() }),
]);
export type Outcome = z.infer<typeof Outcome>;

/**
 * The tokens of a drawn text: how many characters (UTF-16) each has, and its raw log-probability to three places; null: a calculator wrote it.
 * `text`: what they make up; absent: the steps, joined by line feeds, or without where that has their length.
 */
const DrawnTokens = z.object({
  lengths: z.array(z.number().int()),
  logps: z.array(z.number().nullable()),
  text: z.string().optional(),
});

/** One full reasoning path. `id` is unique in a run: questionId/iteration/index, questionId/gold, or of a rollout sampleId/iteration.step.index. */
export const Sample = z.object({
  id: z.string(),
  questionId: z.string(),
  /** rollout: kept by labels.keepRollouts, a continuation of another path. */
  source: z.enum(['policy', 'gold', 'rollout']),
  iteration: z.number().int(),
  index: z.number().int(),
  /** Checkpoint hash of the policy that wrote it; null for gold and for the user's own samples. */
  policy: z.string().nullable(),
  /** The last step holds the answer line. */
  steps: z.array(z.string()).min(1),
  finishReason: z.enum(['stop', 'length']),
  /** Completion tokens, and how many of them a calculator wrote (absent: none). */
  tokens: z.number().int(),
  forced: z.number().int().optional(),
  /** Sum of raw-model log-probabilities over the drawn tokens (temperature 1), null where unknown. */
  sumLogp: z.number().nullable(),
  extracted: z.string().nullable(),
  outcome: Outcome,
  /** The prompt told the answer (sampling.hint). Absent: it did not. */
  hinted: z.literal(true).optional(),
  /** sampling.keepLogps. Absent: not kept. */
  drawn: DrawnTokens.optional(),
});
export type Sample = z.infer<typeof Sample>;

/**
 * One step's rollouts. `run` of K planned rollouts were run and `correct` of them reached the answer.
 * `stop: first-success`: the scan stopped early, so correct/run is no estimate of a probability.
 * `impliedBy`: index of a later step whose success settles this one (run is then 0).
 * `settledBy`: this step or one before it has a false equation (`labels.exactChecks`): it is wrong (run is then 0).
 */
export const StepTally = z.object({
  correct: z.number().int(),
  run: z.number().int(),
  stop: z.enum(['full', 'first-success']),
  impliedBy: z.number().int().nullable(),
  /** labels.mode verify: whether the step is correct, from the steps that were rolled out (run is then 0). Absent: it has rollouts, or is implied. */
  assumed: z.boolean().optional(),
  settledBy: z.literal('false-equation').optional(),
});
export type StepTally = z.infer<typeof StepTally>;

/** What labels the steps of one path: rollouts, or the likelihood of the answer; the last step's tally is the outcome itself (run 0 or gold: see `impliedBy`). */
export const StepLabels = z.object({
  sampleId: z.string(),
  questionId: z.string(),
  iteration: z.number().int(),
  simulator: z.string(),
  K: z.number().int(),
  steps: z.array(StepTally),
  /** The path's own outcome: the last step's label. */
  outcomeRight: z.boolean(),
  /** Model tokens that these labels rest on, of rollouts or of texts that were read; a prefix's count once, for the first path that they settle a step of. */
  rolloutTokens: z.number().int(),
  /** labels.keepRollouts: the paths of these rollouts. Absent: not kept. */
  rollouts: z.array(Sample).optional(),
  /** `labels.mode: gold-likelihood`: mean log-probability of the right answer's tokens after the first 0, 1, ... steps, the last step left out. */
  answerLogps: z.array(z.number()).optional(),
});
export type StepLabels = z.infer<typeof StepLabels>;

/** P(step j correct) of every step; `scores: null`: the path is too long for the scoring model's context. The path score (mean, min, product, last) is derived. */
export const StepScores = z.object({
  sampleId: z.string(),
  questionId: z.string(),
  scorer: z.enum(['prm', 'prm-logprob', 'probe', 'tallies', 'logprob', 'equations', 'likelihood', 'oracle', 'outcome']),
  /** Checkpoint hash of the PRM; null for the scorers without one. */
  prm: z.string().nullable(),
  scores: z.array(z.number()).nullable(),
});
export type StepScores = z.infer<typeof StepScores>;

/** A path in a pair. */
const PairSide = z.object({
  sampleId: z.string(),
  steps: z.array(z.string()),
  score: z.number().nullable(),
  /** As in its sample. */
  forced: z.number().int().optional(),
});

/**
 * One training row of a preference loss: a pair, or a chosen path alone (`rejected: null`, NLL only). Carries its texts, so that it stands
 * alone. `shared`: both paths begin with so many equal steps, which are context; the loss is on what follows. Absent: on whole paths.
 */
export const PreferencePair = z
  .object({
    questionId: z.string(),
    /** The question's task, text and prefix: what its prompt is made of. */
    task: z.string().optional(),
    question: z.string(),
    prefix: z.string().optional(),
    shared: z.number().int().min(0).optional(),
    chosen: PairSide,
    rejected: PairSide.nullable(),
  })
  .superRefine(({ shared = 0, chosen, rejected }, { addIssue }) => {
    const most = rejected === null ? 0 : stepsBeforeFork(chosen.steps, rejected.steps);
    const message = `at most ${most} (equal steps before each path continues in its own way)`;
    if (shared > most) addIssue({ code: 'custom', path: ['shared'], message });
  });
export type PreferencePair = z.infer<typeof PreferencePair>;

/** Equal first steps of two paths, of which each has one more. */
function stepsBeforeFork(a: readonly string[], b: readonly string[]): number {
  const most = Math.min(a.length, b.length) - 1;
  const other = a.slice(0, most).findIndex((step, j) => step !== b[j]);
  return Math.max(0, other === -1 ? most : other);
}

/** Mean log-probability of a text's drawn tokens under the policies before and after an alignment. */
const Shift = z.object({ before: z.number(), after: z.number() });

/** How a pair's log-probabilities moved in the round's alignment. `row`: its place in 5-pairs.jsonl, from 0. */
export const PairShift = z.object({ row: z.number().int(), chosen: Shift, rejected: Shift });
export type PairShift = z.infer<typeof PairShift>;

/** One completion with its grade: the greedy one, or a sample for pass@k. Carries its question, so that it stands alone. */
export const Answer = z.object({
  task: z.string(),
  split: z.string(),
  questionId: z.string(),
  question: z.string(),
  reference: z.string(),
  completion: z.string(),
  extracted: z.string().nullable(),
  outcome: Outcome,
  finishReason: z.enum(['stop', 'length']),
  tokens: z.number().int(),
  /** Tokens of these that a calculator wrote; absent: none. */
  forced: z.number().int().optional(),
  /** Which of several samples of one question; absent: the greedy answer. */
  sample: z.number().int().optional(),
  /** As of a sample; absent in older files. */
  sumLogp: z.number().nullable().optional(),
  /** Of each step: true, false, or null where nothing can be checked. Absent: no grade, or an older file. */
  truth: z.array(z.boolean().nullable()).optional(),
});
export type Answer = z.infer<typeof Answer>;

/** A model on disk. `hash` covers the weights (and adapter) and names it in other records. Paths are relative to the run directory where inside it. */
export const Checkpoint = z.object({
  model: z.string(),
  adapter: z.string().nullable(),
  hash: z.string(),
});
export type Checkpoint = z.infer<typeof Checkpoint>;
