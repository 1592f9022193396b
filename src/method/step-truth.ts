// A question and the steps of an answer -> which steps are true, false, or say nothing to check.
import type { Question } from '../records.ts';
import { type Task, taskOf } from '../task.ts';

/** true, false, or null: nothing in the step can be checked. */
export type StepTruth = boolean | null;

/**
 * The truth of each step: the task's own true steps where it knows them (mini, mini-code). Else by exact equations: false where one is false,
 * true where all of at least one hold, null where there is none.
 * @example
 * stepTruth(taskNamed('gsm8k'), question, ['<<2+2=4>>', '<<4*2=9>>', 'So it is 9.']); // [true, false, null]
 */
export function stepTruth(task: Task, question: Question, steps: readonly string[]): StepTruth[] {
  const own = taskOf(task, question);
  return own.trueSteps?.(question, steps) ?? steps.map((step) => own.equationsHold(step));
}

/** The task knows the true steps itself: what holds is right, not only a true equation. */
export function knowsSteps(task: Task, question: Question, steps: readonly string[]): boolean {
  return (taskOf(task, question).trueSteps?.(question, steps) ?? null) !== null;
}

/**
 * True for a right answer of which no step is false.
 * @example
 * isSound(sample.outcome.kind === 'right', stepTruth(task, question, sample.steps));
 */
export function isSound(isRight: boolean, truth: readonly StepTruth[]): boolean {
  return isRight && !truth.includes(false);
}
