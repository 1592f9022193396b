// The steps of a path -> which of them a false equation spoils.
import type { Question } from '../records.ts';
import { type Task, taskOf } from '../task.ts';

/**
 * `[step]`: true from the first step with a false equation on. A step with nothing to check counts as the steps before it.
 * @example
 * spoiledSteps(taskNamed('gsm8k'), question, ['<<2+2=4>>', '<<4*2=9>>', 'So it is 9.']); // [false, true, true]
 */
export function spoiledSteps(task: Task, question: Question, steps: readonly string[]): boolean[] {
  const own = taskOf(task, question);
  let isSpoiled = false;
  return steps.map((step) => {
    isSpoiled ||= own.equationsHold(step) === false;
    return isSpoiled;
  });
}

/** True for a path with a false equation. */
export function hasFalseEquation(task: Task, question: Question, steps: readonly string[]): boolean {
  return spoiledSteps(task, question, steps).includes(true);
}
