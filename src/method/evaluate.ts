// Stage 7: a policy and question sets -> graded answers.
import { z } from 'zod';
import type { Completion, Policy } from '../backend.ts';
import { described, traceless } from '../described.ts';
import { MOST } from '../limits.ts';
import type { Answer, Question } from '../records.ts';
import type { StageOutput } from '../run/units.ts';
import { type Graded, SPLITS, type Task, taskOf } from '../task.ts';
import { ask, drawAndGrade, type Prefix, prefixOf, tokensIn } from './draw.ts';
import type { BuildPrompt } from './prompt.ts';
import { stepTruth } from './step-truth.ts';

export const EvaluationSet = z.strictObject({
  name: described(z.string().nullable().default(null), "A task. null: the run's own."),
  data: described(
    z.string().nullable().default(null),
    "Its file or folder. null: the run's own data for its own task, else the hub.",
  ),
  split: described(z.enum(SPLITS).default('valid'), 'Which of its questions.'),
  limit: described(
    z.number().int().positive().max(MOST.questions).nullable().default(null),
    'The first n of them. null: all.',
  ),
});
export type EvaluationSet = z.infer<typeof EvaluationSet>;

/** Stage 7: on what policies are evaluated, and how they answer. */
export const EvaluateOptions = z.strictObject({
  sets: described(
    z.array(EvaluationSet).default([{ name: null, data: null, split: 'valid', limit: null }]),
    'Question sets that every round is evaluated on, as JSON, each of another task or split. Give a limit for shorter rounds; a few hundred questions show changes of five points or more.',
  ),
  final: described(
    z.array(EvaluationSet).default([]),
    'Question sets for the start, the last policy and the control, once, after the last round: the only place where test is read; each of another task or split. Name one before you report a result.',
  ),
  control: described(
    z.enum(['none', 'continued-sft']).default('none'),
    'continued-sft: the warm-up policy is trained on worked solutions for as many optimizer tokens as the rounds spent, and evaluated with `final`. Use it to see what process feedback adds.',
  ),
  samples: described(
    z.number().int().min(0).max(MOST.samples).default(0),
    'Samples of each question of `final`, for majority vote, best-of-N by each scorer and pass@N. 0: none. Set it to 8 to see what a scorer is worth.',
  ),
  temperature: described(
    z.number().positive().default(0.8),
    'Randomness of those samples. Lower it where they are much worse than the greedy answer.',
  ),
  maxTokens: described(
    z.number().int().positive().max(MOST.tokens).nullable().default(null),
    "Longest answer in tokens. null: the task's own limit. Lower it for time, raise it where many answers are truncated.",
  ),
  calculator: described(
    traceless(false),
    'Results of `<<3*4=` annotations in answers are computed and written, not drawn. Keep it as sampling.calculator.',
  ),
  logpPairs: described(
    z.number().int().min(0).default(64),
    'Pairs of each round whose log-probability is measured before and after alignment. 0: none. Raise it for closer figures.',
  ),
  gradeRetries: described(
    z.number().int().min(0).max(MOST.retries).default(2),
    'How often an answer is graded again after an error of the grading itself. Raise it on a machine that is short of memory.',
  ),
  unit: described(
    z.number().int().positive().max(MOST.unit).default(64),
    'Questions that are answered and saved together. Lower it to lose less work at a stop; raise it for full batches.',
  ),
});
export type EvaluateOptions = z.infer<typeof EvaluateOptions>;

/** A question set with what it takes to put it to a model. */
export interface OpenSet {
  readonly task: Task;
  readonly split: string;
  readonly prompt: BuildPrompt;
  readonly questions: readonly Question[];
}

export interface AnswerItem {
  readonly set: OpenSet;
  readonly question: Question;
}

/** How several samples of each question are drawn, for pass@k and best-of-N. */
export interface SampledAnswers {
  readonly count: number;
  readonly temperature: number;
  readonly topP?: number;
  readonly topK?: number;
  /** Same seed, same samples, with anything else drawn. */
  readonly seed: number;
}

interface AnswerContext {
  readonly policy: Policy;
  readonly options: Pick<EvaluateOptions, 'maxTokens' | 'gradeRetries'> & { readonly calculator?: boolean | undefined };
  /** Absent: one greedy answer to each question. */
  readonly sampled?: SampledAnswers | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with how many of the unit's questions are answered. */
  readonly onDone?: ((done: number) => void) | undefined;
}

interface Asked extends Prefix {
  readonly item: AnswerItem;
  readonly answers: Answer[];
}

/** Graded answers to one unit of questions, in their order. Counts promptTokens, generatedTokens, errors. */
export async function answerUnit(
  items: readonly AnswerItem[],
  { policy, options, sampled, signal, onDone }: AnswerContext,
): Promise<StageOutput<Answer>> {
  const asked = items.map((item): Asked => {
    const { set, question } = item;
    return { ...prefixOf(set.task, question, set.prompt(question)), item, answers: [] };
  });
  const { maxTokens, gradeRetries, calculator } = options;
  const { count, seed, ...sampling } = sampled ?? { count: 1, seed: 0, temperature: 0 };
  const key = { seed, stage: sampled === undefined ? 'evaluate' : 'pass-at', iteration: 0 };
  const context = { policy, key, sampling: { ...sampling, maxTokens, calculator }, gradeRetries, signal };
  const draws = asked.flatMap((prefix) => ask(prefix, count));
  const tokens = await drawAndGrade(draws, context, {
    take: ({ prefix, index, completion, graded }) => {
      const answer = answerOf(prefix.item, completion, graded);
      prefix.answers[index] = sampled === undefined ? answer : { ...answer, sample: index };
    },
    onEnded: () => onDone?.(asked.filter(({ pending }) => pending === 0).length),
  });
  const records = asked.flatMap(({ answers }) => answers);
  const errors = records.filter(({ outcome }) => outcome.kind === 'error').length;
  return { records, counts: { ...tokens, errors } };
}

function answerOf({ set, question }: AnswerItem, completion: Completion, { extracted, outcome }: Graded): Answer {
  const { text, finishReason } = completion;
  const task = taskOf(set.task, question);
  return {
    task: task.name,
    split: set.split,
    questionId: question.id,
    question: question.question,
    reference: question.answer,
    completion: text,
    extracted,
    outcome,
    finishReason,
    ...tokensIn(completion),
    ...(outcome.kind === 'error' ? {} : { truth: stepTruth(task, question, task.split(text)) }),
  };
}
