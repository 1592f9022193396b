// What a kind of question is: where its data comes from, how it is put to a model, how an answer is read and judged. Knows nothing of models.
import type { Outcome, Question } from '../records.ts';

export type Split = 'train' | 'valid' | 'test';

export interface LoadOptions {
  /** File or folder of the user's; absent: the hub (cached), or generated. */
  readonly data?: string | undefined;
  readonly split: Split;
  /** The first n questions. */
  readonly limit?: number | undefined;
  /** Keep only questions with at most this many gold steps. */
  readonly maxGoldSteps?: number | undefined;
  /** Seed of generated tasks. */
  readonly seed?: number | undefined;
}

/** A worked example for few-shot prompts. */
export interface Shot {
  readonly question: string;
  readonly steps: readonly string[];
}

export interface Graded {
  /** The answer found in the text, normalised; null: none. */
  readonly extracted: string | null;
  readonly outcome: Outcome;
}

export interface Task {
  readonly name: string;
  /** Default generation limit in tokens. */
  readonly maxTokens: number;
  /** There are no train and valid splits. */
  readonly testOnly?: boolean;
  load(options: LoadOptions): Promise<Question[]>;
  /** The text before the model's first token; with shots: worked examples first, in the very format of training. */
  prompt(question: Pick<Question, 'question'>, shots?: readonly Shot[]): string;
  /** Steps as the pieces a model reads and writes, each with its separator: joined, they are the completion (EOS apart). */
  pieces(steps: readonly string[]): string[];
  /** The steps of a completion; the answer line belongs to the last one. Inverse of `pieces` for well-formed text. Never empty. */
  split(completion: string): string[];
  /** Where generation must stop besides EOS, e.g. where the model begins another question. */
  readonly stopStrings: readonly string[];
  grade(
    question: Pick<Question, 'answer'>,
    completion: string,
    finishReason: 'stop' | 'length',
  ): Promise<Graded> | Graded;
  /** Drops duplicates among the paths of one question; returns the indices kept, in order. */
  distinct(paths: readonly (readonly string[])[]): number[];
  /** True where a step contains an equation that is false. */
  hasFalseEquation(steps: readonly string[]): boolean;
  /** The true correctness of each step where the task knows it (generated tasks), else null. */
  trueSteps?(question: Question, steps: readonly string[]): boolean[] | null;
  /** A parsed tokenizer.json that covers the task's texts, for models made from nothing (generated tasks). */
  tokenizer?(): object;
  /** The tokenizer_config.json beside it: names of the special tokens. */
  tokenizerConfig?(): object;
}
