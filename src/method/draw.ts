// Texts to continue and a policy -> graded completions: samples, rollouts and answers.
import type { Completion, GenerateRequest, GenerateStats, Policy, SamplingOptions } from '../backend.ts';
import { type DrawKey, drawKey } from '../hashing.ts';
import type { Question, Sample } from '../records.ts';
import type { Counts } from '../reports.ts';
import { type Graded, gradeWithRetries, type Task, taskOf } from '../task.ts';
import type { ReadContext } from './context-length.ts';

/** A text that completions continue: a question's prompt, or the prompt and the first steps of a path. */
export interface Prefix {
  readonly task: Task;
  readonly question: Question;
  readonly prompt: string;
  /** The steps after the prompt, each with its separator. */
  readonly pieces: readonly string[];
  /** Completions asked for so far, and those of them that have not ended. */
  asked: number;
  pending: number;
}

/** One completion to draw. `index` tells it from the others of its prefix. */
export interface Draw<P extends Prefix> {
  readonly prefix: P;
  readonly index: number;
}

export interface Drawn<P extends Prefix> extends Draw<P> {
  readonly completion: Completion;
  readonly graded: Graded;
}

/** How completions are drawn, as the settings of a stage say it. `maxTokens: null`: the task's own limit. */
type DrawSampling = Pick<SamplingOptions, 'temperature' | 'topP' | 'topK'> & {
  readonly maxTokens: number | null;
  readonly calculator?: boolean | undefined;
  readonly keepLogps?: boolean | undefined;
};

export interface DrawContext {
  readonly policy: Policy;
  /** What the random numbers depend on, besides the prefix and the index. */
  readonly key: Pick<DrawKey, 'seed' | 'stage' | 'iteration'>;
  readonly sampling: DrawSampling;
  readonly gradeRetries: number;
  readonly signal?: AbortSignal | undefined;
}

/** What a stage that draws for units of questions depends on. */
export interface UnitContext<Options> extends ReadContext {
  readonly options: Options;
  readonly seed: number;
  readonly iteration: number;
  /** Called with how much of the unit is done. */
  readonly onDone?: ((done: number) => void) | undefined;
}

/** How such a stage draws from `policy`: by its own settings, with random numbers of its own. */
export function drawing(
  stage: string,
  policy: Policy,
  { options, seed, iteration, signal }: UnitContext<DrawSampling & Pick<DrawContext, 'gradeRetries'>>,
): DrawContext {
  const { gradeRetries } = options;
  return { policy, key: { seed, stage, iteration }, sampling: options, gradeRetries, signal };
}

interface DrawUses<P extends Prefix> {
  /** Receives each graded completion, in the order in which the completions ended. */
  readonly take: (drawn: Drawn<P>) => void;
  /**
   * What to draw after `take` received a completion of this prefix: the policy waits for the grade.
   * Absent: the policy writes while grades are found, and `take` receives all of them at the end.
   */
  readonly next?: ((prefix: P) => readonly Draw<P>[]) | undefined;
  /** Called after each group of completions that ended together. */
  readonly onEnded?: (() => void) | undefined;
}

/** A prefix that nothing was drawn for. `task`: the run's task, which may be a mixture. */
export function prefixOf(task: Task, question: Question, prompt: string, pieces: readonly string[] = []): Prefix {
  return { task: taskOf(task, question), question, prompt, pieces, asked: 0, pending: 0 };
}

/** The next `count` completions of `prefix`. */
export function ask<P extends Prefix>(prefix: P, count: number): Draw<P>[] {
  const from = prefix.asked;
  prefix.asked += count;
  prefix.pending += count;
  return Array.from({ length: count }, (_, i) => ({ prefix, index: from + i }));
}

/**
 * Draws and grades one unit of work; returns the counts promptTokens and generatedTokens, or none where nothing was to draw.
 * No grade still runs when it ends. An error of the policy or of a grade ends the unit.
 */
