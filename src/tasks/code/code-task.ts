// How a data set's records read -> a Task whose answers are programs, graded by tests.
import { SipfError, sipfCommand } from '../../errors.ts';
import type { CodeTests, Question } from '../../records.ts';
import type { Sandbox, Verdict } from '../../sandbox.ts';
import { lazySandbox } from '../../sandboxes/lazy.ts';
import {
  type BrokenReference,
  type CheckOptions,
  GRADE_RETRIES,
  type Graded,
  type GradeOptions,
  gradeWithRetries,
  type LoadOptions,
  type Task,
} from '../../task.ts';
import { type DataRecord, type Layout, locateSplit, readRecords } from '../data/data-files.ts';
import { type HubOptions, type HubSet, hubSplit } from '../data/hub-data.ts';
import { settleIds } from '../data/record-ids.ts';
import { type CutQuestion, partOf } from '../data/splits.ts';
import { filterQuestions } from '../math/math-task.ts';
import { promptWith } from '../text/steps.ts';
import { distinctPrograms } from './code-distinct.ts';
import { splitCode } from './code-steps.ts';
import { codeOf, codeRegion } from './code-text.ts';

/** One problem, understood. `id` only where the data has its own. */
export interface ParsedProblem {
  readonly id?: string;
  readonly question: string;
  readonly tests: CodeTests;
  /** The reference solution: a program, or what continues the prefix. */
  readonly solution?: string | undefined;
  readonly prefix?: string | undefined;
}

export interface CodeTaskOptions {
  readonly layout: Layout;
  readonly hubSet: HubSet | null;
  readonly hub?: HubOptions | undefined;
  /** Called before the first program is graded, and never again: no process starts earlier. */
  readonly sandbox: () => Sandbox;
  readonly parse: (record: DataRecord) => ParsedProblem;
  /** Of data whose records say their split: the records of `split`, and what they are for messages. */
  readonly belongs?: (question: Question, split: LoadOptions['split']) => boolean;
  readonly splitNames?: Readonly<Record<LoadOptions['split'], string>>;
}

const MAX_TOKENS = 512;
const MAX_DETAIL = 200;
/** References that are graded at a time. */
const AT_ONCE = 8;

/** Where a program has ended and something else begins. Only what hardly any solution contains: `codeOf` takes care of the rest. */
const STOP_STRINGS: readonly string[] = [
  'Question:',
  '[DONE]',
  '\nif __name__',
  '\nprint(',
  '\nassert ',
  '\n# Test',
  '\n# Example',
];

/** What every task with programs shares, with data of any form. Disposing it disposes the sandbox. */
export function codeFormat(makeSandbox: () => Sandbox) {
  const sandbox = lazySandbox(makeSandbox);
  const grade: Task['grade'] = (question, completion, finishReason, options) =>
    gradeCode(sandbox, question, { completion, finishReason }, options);
  return {
    maxTokens: MAX_TOKENS,
    gradedBy: 'tests',
    instruction: 'Write Python code that solves the problem. Answer with the code only, in one block.',
    stopStrings: STOP_STRINGS,
    prompt: promptWith,
    pieces: (steps) => [...steps],
    split: splitProgram,
    grade,
    brokenReferences: (questions, options) => brokenReferences(grade, questions, options),
    distinct: distinctPrograms,
    hasFalseEquation: () => false,
    async [Symbol.asyncDispose]() {
      await sandbox[Symbol.asyncDispose]();
    },
  } satisfies Omit<Task, 'name' | 'load'>;
}

/** The steps of a completion: those of the code in it; what stands before belongs to the first, what follows to the last. */
function splitProgram(completion: string): string[] {
  const { start, end } = codeRegion(completion);
  const steps = splitCode(completion.slice(start, end));
  const last = steps.length - 1;
  return steps.map(
    (step, i) => (i === 0 ? completion.slice(0, start) : '') + step + (i === last ? completion.slice(end) : ''),
  );
}

/** The program in the completion, graded by the question's tests. A text cut at the token limit is right or `truncated`. */
async function gradeCode(
  sandbox: Sandbox,
  { id, tests, prefix }: Question,
  { completion, finishReason }: { completion: string; finishReason: 'stop' | 'length' },
  { signal }: GradeOptions = {},
): Promise<Graded> {
  if (tests === undefined) {
    throw new SipfError('bad-input', `Expected tests in the question ${id}, got none. Give it the field tests.`);
  }
  const { setup, cases, entryPoint, names } = tests;
  const isCut = finishReason === 'length';
  const code = codeOf(completion, { entryPoint, prefix, finishReason });
  if (code === null) {
    return { extracted: null, outcome: { kind: 'wrong', reason: isCut ? 'truncated' : 'no-answer' } };
  }
  const program = {
    code,
    tests: cases,
    ...(setup === '' ? {} : { setup }),
    ...(entryPoint === null ? {} : { entryPoint }),
    ...(names === undefined ? {} : { names }),
  };
  const verdict = await sandbox.grade(program, { signal });
  return { extracted: code, outcome: outcomeOf(verdict, isCut) };
}

