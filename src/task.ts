// The port of a kind of question: its data, its prompt, how an answer is read and graded.
import { SipfError } from './errors.ts';
import type { Outcome, Question } from './records.ts';

export const SPLITS = ['train', 'valid', 'test'] as const;
export type Split = (typeof SPLITS)[number];

export interface LoadOptions {
  /** File or folder of the user's; absent: the hub (cached), or generated. */
  readonly data?: string | undefined;
  readonly split: Split;
  /** All of a file that is given by itself, of any split; a folder has its splits all the same. */
  readonly whole?: boolean | undefined;
  /** The first n questions. */
  readonly limit?: number | undefined;
  /** Keep only questions with at most this many gold steps. */
  readonly maxGoldSteps?: number | undefined;
  /** Seed of generated tasks. */
  readonly seed?: number | undefined;
}

/** A worked example for few-shot prompts. */
export interface Shot {
  /** The task whose prompts show it; absent: all of them. */
  readonly task?: string | undefined;
  readonly question: string;
  readonly steps: readonly string[];
}

export interface Graded {
  /** The answer found in the text, normalised; null: none. */
  readonly extracted: string | null;
  readonly outcome: Outcome;
}

export function wrong(
  reason: Extract<Outcome, { kind: 'wrong' }>['reason'],
  extracted: Graded['extracted'] = null,
): Graded {
  return { extracted, outcome: { kind: 'wrong', reason } };
}

/** Anything that says which task it is of. */
export interface OfTask {
  readonly task?: string | undefined;
}

/** What a prompt is made of. */
export type Prompted = OfTask & Pick<Question, 'question' | 'prefix'>;

export interface GradeOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface CheckOptions extends GradeOptions {
  /** Called with how many are checked. */
  readonly onDone?: ((done: number) => void) | undefined;
}

/** A reference solution that its own tests refuse. */
export interface BrokenReference {
  readonly id: string;
  readonly reason: string;
  readonly detail: string;
}

/** Tasks that run programs own a process: what makes one disposes it (`closing`). */
export interface Task {
  readonly name: string;
  /** Its data set on the hub, `owner/name`, where there is one. */
  readonly hubName?: string | undefined;
  /** Default generation limit in tokens. */
  readonly maxTokens: number;
  /** There are no train and valid splits. */
  readonly testOnly?: boolean;
  /** Makes its own questions: reads no data. */
  readonly generated?: boolean;
  /** Reads the user's own questions, of which no test set is published. */
  readonly ownData?: boolean;
  /** The splits of a file that is given by itself are cut from it or said by its name; else the records say them, or there is no file. */
  readonly cutsFiles?: boolean;
  load(options: LoadOptions): Promise<Question[]>;
  /** What answers are checked against. */
  readonly gradedBy: 'answer' | 'tests';
  /** The answer in a reference, which may be a whole solution, where that is not a number or short text; null: none. */
  reference?(text: string): string | null;
  /** What a chat model is told before the question, where `prompt.instruction` says nothing. */
  readonly instruction: string;
  /** Questions to take worked examples from, where they are not the train split's. */
  examples?(options: Pick<LoadOptions, 'data'>): Promise<Question[]>;
  /** The text before the model's first token; with shots: worked examples first, in the very format of training. */
  prompt(question: Prompted, shots?: readonly Shot[]): string;
  /** Steps as the pieces a model reads and writes, each with its separator: joined, they are the completion (EOS apart). */
  pieces(steps: readonly string[]): string[];
  /** The steps of a completion; the answer line belongs to the last one. Inverse of `pieces` for well-formed text. Never empty. */
  split(completion: string): string[];
  /** Where generation must stop besides EOS, e.g. where the model begins another question. */
  readonly stopStrings: readonly string[];
  grade(
    question: Question,
    completion: string,
    finishReason: 'stop' | 'length',
    options?: GradeOptions,
  ): Promise<Graded> | Graded;
  /** True where two answers that `grade` extracted are one, as it compares them: what a vote counts. Absent: answers are programs. */
  sameAnswer?(a: string, b: string): Promise<boolean> | boolean;
  /** Which of the questions' own solutions fail their tests, where solutions can be run: such questions can teach and measure nothing. */
  brokenReferences?(questions: readonly Question[], options?: CheckOptions): Promise<BrokenReference[]>;
  /** Drops duplicates among the paths of one question; returns the indices kept, in order. */
  distinct(paths: readonly (readonly string[])[]): number[];
  /** What the equations of a step say, in exact arithmetic: false where one is false, true where all that can be read hold, null where there is none. */
  equationsHold(step: string): boolean | null;
  /** The line that states the right answer, in two pieces: what leads to it, and the answer up to the line's end. Absent: answers are no text. */
  answerLine?(question: Question): readonly [lead: string, answer: string];
  /** The true correctness of each step where the task knows it (generated tasks), else null. */
  trueSteps?(question: Question, steps: readonly string[]): boolean[] | null;
  /** A parsed tokenizer.json that covers the task's texts, for models made from nothing (generated tasks). */
  tokenizer?(): object;
  /** The tokenizer_config.json beside it: names of the special tokens. */
  tokenizerConfig?(): object;
  /** Of a mixture: its tasks. */
  readonly members?: readonly Task[];
  /** Of a mixture: the task that a question belongs to. */
  memberFor?(question: OfTask): Task;
  [Symbol.asyncDispose]?(): Promise<void>;
}