export async function drawAndGrade<P extends Prefix>(
  first: readonly Draw<P>[],
  context: DrawContext,
  { take, next, onEnded }: DrawUses<P>,
): Promise<Counts> {
  if (first.length === 0) return {};
  const draws: Draw<P>[] = [];
  const requestsOf = (some: readonly Draw<P>[]) => some.map((draw) => requestOf(draw, draws.push(draw) - 1, context));
  const { result, grades } = await gradeBeside<GenerateStats, Drawn<P>>((hand) => {
    const onFinished = async (finished: readonly Completion[]): Promise<GenerateRequest[]> => {
      const ended = finished.map((completion) => ({ completion, ...drawOf(draws, completion) }));
      const more: Draw<P>[] = [];
      if (next === undefined) {
        for (const one of ended) {
          one.prefix.pending -= 1;
          hand(gradeOf(one, context));
        }
      } else {
        for (const drawn of await Promise.all(ended.map((one) => gradeOf(one, context)))) {
          drawn.prefix.pending -= 1;
          take(drawn);
          more.push(...next(drawn.prefix));
        }
      }
      onEnded?.();
      return requestsOf(more);
    };
    return context.policy.generate(requestsOf(first), onFinished, { signal: context.signal });
  });
  for (const drawn of grades) take(drawn);
  const { promptTokens, generatedTokens } = result;
  return { promptTokens, generatedTokens };
}

/** The sampling options of one request: those of a stage, with the task's limit and stop strings. Programs are no text for a calculator. */
export function samplingOf({ maxTokens, ...options }: DrawSampling, task: Task): SamplingOptions {
  const { temperature, topP = 1, topK = 0, calculator = false, keepLogps = false } = options;
  const own = { temperature, topP, topK, maxTokens: maxTokens ?? task.maxTokens, stopStrings: task.stopStrings };
  const ends = keepLogps ? { ends: true } : {};
  return calculator && task.gradedBy === 'answer' ? { ...own, ...ends, calculator } : { ...own, ...ends };
}

/** The tokens of a completion as records have them: `forced` where a calculator wrote some. */
export function tokensIn({ tokens, forced, logps }: Completion): Pick<Sample, 'tokens' | 'forced' | 'sumLogp'> {
  const sumLogp = logps?.reduce<number>((sum, logp) => sum + (logp ?? 0), 0) ?? null;
  return forced === undefined ? { tokens, sumLogp } : { tokens, forced: forced.length, sumLogp };
}

function requestOf<P extends Prefix>({ prefix, index }: Draw<P>, place: number, context: DrawContext): GenerateRequest {
  const { task, question, prompt, pieces } = prefix;
  return {
    // The question's id is for messages.
    id: `${place} (${question.id})`,
    context: [prompt, ...pieces],
    key: drawKey({ ...context.key, questionId: question.id, prefix: prompt + pieces.join(''), index }),
    sampling: samplingOf(context.sampling, task),
  };
}

function drawOf<P extends Prefix>(draws: readonly Draw<P>[], { id }: Completion): Draw<P> {
  const draw = draws[Number.parseInt(id, 10)];
  if (draw === undefined) throw new Error(`Unknown completion ${id}.`);
  return draw;
}

async function gradeOf<P extends Prefix>(
  ended: Draw<P> & { readonly completion: Completion },
  { gradeRetries, signal }: DrawContext,
): Promise<Drawn<P>> {
  const { task, question, pieces } = ended.prefix;
  const { text, finishReason } = ended.completion;
  const given = { question, text: pieces.join('') + text, finishReason };
  return { ...ended, graded: await gradeWithRetries(task, given, gradeRetries, signal) };
}

/**
 * Runs `generate`, which hands over grades, and returns them in that order beside its result: programs run for seconds.
 * An error of a grade ends `generate` when it hands over the next one; no grade still runs at the end.
 * @throws the error of `generate` or of a grade.
 */
export async function gradeBeside<Result, Grade>(
  generate: (hand: (grade: Promise<Grade>) => void) => Promise<Result>,
): Promise<{ result: Result; grades: Grade[] }> {
  const handed: Promise<Grade>[] = [];
  let failed: { readonly thrown: unknown } | null = null;
  const hand = (grade: Promise<Grade>): void => {
    handed.push(grade);
    grade.catch((thrown: unknown) => {
      failed ??= { thrown };
    });
    if (failed !== null) throw failed.thrown;
  };
  try {
    const result = await generate(hand);
    return { result, grades: await Promise.all(handed) };
  } finally {
    await Promise.allSettled(handed);
  }
}