function outcomeOf(verdict: Verdict, isCut: boolean): Graded['outcome'] {
  if (verdict.kind === 'right') return { kind: 'right' };
  const detail = verdict.detail.length > MAX_DETAIL ? `${verdict.detail.slice(0, MAX_DETAIL)}…` : verdict.detail;
  if (verdict.kind === 'error') {
    return { kind: 'error', reason: detail, ...(verdict.fault === undefined ? {} : { fault: verdict.fault }) };
  }
  return { kind: 'wrong', reason: isCut ? 'truncated' : verdict.reason, ...(detail === '' ? {} : { detail }) };
}

/**
 * The questions whose reference is not right by their own tests (or whose tests cannot be run on it).
 * @throws SipfError 'unsupported' where no reference could be graded at all, which is the sandbox's fault; 'bad-input' where it is the tests'.
 */
async function brokenReferences(
  grade: Task['grade'],
  questions: readonly Question[],
  { signal, onDone }: CheckOptions = {},
): Promise<BrokenReference[]> {
  const solved = questions.filter(({ solution }) => solution !== undefined);
  const found: Failed[] = [];
  const check = async (question: Question): Promise<Failed | null> => {
    const { id, solution = [] } = question;
    const given = { question, text: solution.join(''), finishReason: 'stop' } as const;
    const { outcome } = await gradeWithRetries({ grade }, given, GRADE_RETRIES, signal);
    if (outcome.kind === 'right') return null;
    if (outcome.kind === 'wrong') return { id, reason: outcome.reason, detail: outcome.detail ?? '', ofTests: false };
    return { id, reason: 'error', detail: outcome.reason, ofTests: outcome.fault === 'tests' };
  };
  for (let at = 0; at < solved.length; at += AT_ONCE) {
    const checked = await Promise.all(solved.slice(at, at + AT_ONCE).map(check));
    found.push(...checked.filter((one) => one !== null));
    onDone?.(Math.min(at + AT_ONCE, solved.length));
  }
  refuseIfNoneGraded(solved.length, found);
  return found.map(({ id, reason, detail }) => ({ id, reason, detail }));
}

interface Failed extends BrokenReference {
  /** The tests are at fault. */
  readonly ofTests: boolean;
}

/** Where every reference is an error, nothing is known of the references. */
function refuseIfNoneGraded(solved: number, found: readonly Failed[]): void {
  const errors = found.filter(({ reason }) => reason === 'error');
  if (solved === 0 || errors.length < solved) return;
  const [first] = errors;
  if (errors.every(({ ofTests }) => ofTests)) {
    const expected = `Expected tests that can grade the ${solved} reference solutions, got for each an error such as`;
    throw new SipfError('bad-input', `${expected}: ${first?.detail} Change the tests.`);
  }
  throw new SipfError(
    'unsupported',
    `Expected a sandbox that grades the ${solved} reference solutions, got for each an error such as: ${first?.detail}. Run the command again, or ${sipfCommand('doctor')}.`,
  );
}

/** A Task over a data set in files or on the hub. */
export function createCodeTask(options: CodeTaskOptions): Task {
  const { layout } = options;
  return {
    name: layout.name,
    testOnly: layout.testOnly,
    ownData: layout.ownData === true,
    cutsFiles: layout.splitInRecords !== true,
    ...codeFormat(options.sandbox),
    load: (wanted) => loadProblems(options, wanted),
  };
}

/**
 * The problems of a split, or of the set's own worked examples.
 * @throws SipfError 'bad-input' for a split or data that the set does not have, 'nothing-left' where no problem is left.
 */
export async function loadProblems(options: CodeTaskOptions, wanted: LoadOptions): Promise<Question[]> {
  const { layout, hubSet, hub, parse, belongs } = options;
  const { name } = layout;
  const { split, data } = wanted;
  if (layout.testOnly && split !== 'test') {
    throw new SipfError(
      'bad-input',
      `Expected --split test for ${name}, which is a test set only, got ${split}. Train on another task.`,
    );
  }
  if (data === undefined && hubSet === null) {
    throw new SipfError(
      'bad-input',
      `Expected --data for the task ${name}, which is on no hub, got none. Name its file or folder.`,
    );
  }
  const found =
    data === undefined ? await hubSplit(hubSet!, split, layout, hub) : await locateSplit(data, wanted, layout);
  const records = await readRecords(found.files);
  const understood = records.map(parse);
  const ids = settleIds(
    understood.map(({ id }) => id),
    records,
    ({ index }) => `${name}/${found.holds}/${index}`,
  );
  const parsed = understood.map(({ id, question, tests, solution, prefix }, position): CutQuestion => {
    const own = {
      id: ids[position] ?? '',
      task: name,
      question,
      answer: '',
      ...(solution === undefined ? {} : { solution: splitCode(programText(solution)) }),
      tests: { ...tests, cases: [...tests.cases] },
      ...(prefix === undefined ? {} : { prefix }),
    };
    return { question: own, ownId: id !== undefined };
  });
  const part = partOf(parsed, found);
  const own = belongs === undefined ? part : part.filter((question) => belongs(question, split));
  if (own.length === 0 && parsed.length > 0) {
    throw new SipfError(
      'nothing-left',
      `Expected ${options.splitNames?.[split] ?? `${split} problems`} in ${data ?? name}, got ${parsed.length} others. Name another --split or --data.`,
    );
  }
  return filterQuestions(own, wanted);
}

/** Line feeds only, one at the end. */
export function programText(code: string): string {
  return `${code.replace(/\r\n?/g, '\n').trimEnd()}\n`;
}
