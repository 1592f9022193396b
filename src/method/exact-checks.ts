// The steps of a path -> which of them a false equation spoils; which tasks can be checked so.
import { SipfError } from '../errors.ts';
import type { Question, Sample } from '../records.ts';
import { type Task, taskOf } from '../task.ts';
import type { PairOptions } from './pair.ts';
import { isSound, stepTruth } from './step-truth.ts';

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

/**
 * Refuses tasks without equations: a check that can find nothing would pass every path.
 * @throws SipfError 'unsupported' naming `setting`, where a task's answers are programs.
 */
export function requireEquations(task: Task, setting: string): void {
  const without = (task.members ?? [task]).find(({ gradedBy }) => gradedBy === 'tests');
  if (without === undefined) return;
  throw new SipfError(
    'unsupported',
    `Expected a task with equations for ${setting}, got ${without.name}, whose answers are programs. Change that setting.`,
  );
}

/**
 * Refuses a calculator where no answer is a text: it writes into texts alone, and in a mixture leaves programs as they are.
 * @throws SipfError 'unsupported' naming `setting`.
 */
export function requireTexts(task: Task, setting: string): void {
  const texts = (task.members ?? [task]).find(({ gradedBy }) => gradedBy === 'answer');
  requireEquations(texts ?? task, setting);
}

/**
 * The samples of a question that `gate` does not let be chosen or trained on, though they may be right.
 * @throws SipfError 'unsupported' where the gate checks steps and the task has nothing to check.
 * @example
 * const refused = refusedByGate('exact', task, { question, samples }); // ids of the paths with a false equation
 */
export function refusedByGate(
  gate: PairOptions['chosenGate'],
  task: Task,
  { question, samples }: { readonly question: Question; readonly samples: readonly Sample[] },
): ReadonlySet<string> {
  const isRefused = REFUSES[gate];
  if (isRefused === null) return new Set();
  requireChecks(gate, task);
  return new Set(samples.filter(({ steps }) => isRefused(task, question, steps)).map(({ id }) => id));
}

/** @throws SipfError 'unsupported' where the gate checks steps and the task has nothing to check. */
export function requireChecks(gate: PairOptions['chosenGate'], task: Task): void {
  const setting = `pairs.chosenGate ${gate}`;
  if (gate === 'exact') requireEquations(task, setting);
  if (gate !== 'sound') return;
  for (const member of task.members ?? [task]) if (member.trueSteps === undefined) requireEquations(member, setting);
}

type IsRefused = (task: Task, question: Question, steps: readonly string[]) => boolean;

const REFUSES: Readonly<Record<PairOptions['chosenGate'], IsRefused | null>> = {
  right: null,
  none: null,
  exact: (task, question, steps) => spoiledSteps(task, question, steps).includes(true),
  sound: (task, question, steps) => !isSound(true, stepTruth(task, question, steps)),
};
