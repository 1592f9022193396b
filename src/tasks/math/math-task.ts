// How a data set's records read -> a Task: questions with short answers, steps as lines.
import { SipfError } from '../../errors.ts';
import { numberText } from '../../io/exact-json.ts';
import { renameHint } from '../../io/field-names.ts';
import type { Question } from '../../records.ts';
import { type Graded, type Task, wrong } from '../../task.ts';
import type { DataRecord } from '../data/data-files.ts';
import { short } from '../data/data-text.ts';
import { loadsSet, type QuestionSet } from '../data/question-set.ts';
import { answerLine, questionPrompt, STOP_STRINGS, splitSteps, stepPieces } from '../text/steps.ts';
import { answerText, parseAnswer, sameAnswer } from './answer-values.ts';
import { type FoundAnswer, findAnswer, referenceAnswer } from './answers.ts';
import { letterOf, rightOption } from './choices.ts';
import { distinctPaths } from './distinct.ts';
import { equationsHold } from './equations.ts';
import { gradeChoice } from './grade-choice.ts';

/** What every task with number-like answers shares: format, steps, grading, duplicates. */
export const mathFormat = {
  prompt: ({ question }, shots) => questionPrompt(question, shots),
  pieces: stepPieces,
  split: splitSteps,
  stopStrings: STOP_STRINGS,
  gradedBy: 'answer',
  instruction: 'Solve the problem step by step, one step per line. End with a line "The answer is N".',
  grade: gradeMath,
  sameAnswer,
  distinct: distinctPaths,
  equationsHold,
  answerLine: statedAnswer,
} satisfies Omit<Task, 'name' | 'maxTokens' | 'load'>;

/** As solutions end: `The answer is`, ` 12\n`. Of a question with options, the letter of the right one. */
function statedAnswer({ answer, choices }: Question): readonly [string, string] {
  const stated = choices === undefined ? answer : letterOf(rightOption(choices, answer));
  const line = stepPieces([answerLine(stated)]).join('');
  const at = line.length - stated.length - 2;
  return [line.slice(0, at), line.slice(at)];
}

/**
 * Finds the answer as `findAnswer` says and compares it exactly. A text cut at the token limit counts only if it had stated its answer
 * already: the last number of a broken sentence is none, nor is one that a next digit would change.
 */
export function gradeMath(
  { answer, choices }: Pick<Question, 'answer' | 'choices'>,
  completion: string,
  finishReason: 'stop' | 'length',
): Graded {
  if (choices !== undefined) return gradeChoice({ answer, choices }, completion, finishReason);
  const found = findAnswer(completion);
  if (finishReason === 'length' && (!found?.explicit || mayGoOn(completion, found))) return wrong('truncated');
  if (found === null) return wrong('no-answer');
  const extracted = answerText(found.answer);
  const isRight = sameAnswer(extracted, referenceAnswer(answer) ?? '');
  return isRight ? { extracted, outcome: { kind: 'right' } } : wrong('other-answer', extracted);
}

/** True where the text ends within its answer: the 1 of `The answer is 1` may be the first digit of 18. */
function mayGoOn(completion: string, { answer }: FoundAnswer): boolean {
  const next = findAnswer(`${completion}0`);
  return next === null || answerText(next.answer) !== answerText(answer);
}

/** A Task over a data set whose answers are numbers or short texts. */
export function createMathTask({ maxTokens, ...set }: QuestionSet & Pick<Task, 'maxTokens'>): Task {
  return { maxTokens, ...mathFormat, ...loadsSet(set) };
}

/**
 * The text of a field, a number written out.
 * @throws SipfError 'bad-input' naming place and field where it is absent or empty.
 */
export function textField({ value, place }: DataRecord, field: string, expected: string): string {
  const found = value[field];
  const text = numberText(found) ?? found;
  if (typeof text === 'string' && text.trim() !== '') return text.trim();
  const isThere = text !== undefined;
  const got = isThere ? short(found) : `no such field among ${Object.keys(value).slice(0, 12).join(', ') || 'none'}`;
  const fix = (isThere ? '' : renameHint(value, field)) || ' Fix that record.';
  throw new SipfError('bad-input', `Expected ${expected} in ${place}, field "${field}", got ${got}.${fix}`);
}

/**
 * The canonical text of a gold answer.
 * @throws SipfError 'bad-input' where it is empty, or no number where one is needed.
 */
export function goldAnswer(text: string, record: DataRecord, field: string, kind: 'number' | 'any'): string {
  const answer = parseAnswer(text);
  if (answer !== null && (kind === 'any' || answer.kind === 'number')) return answerText(answer);
  throw new SipfError(
    'bad-input',
    `Expected ${kind === 'number' ? 'a number' : 'an answer'} in ${record.place}, field "${field}", got ${short(text)}. Fix that record.`,
  );
}
