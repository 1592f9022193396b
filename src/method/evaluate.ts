// Stage 7: a policy and question sets -> graded greedy answers, accuracies with intervals, paired differences. Leaves PRM figures to prm-figures.ts.
import { z } from 'zod';
import type { Completion, Policy } from '../backend.ts';
import { drawKey } from '../hashing.ts';
import { Outcome, type PreferencePair, type Question, TaskReport } from '../records.ts';
import { countInto, gradeWithRetries, type StageOutput } from '../run/units.ts';
import { pairedDifference, wilson } from '../statistics/intervals.ts';
import { ScoreFigures } from '../statistics/prm-figures.ts';
import { type Graded, type Task, taskOf } from '../task.ts';
import type { EvaluateOptions } from './evaluate-options.ts';
import { gradeBeside } from './grade-beside.ts';
import type { BuildPrompt } from './prompt.ts';

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
  /** Which of several samples of one question; absent: the greedy answer. */
  sample: z.number().int().optional(),
});
export type Answer = z.infer<typeof Answer>;

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

export interface AnswerContext {
  readonly policy: Policy;
  readonly options: Pick<EvaluateOptions, 'maxTokens' | 'gradeRetries'>;
  readonly signal?: AbortSignal | undefined;
  /** Called with how many of the unit's questions are answered. */
  readonly onDone?: ((done: number) => void) | undefined;
}

/** Greedy answers to one unit of questions. */
export async function answerUnit(
  items: readonly AnswerItem[],
  { policy, options, signal, onDone }: AnswerContext,
): Promise<StageOutput<Answer>> {
  const counts: Record<string, number> = {};
  let done = 0;
  const answers: (Answer | undefined)[] = items.map(() => undefined);
  const requests = items.map(({ set, question }, index) => {
    const prefix = set.prompt(question);
    return {
      // The question's id is for messages.
      id: `${index} (${question.id})`,
      context: [prefix],
      key: drawKey({ seed: 0, stage: 'evaluate', iteration: 0, questionId: question.id, prefix, index: 0 }),
      sampling: {
        temperature: 0,
        maxTokens: options.maxTokens ?? taskOf(set.task, question).maxTokens,
        stopStrings: taskOf(set.task, question).stopStrings,
      },
    };
  });
  const grade = async (completion: Completion) => {
    const index = Number.parseInt(completion.id, 10);
    const item = items[index];
    if (item === undefined) return;
    const { text, finishReason } = completion;
    const answered = { question: item.question, text, finishReason };
    const graded = await gradeWithRetries(item.set.task, answered, options.gradeRetries, signal);
    answers[index] = answerOf(item, completion, graded);
  };
  const { result: stats } = await gradeBeside((hand) => {
    const onFinished = (finished: readonly Completion[]) => {
      for (const completion of finished) hand(grade(completion));
      done += finished.length;
      onDone?.(done);
      return [];
    };
    return policy.generate(requests, onFinished, { signal });
  });
  countInto(counts, 'promptTokens', stats.promptTokens);
  countInto(counts, 'generatedTokens', stats.generatedTokens);
  const records = answers.filter((answer) => answer !== undefined);
  countInto(counts, 'errors', records.filter(({ outcome }) => outcome.kind === 'error').length);
  return { records, counts };
}

export function answerOf(
  { set, question }: AnswerItem,
  completion: Completion,
  { extracted, outcome }: Graded,
): Answer {
  const { text, finishReason, tokenIds } = completion;
  return {
    task: taskOf(set.task, question).name,
    split: set.split,
    questionId: question.id,
    question: question.question,
    reference: question.answer,
    completion: text,
    extracted,
    outcome,
    finishReason,
    tokens: tokenIds.length,
  };
}

const Paired = z.object({
  difference: z.number(),
  ci95: z.tuple([z.number(), z.number()]),
  /** Exact McNemar. */
  pValue: z.number(),
  n: z.number().int(),
  /** Questions won and lost. */
  better: z.number().int(),
  worse: z.number().int(),
});

/** Accuracy on a set, and the paired difference to an earlier policy's answers to the same questions. Errors are no answers: they leave n. */
export const SetReport = TaskReport.extend({ errors: z.number().int(), paired: Paired.nullable() });
export type SetReport = z.infer<typeof SetReport>;

/** Mean log-probability of chosen and rejected completions under the policies before and after an alignment. */
export const PairLogps = z.object({
  n: z.number().int(),
  chosen: z.object({ before: z.number(), after: z.number() }),
  rejected: z.object({ before: z.number(), after: z.number() }),
});
export type PairLogps = z.infer<typeof PairLogps>;

const Counts = z.record(z.string(), z.number());

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

type Correct = Map<string, boolean>;

/** Right or wrong by task, split and question id; infrastructure errors are left out. */
export async function correctBySet(
  answers: AsyncIterable<Answer> | Iterable<Answer>,
): Promise<Map<string, { answers: Answer[]; correct: Correct }>> {
  const sets = new Map<string, { answers: Answer[]; correct: Correct }>();
  for await (const answer of answers) {
    const name = `${answer.task}/${answer.split}`;
    const set = sets.get(name) ?? { answers: [], correct: new Map<string, boolean>() };
    sets.set(name, set);
    set.answers.push({ ...answer, completion: '', question: '' });
    if (answer.outcome.kind !== 'error') set.correct.set(answer.questionId, answer.outcome.kind === 'right');
  }
  return sets;
}

