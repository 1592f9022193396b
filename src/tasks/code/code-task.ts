// How a data set's records read -> a Task whose answers are programs, graded by tests.
import { SipfError, sipfCommand } from '../../errors.ts';
import type { Question } from '../../records.ts';
import type { Sandbox, Verdict } from '../../sandbox.ts';
import { lazySandbox } from '../../sandboxes/lazy.ts';
import {
  type BrokenReference,
  type CheckOptions,
  GRADE_RETRIES,
  type Graded,
  type GradeOptions,
  gradeWithRetries,
  type Task,
  wrong,
} from '../../task.ts';
import { loadsSet, type QuestionSet } from '../data/question-set.ts';
import { promptWith } from '../text/steps.ts';
import { distinctPrograms } from './code-distinct.ts';
import { splitCode } from './code-steps.ts';
import { codeOf, codeRegion } from './code-text.ts';

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
    equationsHold: () => null,
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
  if (code === null) return wrong(isCut ? 'truncated' : 'no-answer');
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

/** A Task over a data set whose answers are programs. The sandbox opens before the first of them is graded, and never again. */
export function createCodeTask(set: QuestionSet, sandbox: () => Sandbox): Task {
  return { ...codeFormat(sandbox), ...loadsSet(set) };
}
