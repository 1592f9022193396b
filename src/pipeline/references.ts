// Questions -> those whose reference solutions their own tests accept.
import { z } from 'zod';
import { SipfError } from '../errors.ts';
import { canonicalHash } from '../hashing.ts';
import type { Question } from '../records.ts';
import type { Counts } from '../reports.ts';
import type { Run } from '../run/run.ts';
import type { BrokenReference, CheckOptions, Task } from '../task.ts';

const Broken = z.array(z.object({ id: z.string(), reason: z.string(), detail: z.string() }));

/** Runs each reference solution, where the task can. A question with a broken one is left out: it would teach what is wrong, and nobody could answer it. */
export async function withoutBroken(
  task: Task,
  questions: readonly Question[],
  options: CheckOptions = {},
): Promise<{ kept: readonly Question[]; broken: readonly BrokenReference[] }> {
  const broken = (await task.brokenReferences?.(questions, options)) ?? [];
  return { kept: leaveOut(questions, broken), broken };
}

function leaveOut(questions: readonly Question[], broken: readonly BrokenReference[]): Question[] {
  const ids = new Set(broken.map(({ id }) => id));
  return questions.filter(({ id }) => !ids.has(id));
}

export function describeBroken(broken: readonly BrokenReference[], total: number): string {
  const shown = broken
    .slice(0, 5)
    .map(({ id, reason, detail }) => `${id} (${[reason, detail].filter(Boolean).join(': ')})`);
  const more = broken.length > shown.length ? ` and ${broken.length - shown.length} more` : '';
  return `${broken.length} of ${total} questions are left out, as their reference solutions fail their own tests: ${shown.join(', ')}${more}.`;
}

/** Questions whose references are run at a time, until one is found that can be used. */
const SOME = 32;

/**
 * Runs no more reference solutions than it takes to know that one can be used.
 * @throws SipfError 'nothing-left' where every one fails its own tests.
 */
export async function requireUsable(
  task: Task,
  questions: readonly Question[],
  options: CheckOptions = {},
): Promise<void> {
  if (task.brokenReferences === undefined) return;
  for (let at = 0; at < questions.length; at += SOME) {
    const some = questions.slice(at, at + SOME);
    if ((await task.brokenReferences(some, options)).length < some.length) return;
  }
  if (questions.length > 0) throw noneUsable(task, questions.length, 'Correct the solutions or the tests.');
}

function noneUsable({ name }: Task, total: number, advice: string): SipfError {
  return new SipfError(
    'nothing-left',
    `Expected questions of ${name} whose solutions pass their tests, got none of ${total}. ${advice}`,
  );
}

/**
 * Leaves out questions with broken references, once in a run: the result is a stage of its own, `0-references` and what `of` names it after;
 * its file of excluded questions says which and why. `counts: null`: the task cannot run solutions, and there is no such stage.
 * @throws SipfError 'nothing-left' where none is left.
 */
export async function checkReferences(
  run: Run,
  task: Task,
  questions: readonly Question[],
  of = '',
): Promise<{ kept: readonly Question[]; counts: Counts | null }> {
  if (task.brokenReferences === undefined) return { kept: questions, counts: null };
  const stage = { folder: 'iteration-0', name: `0-references${of}`, iteration: 0 };
  const file = `0-excluded${of}.jsonl`;
  const body = async (): Promise<BrokenReference[]> => {
    const onDone = (done: number) =>
      run.onProgress({ stage: stage.name, iteration: 0, done, total: questions.length, unit: 'solutions' });
    const { broken } = await withoutBroken(task, questions, { signal: run.signal, onDone });
    await run.writeRecords(stage, file, broken);
    if (broken.length > 0) run.warn(describeBroken(broken, questions.length), stage);
    return [...broken];
  };
  const inputs = { questions: canonicalHash(questions) };
  const broken = await run.once({ stage, inputs, outputs: [file], result: Broken, body });
  const kept = leaveOut(questions, broken);
  if (kept.length > 0) return { kept, counts: { questions: questions.length, excluded: broken.length } };
  throw noneUsable(task, questions.length, `See ${run.path(stage.folder, file)}.`);
}