/** One report a set, in the order of the answers, paired with `before` where it answered the same questions. */
export async function setReports(
  answers: AsyncIterable<Answer> | Iterable<Answer>,
  before: (AsyncIterable<Answer> | Iterable<Answer>) | null,
): Promise<SetReport[]> {
  const earlier = before === null ? null : await correctBySet(before);
  return [...(await correctBySet(answers))].map(([name, set]) => {
    const n = set.correct.size;
    const correct = [...set.correct.values()].filter(Boolean).length;
    const old = earlier?.get(name);
    return {
      task: set.answers[0]?.task ?? '',
      split: set.answers[0]?.split ?? '',
      n,
      correct,
      accuracy: n === 0 ? 0 : correct / n,
      ci95: wilson(correct, n),
      truncated: set.answers.filter(({ finishReason }) => finishReason === 'length').length,
      errors: set.answers.length - n,
      paired: old === undefined ? null : paired(old.correct, set.correct),
    };
  });
}

/** Over the questions that both answered; null without one. */
function paired(before: Correct, after: Correct): SetReport['paired'] {
  const ids = [...after.keys()].filter((id) => before.has(id));
  if (ids.length === 0) return null;
  const right = (answers: Correct) => ids.map((id) => answers.get(id) === true);
  const { onlyA, onlyB, ...rest } = pairedDifference(right(after), right(before));
  return { ...rest, better: onlyA, worse: onlyB };
}

/** Mean log-probability (over completion tokens, then over pairs) of both sides under one policy. */
export async function meanPairLogps(
  policy: Policy,
  pairs: readonly PreferencePair[],
  { task, prompt }: { task: Task; prompt: BuildPrompt },
  signal?: AbortSignal,
): Promise<{ chosen: number; rejected: number }> {
  const items = pairs.flatMap((pair) =>
    [pair.chosen.steps, pair.rejected?.steps ?? []].map((steps) => ({
      context: [prompt(pair)],
      completion: taskOf(task, pair).pieces(steps).join(''),
    })),
  );
  const means = (await policy.logps(items, { signal })).map(mean);
  return { chosen: mean(means.filter((_, i) => i % 2 === 0)), rejected: mean(means.filter((_, i) => i % 2 === 1)) };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

/** Warnings where a round's figures say that the loop cannot help. The first `ownSets` sets are the run's own tasks. */
export function roundWarnings(
  report: Pick<EvalReport, 'iteration' | 'sets' | 'pairs' | 'logps' | 'counts'>,
  ownSets = 1,
): string[] {
  const warnings: string[] = [];
  for (const { task, split, paired: change } of report.sets.slice(0, ownSets)) {
    if (report.iteration === 0 || change === null || change.ci95[0] > 0 || change.ci95[1] < 0) continue;
    const points = [change.difference, ...change.ci95].map((value) => (100 * value).toFixed(1));
    warnings.push(
      `No change shown on ${task}/${split}: ${points[0]} points (${points[1]} to ${points[2]}) against the round before. Evaluate on more questions, or expect little from this round.`,
    );
  }
  const samples = report.counts['1-samples'];
  if (samples !== undefined && (samples.drawn ?? 0) > 0) {
    if ((samples.right ?? 0) === 0)
      warnings.push(
        'Every sample is wrong: no path can be chosen. Use easier questions (task.maxGoldSteps), a longer warm-up or a lower sampling.temperature.',
      );
    if ((samples.right ?? 0) === samples.drawn)
      warnings.push(
        'Every sample is right: no path can be rejected. Use harder questions or a higher sampling.temperature.',
      );
    if ((samples.kept ?? 0) === 0)
      warnings.push(
        'Every sample repeats a known path: nothing new to learn from. Raise sampling.temperature, or draw for other questions (sampling.rotate).',
      );
    if ((samples.error ?? 0) > 0) warnings.push(`${samples.error} samples could not be graded and were left out.`);
    if ((samples.quotaUnmet ?? 0) > 0)
      warnings.push(`${samples.quotaUnmet} questions did not reach sampling.quota within its budget.`);
  }
  const { pairs } = report;
  if (pairs !== null && (pairs.questions ?? 0) > 0 && (pairs.questionsWithPairs ?? 0) < 0.05 * (pairs.questions ?? 0)) {
    warnings.push(
      `Only ${pairs.questionsWithPairs} of ${pairs.questions} questions gave pairs. Lower pairs.eta or draw more samples.`,
    );
  }
  const { logps } = report;
  if (
    logps !== null &&
    logps.n > 0 &&
    logps.chosen.after < logps.chosen.before &&
    logps.rejected.after >= logps.rejected.before
  ) {
    warnings.push('Alignment made chosen paths less and rejected paths more probable. Check pairs.eta and align.loss.');
  }
  return warnings;
}
