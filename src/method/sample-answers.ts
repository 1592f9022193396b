// A policy and question sets -> several graded samples of each question, for pass@k. Leaves the greedy answer to evaluate.ts and the estimate to pass-at.ts.
import type { Completion, Policy, SamplingOptions } from '../backend.ts';
import { drawKey } from '../hashing.ts';
import { countInto, gradeWithRetries, type StageOutput } from '../run/units.ts';
import { taskOf } from '../task.ts';
import { type Answer, type AnswerItem, answerOf } from './evaluate.ts';
import { gradeBeside } from './grade-beside.ts';

export interface SampleAnswersContext {
  readonly policy: Policy;
  /** Samples of each question. */
  readonly samples: number;
  readonly sampling: Pick<SamplingOptions, 'temperature' | 'topP' | 'topK'>;
  /** null: each task's own limit. */
  readonly maxTokens: number | null;
  readonly gradeRetries: number;
  /** Same seed, same samples, whatever else is drawn. */
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

/** The samples of one unit of questions, question by question. */
export async function sampleAnswers(
  items: readonly AnswerItem[],
  { policy, samples, sampling, maxTokens, gradeRetries, seed, signal }: SampleAnswersContext,
): Promise<StageOutput<Answer>> {
  const counts: Record<string, number> = {};
  const answers: (Answer | undefined)[] = [];
  const requests = items.flatMap(({ set, question }, at) => {
    const prefix = set.prompt(question);
    const own = taskOf(set.task, question);
    return Array.from({ length: samples }, (_, index) => ({
      id: String(at * samples + index),
      context: [prefix],
      key: drawKey({ seed, stage: 'pass-at', iteration: 0, questionId: question.id, prefix, index }),
      sampling: { ...sampling, maxTokens: maxTokens ?? own.maxTokens, stopStrings: own.stopStrings },
    }));
  });
  const grade = async (completion: Completion) => {
    const place = Number(completion.id);
    const item = items[Math.floor(place / samples)];
    if (item === undefined) throw new Error(`Unknown completion ${completion.id}.`);
    const { text, finishReason } = completion;
    const answered = { question: item.question, text, finishReason };
    const graded = await gradeWithRetries(item.set.task, answered, gradeRetries, signal);
    answers[place] = { ...answerOf(item, completion, graded), sample: place % samples };
  };
  const { result: stats } = await gradeBeside((hand) => {
    const onFinished = (finished: readonly Completion[]) => {
      for (const completion of finished) hand(grade(completion));
      return [];
    };
    return policy.generate(requests, onFinished, { signal });
  });
  countInto(counts, 'promptTokens', stats.promptTokens);
  countInto(counts, 'generatedTokens', stats.generatedTokens);
  return { records: answers.filter((answer) => answer !== undefined), counts };
}
