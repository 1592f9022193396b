// A question with a known answer -> the question that tells it: STaR's rationalisation.
import type { Question } from '../records.ts';
import { type Task, taskOf } from '../task.ts';

/**
 * The question with the line of its answer as a last line, in the words that its solutions end with. Drawing sees it, training does not.
 * A task without such a line (see `requireSignal`) leaves the question as it is.
 */
export function withHint(question: Question, task: Task): Question {
  const line = taskOf(task, question).answerLine?.(question);
  return line === undefined
    ? question
    : { ...question, question: `${question.question.trimEnd()}\n${line.join('').trim()}` };
}