/**
 * Refuses data that nothing reads.
 * @throws SipfError 'bad-input' where `data` is given, and all that could read it makes its own questions.
 */
export function requireReader(tasks: readonly Task[], data: string | null | undefined): void {
  const [first] = tasks;
  if (data === null || data === undefined || first === undefined) return;
  if (tasks.flatMap((task) => task.members ?? [task]).some(({ generated }) => generated !== true)) return;
  throw new SipfError(
    'bad-input',
    `Expected a task that reads ${data}, got ${first.name}, which makes its own questions. Give --task jsonl (answers) or --task code (tests), or leave --data out.`,
  );
}

/**
 * The task of one question: the member of a mixture that it belongs to, else `task` itself.
 * @example
 * const { outcome } = await taskOf(task, question).grade(question, 'The answer is 7.', 'stop');
 */
export function taskOf(task: Task, question: OfTask): Task {
  return task.memberFor?.(question) ?? task;
}

/** How often a text is graded again after an error, where no setting says it. */
export const GRADE_RETRIES = 2;

/** A text with the question that it answers. */
export interface GivenText {
  readonly question: Question;
  readonly text: string;
  readonly finishReason: 'stop' | 'length';
}

/**
 * Grades a text by the task of its question, and again at most `retries` times after an error of the infrastructure. An error that is the
 * tests' fault stands at once.
 */
export async function gradeWithRetries(
  task: Pick<Task, 'grade' | 'memberFor'>,
  { question, text, finishReason }: GivenText,
  retries: number = GRADE_RETRIES,
  signal?: AbortSignal,
): Promise<Graded> {
  const own = task.memberFor?.(question) ?? task;
  let graded = await own.grade(question, text, finishReason, { signal });
  for (let retry = 0; retry < retries && mayPass(graded.outcome); retry += 1) {
    graded = await own.grade(question, text, finishReason, { signal });
  }
  return graded;
}

/** An error that another try may not meet. */
function mayPass(outcome: Outcome): boolean {
  return outcome.kind === 'error' && outcome.fault !== 'tests';
}

/**
 * Disposes of what a task owns, if it owns anything.
 * @example
 * const task = taskNamed('mbpp');
 * await using _closing = closing(task);
 */
export function closing(task: Task): AsyncDisposable {
  return { [Symbol.asyncDispose]: async () => task[Symbol.asyncDispose]?.() };
}
