// A task and what a setting reads of its steps or answers, beside a model -> whether it has that.
import { SipfError } from '../errors.ts';
import type { Task } from '../task.ts';

/** `equations`: in the text of steps. `truth`: the true steps of generated problems. `answer`: a right answer that is a short text. */
export type TaskSignal = 'equations' | 'truth' | 'answer';

interface Signal {
  readonly has: (task: Task) => boolean;
  readonly words: string;
  /** What a task without it is. */
  readonly without: string;
}

const SIGNALS: Readonly<Record<TaskSignal, Signal>> = {
  equations: {
    has: ({ gradedBy }) => gradedBy !== 'tests',
    words: 'with equations',
    without: ', whose answers are programs',
  },
  truth: { has: ({ trueSteps }) => trueSteps !== undefined, words: 'that knows which steps are true', without: '' },
  answer: { has: ({ answerLine }) => answerLine !== undefined, words: 'whose answers are short texts', without: '' },
};

/** Of a mixture: true where every task has it. */
export function hasSignal(task: Task, signal: TaskSignal): boolean {
  return (task.members ?? [task]).every(SIGNALS[signal].has);
}

/**
 * Refuses tasks without what `setting` reads: a check that can find nothing would pass every path.
 * @throws SipfError 'unsupported' naming `setting` and the task.
 */
export function requireSignal(task: Task, signal: TaskSignal, setting: string): void {
  const { has, words, without } = SIGNALS[signal];
  const lacking = (task.members ?? [task]).find((member) => !has(member));
  if (lacking === undefined) return;
  throw new SipfError(
    'unsupported',
    `Expected a task ${words} for ${setting}, got ${lacking.name}${without}. Change that setting.`,
  );
}

/**
 * Refuses a calculator where no answer is a text: it writes into texts alone, and in a mixture leaves programs as they are.
 * @throws SipfError 'unsupported' naming `setting`.
 */
export function requireTexts(task: Task, setting: string): void {
  const texts = (task.members ?? [task]).find(({ gradedBy }) => gradedBy === 'answer');
  requireSignal(texts ?? task, 'equations', setting);
}
