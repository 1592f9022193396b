// How a data set's records read -> a Task: questions with short answers, steps as lines.
import { SipfError } from '../../errors.ts';
import { numberText } from '../../io/exact-json.ts';
import { renameHint } from '../../io/field-names.ts';
import type { Question } from '../../records.ts';
import type { Graded, LoadOptions, Task } from '../../task.ts';
import { type DataRecord, type Layout, locateSplit, readRecords } from '../data/data-files.ts';
import { short } from '../data/data-text.ts';
import { type HubOptions, type HubSet, hubSplit } from '../data/hub-data.ts';
import { settleIds } from '../data/record-ids.ts';
import { type CutQuestion, partOf } from '../data/splits.ts';
import { questionPrompt, STOP_STRINGS, splitSteps, stepPieces } from '../text/steps.ts';
import { answerText, type FoundAnswer, findAnswer, parseAnswer, referenceAnswer, sameAnswer } from './answers.ts';
import { distinctPaths } from './distinct.ts';
import { checkEquations } from './equations.ts';
import { gradeChoice } from './grade-choice.ts';

/** One record, understood. `id` only where the data has its own. */
export interface ParsedRecord {
  readonly id?: string;
  readonly question: string;
  readonly answer: string;
  readonly solution?: readonly string[];
  /** Options that the question shows; `answer` is one of them. */
  readonly choices?: readonly string[];
}

interface MathTaskOptions {
  readonly layout: Layout;
  readonly maxTokens: number;
  /** null: on no hub; needs --data. */
  readonly hubSet: HubSet | null;
  readonly hub?: HubOptions | undefined;
  readonly parse: (record: DataRecord) => ParsedRecord;
  /** Puts records in a fixed order where files may list them in several. */
  readonly order?: (a: DataRecord, b: DataRecord) => number;
}

/** What every task with number-like answers shares: format, steps, grading, duplicates. */
export const mathFormat = {
  prompt: ({ question }, shots) => questionPrompt(question, shots),
  pieces: stepPieces,
  split: splitSteps,
  stopStrings: STOP_STRINGS,
  gradedBy: 'answer',
  instruction: 'Solve the problem step by step, one step per line. End with a line "The answer is N".',
  grade: gradeMath,
  distinct: distinctPaths,
  hasFalseEquation: (steps) => checkEquations(steps.join('\n')).some(({ holds }) => holds === false),
} satisfies Omit<Task, 'name' | 'maxTokens' | 'load'>;

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
  if (finishReason === 'length' && (!found?.explicit || mayGoOn(completion, found))) {
    return { extracted: null, outcome: { kind: 'wrong', reason: 'truncated' } };
  }
  if (found === null) return { extracted: null, outcome: { kind: 'wrong', reason: 'no-answer' } };
  const extracted = answerText(found.answer);
  const isRight = sameAnswer(extracted, referenceAnswer(answer) ?? '');
  return { extracted, outcome: isRight ? { kind: 'right' } : { kind: 'wrong', reason: 'other-answer' } };
}

/** True where the text ends within its answer: the 1 of `The answer is 1` may be the first digit of 18. */
function mayGoOn(completion: string, { answer }: FoundAnswer): boolean {
  const next = findAnswer(`${completion}0`);
  return next === null || answerText(next.answer) !== answerText(answer);
}

/**
 * A Task over a data set in files or on the hub.
 * @throws SipfError 'bad-input', from load, for a split or data that the set does not have.
 */
export function createMathTask({ layout, maxTokens, hubSet, hub, parse, order }: MathTaskOptions): Task {
  const { name } = layout;
  return {
    name,
    maxTokens,
    testOnly: layout.testOnly,
    ownData: layout.ownData === true,
    cutsFiles: true,
    ...mathFormat,
    async load(options) {
      if (layout.testOnly && options.split !== 'test') {
        throw new SipfError(
          'bad-input',
          `Expected --split test for ${name}, which is a test set only, got ${options.split}. Train on another task.`,
        );
      }
      if (options.data === undefined && hubSet === null) {
        throw new SipfError(
          'bad-input',
          `Expected --data for the task ${name}, which is on no hub, got none. Name its file or folder.`,
        );
      }
      const found =
        options.data === undefined
          ? await hubSplit(hubSet!, options.split, layout, hub)
          : await locateSplit(options.data, options, layout);
      const records = await readRecords(found.files);
      if (order !== undefined) records.sort(order);
      const understood = records.map(parse);
      const ids = settleIds(
        understood.map(({ id }) => id),
        records,
        (record, position) => `${name}/${found.holds}/${order === undefined ? record.index : position}`,
      );
      const parsed = understood.map(({ id, question, answer, solution, choices }, position): CutQuestion => {
        const own = {
          id: ids[position] ?? '',
          task: name,
          question,
          answer,
          ...(solution ? { solution: [...solution] } : {}),
          ...(choices ? { choices: [...choices] } : {}),
        };
        return { question: own, ownId: id !== undefined };
      });
      return filterQuestions(partOf(parsed, found), options);
    },
  };
}

/**
 * `maxGoldSteps` first, then `limit`.
 * @throws SipfError 'nothing-left' where nothing is left.
 */
export function filterQuestions(
  questions: readonly Question[],
  { maxGoldSteps, limit, split, data }: LoadOptions,
): Question[] {
  const short =
    maxGoldSteps === undefined
      ? questions
      : questions.filter(({ solution }) => solution !== undefined && solution.length <= maxGoldSteps);
  if (short.length === 0) {
    const isEmpty = questions.length === 0;
    const got = isEmpty
      ? 'an empty file'
      : `${questions.length} questions, none with a worked solution of at most ${maxGoldSteps} steps`;
    throw new SipfError(
      'nothing-left',
      `Expected ${split} questions in ${data ?? 'the data set'}, got ${got}. ${isEmpty ? 'Name' : 'Raise task.maxGoldSteps (null: any number of steps, solutions or none), or name'} other data.`,
    );
  }
  return limit === undefined ? [...short] : short.slice(0, limit);
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
