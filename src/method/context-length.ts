// Paths and the models that read them -> which can be read, and how many tokens are read.
import type { Policy, ProcessRewardModel } from '../backend.ts';
import type { Question, Sample } from '../records.ts';
import { sum } from '../statistics/intervals.ts';
import { type Task, taskOf } from '../task.ts';
import type { BuildPrompt } from './prompt.ts';
import type { WrittenPath } from './step-logps.ts';

export type Reader = Policy | ProcessRewardModel;

export interface ReadContext {
  readonly task: Task;
  readonly prompt: BuildPrompt;
  readonly signal?: AbortSignal | undefined;
}

export interface QuestionPaths {
  readonly question: Question;
  readonly samples: readonly Sample[];
}

/** Paths as models read them: a prompt, then steps that are tokenised one by one. */
export function textsOf(
  paths: readonly { readonly question: Question; readonly sample: Pick<Sample, 'steps' | 'forced'> }[],
  { task, prompt }: ReadContext,
): WrittenPath[] {
  return paths.map(({ question, sample }) => ({
    prompt: prompt(question),
    steps: taskOf(task, question).pieces(sample.steps),
    ...(sample.forced === undefined ? {} : { calculator: true }),
  }));
}

/** True for a path without text: a wrong answer with no step to label, to score or to learn from. */
export function isEmptyPath({ steps }: Pick<Sample, 'steps'>): boolean {
  return steps.every((step) => step.trim() === '');
}

/** A beginning-of-text token, and a first piece that reads differently at the beginning of a text. */
const MARGIN = 2;

/**
 * True for each text (in the pieces that are tokenised on their own) that leaves room for one more token.
 * A model may read its own text as more tokens than it wrote: seldom where it is trained, often where it is not.
 */
export async function withinContext(
  model: Pick<Policy, 'contextLength' | 'countTokens'>,
  texts: readonly (readonly string[])[],
): Promise<boolean[]> {
  const count = await tokenCounter(model, texts.flat());
  return texts.map((pieces) => MARGIN + sum(pieces.map(count)) < model.contextLength);
}

/** Sets aside the paths without text, and those that the context of one of the models does not hold. */
export async function withoutUnreadable<T extends QuestionPaths>(
  items: readonly T[],
  models: readonly Reader[],
  context: ReadContext,
): Promise<{ readable: readonly T[]; tooLong: ReadonlySet<Sample> }> {
  const written = items.map((item) => ({ ...item, samples: item.samples.filter((sample) => !isEmptyPath(sample)) }));
  const paths = written.flatMap(({ question, samples }) => samples.map((sample) => ({ question, sample })));
  const texts = textsOf(paths, context).map(({ prompt, steps }) => [prompt, ...steps]);
  const tooLong = new Set<Sample>();
  for (const model of models) {
    for (const [n, within] of (await withinContext(model, texts)).entries()) if (!within) tooLong.add(paths[n]!.sample);
  }
  const readable = written.map((item) => ({ ...item, samples: item.samples.filter((sample) => !tooLong.has(sample)) }));
  return { readable, tooLong };
}

/** What the models read together, each with its own tokens: a question's prompt once, and all steps of its paths. */
export async function tokensRead(
  items: readonly QuestionPaths[],
  models: readonly Pick<Reader, 'countTokens'>[],
  context: ReadContext,
): Promise<number> {
  const texts = items.flatMap(({ question, samples }) => {
    const paths = textsOf(
      samples.map((sample) => ({ question, sample })),
      context,
    );
    return paths.length === 0 ? [] : [context.prompt(question), ...paths.flatMap(({ steps }) => steps)];
  });
  let read = 0;
  for (const model of models) read += sum(texts.map(await tokenCounter(model, texts)));
  return read;
}

/** Tokens of each of `texts`, each counted once. */
export async function tokenCounter(
  model: Pick<Reader, 'countTokens'>,
  texts: readonly string[],
): Promise<(text: string) => number> {
  const known = [...new Set(texts)];
  const counts = await model.countTokens(known);
  const tokens = new Map(known.map((text, n) => [text, counts[n] ?? 0]));
  return (text) => tokens.get(text) ?? 0;
}
