// A question with a known answer -> the question that tells it: STaR's rationalisation.
import { SipfError } from '../errors.ts';
import type { Question } from '../records.ts';
import type { Task } from '../task.ts';

/** The question with its answer as a last line, in the words that worked solutions end with. Only drawing sees it; training sees the question. */
export function withHint(question: Question): Question {
  return { ...question, question: `${question.question.trimEnd()}\nThe answer is ${question.answer}` };
}

/** @throws SipfError 'unsupported' where tests decide: there is no answer to tell. */
export function requireAnswers(task: Task): void {
  const blind = (task.members ?? [task]).find(({ gradedBy }) => gradedBy === 'tests');
  if (blind === undefined) return;
  throw new SipfError(
    'unsupported',
    `Expected a task with answers for sampling.hint true, got ${blind.name}, whose answers are programs. Set sampling.hint false, or choose another method than star.`,
  );
}
