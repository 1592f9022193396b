// A question's samples and pairs.chosenGate -> which may not be chosen, though they may be right.
import type { Question, Sample } from '../records.ts';
import type { Task } from '../task.ts';
import { hasFalseEquation } from './exact-checks.ts';
import type { PairOptions } from './pair.ts';
import { isSound, stepTruth } from './step-truth.ts';
import { requireSignal } from './task-signals.ts';

type Gate = PairOptions['chosenGate'];
type IsRefused = (task: Task, question: Question, steps: readonly string[]) => boolean;

/** null: the gate does not look at steps. */
const REFUSES: Readonly<Record<Gate, IsRefused | null>> = {
  right: null,
  none: null,
  exact: hasFalseEquation,
  sound: (task, question, steps) => !isSound(true, stepTruth(task, question, steps)),
};

/**
 * The samples of a question that `gate` does not let be chosen or trained on, though they may be right.
 * @throws SipfError 'unsupported' where the gate checks steps and the task has nothing to check.
 * @example
 * const refused = refusedByGate('exact', task, { question, samples }); // ids of the paths with a false equation
 */
export function refusedByGate(
  gate: Gate,
  task: Task,
  { question, samples }: { readonly question: Question; readonly samples: readonly Sample[] },
): ReadonlySet<string> {
  const isRefused = REFUSES[gate];
  if (isRefused === null) return new Set();
  requireChecks(gate, task);
  return new Set(samples.filter(({ steps }) => isRefused(task, question, steps)).map(({ id }) => id));
}

/** @throws SipfError 'unsupported' where the gate checks steps and the task has nothing to check. */
export function requireChecks(gate: Gate, task: Task): void {
  if (REFUSES[gate] === null) return;
  const isKnown = ({ trueSteps }: Task) => gate === 'sound' && trueSteps !== undefined;
  for (const member of task.members ?? [task])
    if (!isKnown(member)) requireSignal(member, 'equations', `pairs.chosenGate ${gate}`);
}
