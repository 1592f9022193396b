// A run and a round -> where the policy or the process reward model of that round is.
import { SipfError } from '../errors.ts';
import type { ModelSource } from '../records.ts';
import { outsideModels, sourceOf } from './models.ts';
import type { RunView } from './run-reader.ts';

export interface RunModel {
  readonly source: ModelSource;
  readonly iteration: number;
  /** Of weights and adapter. */
  readonly hash: string;
}

/**
 * The model of round `iteration`, or of the last round that has one.
 * @throws SipfError 'not-found' where there is none, naming the rounds that have one.
 * @example
 * const { source } = modelOfRun(await readRun('runs/first'), 'policy');
 */
export function modelOfRun(view: RunView, which: 'policy' | 'prm', iteration?: number): RunModel {
  const found = view.rounds.filter((round) => round[which] !== null);
  const round = iteration === undefined ? found.at(-1) : found.find((one) => one.iteration === iteration);
  const checkpoint = round?.[which]?.checkpoint;
  if (round !== undefined && checkpoint !== undefined) {
    const source = sourceOf(view.dir, outsideModels(view.config), checkpoint);
    return { source, iteration: round.iteration, hash: checkpoint.hash };
  }
  const what = which === 'policy' ? 'a trained policy' : 'a process reward model';
  const place = iteration === undefined ? view.dir : `round ${iteration} of ${view.dir}`;
  const rounds = found.map((one) => one.iteration).join(', ');
  const advice = rounds === '' ? 'Let the run go on, or name another one.' : `Rounds with one: ${rounds}.`;
  throw new SipfError('not-found', `Expected ${what} in ${place}, got none. ${advice}`);
}
