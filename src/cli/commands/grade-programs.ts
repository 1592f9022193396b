// A line with a program and its tests, or with a problem's id and a completion -> a verdict.
import { z } from 'zod';
import { SipfError } from '../../errors.ts';
import { jsonText } from '../../io/exact-json.ts';
import { RecordId, type Row } from '../../io/jsonl.ts';
import type { Outcome, Question } from '../../records.ts';
import type { Sandbox, Verdict } from '../../sandbox.ts';
import { GRADE_RETRIES, gradeWithRetries, type Task } from '../../task.ts';

export const ProgramLine = z.looseObject({
  id: RecordId,
  /** Run as it is. */
  code: z.string().optional(),
  tests: z.union([z.array(z.string()).min(1), z.string()]).optional(),
  setup: z.string().nullish(),
  entry_point: z.string().nullish(),
  /** A problem of the task's data, and what a model wrote (the program is read out of it). */
  task_id: RecordId.optional(),
  completion: z.string().optional(),
});
export type ProgramLine = z.infer<typeof ProgramLine>;

interface ProgramGrade {
  readonly id: RecordId;
  readonly correct: boolean | null;
  readonly verdict: 'right' | 'wrong' | 'error';
  /** Why it is wrong; null otherwise. */
  readonly reason: string | null;
  readonly detail: string | null;
}

interface ProgramGraderArgs {
  readonly task: Task;
  readonly data: string | undefined;
  readonly sandbox: Sandbox;
  readonly signal: AbortSignal;
}

/**
 * Grades one line after the other or several at a time; the task's problems are loaded with the first line that names one.
 * @throws SipfError 'bad-input', from the grader, naming line and field.
 */
export function programGrader({ task, data, sandbox, signal }: ProgramGraderArgs) {
  let problems: Promise<Map<string, Question>> | null = null;
  const retried = async (by: Pick<Task, 'grade'>, question: Question, text: string): Promise<Outcome> =>
    (await gradeWithRetries(by, { question, text, finishReason: 'stop' }, GRADE_RETRIES, signal)).outcome;
  return async ({ index, place, value }: Row<ProgramLine>): Promise<ProgramGrade> => {
    const { code, tests, setup, entry_point: entryPoint } = value;
    if (code !== undefined) {
      if (tests === undefined) throw missing(place, 'tests', 'a list of tests');
      const program = {
        code,
        tests: typeof tests === 'string' ? [tests] : tests,
        ...(setup ? { setup } : {}),
        ...(entryPoint ? { entryPoint } : {}),
      };
      const run = {
        grade: async () => ({ extracted: code, outcome: outcomeOf(await sandbox.grade(program, { signal })) }),
      };
      return gradeOf(value.id ?? index, await retried(run, NO_QUESTION, code));
    }
    if (value.task_id === undefined || value.task_id === null)
      throw missing(place, 'code', 'a program (or task_id and completion)');
    if (value.completion === undefined) throw missing(place, 'completion', 'a text');
    problems ??= loadProblems(task, data);
    const known = await problems;
    const question = known.get(keyOf(task, value.task_id));
    if (question === undefined) {
      throw new SipfError(
        'bad-input',
        `${place}, field "task_id": Expected the id of one of ${known.size} problems of ${task.name}, got ${jsonText(value.task_id)}. Fix that line, or give their --data.`,
      );
    }
    return gradeOf(value.id ?? value.task_id, await retried(task, question, value.completion));
  };
}

/** A program that brings its tests answers no question of a task. */
const NO_QUESTION: Question = { id: '', task: '', question: '', answer: '' };

function outcomeOf(verdict: Verdict): Outcome {
  if (verdict.kind !== 'error') return verdict;
  const { detail, fault } = verdict;
  return { kind: 'error', reason: detail, ...(fault === undefined ? {} : { fault }) };
}

function gradeOf(id: RecordId, outcome: Outcome): ProgramGrade {
  if (outcome.kind === 'right') return { id, correct: true, verdict: 'right', reason: null, detail: null };
  if (outcome.kind === 'error') return { id, correct: null, verdict: 'error', reason: null, detail: outcome.reason };
  return { id, correct: false, verdict: 'wrong', reason: outcome.reason, detail: outcome.detail ?? null };
}

function missing(place: string, field: string, expected: string): SipfError {
  return new SipfError('bad-input', `${place}, field "${field}": Expected ${expected}, got nothing. Fix that line.`);
}

/** Every problem of the task's data, of any split. */
async function loadProblems(task: Task, data: string | undefined): Promise<Map<string, Question>> {
  const splits = task.testOnly === true ? (['test'] as const) : (['test', 'train', 'valid'] as const);
  const problems = new Map<string, Question>();
  let failure: unknown = null;
  for (const split of splits) {
    try {
      for (const question of await task.load({ data, split })) problems.set(keyOf(task, question.id), question);
    } catch (error) {
      // Data may hold one split only.
      failure ??= error;
    }
  }
  const examples = problems.size === 0 ? [] : ((await task.examples?.({ data }).catch(() => [])) ?? []);
  for (const question of examples) problems.set(keyOf(task, question.id), question);
  if (problems.size === 0) throw failure;
  return problems;
}

/** `11`, `mbpp/11` and `Mbpp/11` are one. */
function keyOf({ name }: Task, id: RecordId): string {
  const text = String(id).toLowerCase();
  return text.startsWith(`${name}/`) ? text.slice(name.length + 1) : text;
}
