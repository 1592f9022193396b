// Questions -> which are the same one: their text without case, white space and shown tests.
import type { Question } from './records.ts';

type Asked = Pick<Question, 'question'> & Partial<Pick<Question, 'prefix'>>;

/** Where the text of a code question ends and its tests begin. */
export const SHOWN_TESTS = '\nYour code should pass these tests:\n';

/** Equal for questions that ask the same. Code to complete is part of the question: `Complete the Python function f.` says little. */
export function questionKey({ question, prefix = '' }: Asked): string {
  const [asked = ''] = question.split(SHOWN_TESTS);
  return `${asked}\n${prefix}`.normalize('NFKC').toLowerCase().replace(/\s+/g, ' ').trim();
}

/** How many questions repeat an earlier one. */
export function countDuplicates(questions: readonly Asked[]): number {
  return questions.length - new Set(questions.map(questionKey)).size;
}

/** Those of `questions` that are in `others`, too: a test set should share none with train. */
export function sharedWith<T extends Asked>(questions: readonly T[], others: readonly Asked[]): T[] {
  const known = new Set(others.map(questionKey));
  return questions.filter((question) => known.has(questionKey(question)));
}
