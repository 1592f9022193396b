// The steps of a path and its task -> which are true by exact checks; remembered as a byte a path.
import { SipfError } from '../../errors.ts';
import { knowsSteps, type StepTruth, stepTruth } from '../../method/step-truth.ts';
import type { RunIndex } from '../../pipeline/run-index/run-index.ts';
import type { Question } from '../../records.ts';
import type { Task } from '../../task.ts';

const UNKNOWN = 0;
const SOUND = 1;
const FALSE_STEP = 2;

/** Exact checks take a path's text and some microseconds a step, so they are made when a list or a page needs them. */
export class PathTruth {
  readonly #index: RunIndex;
  readonly #task: Task | null;
  #tables: RunIndex['tables'] | null = null;
  #known = new Uint8Array();

  /** @param task null: nothing is checked. */
  constructor(index: RunIndex, task: Task | null) {
    this.#index = index;
    this.#task = task;
  }

  /** Of each step. */
  of(question: Question, steps: readonly string[]): StepTruth[] {
    const nothing = steps.map(() => null);
    return this.#asked((task) => stepTruth(task, question, steps)) ?? nothing;
  }

  /** Whether the task knows each true step; false: equations alone are checked, or nothing. */
  knowsSteps(question: Question, steps: readonly string[]): boolean {
    return this.#asked((task) => knowsSteps(task, question, steps)) ?? false;
  }

  /** null: there is no task, or the question is another one's, and nothing checks its steps. */
  #asked<T>(ask: (task: Task) => T): T | null {
    if (this.#task === null) return null;
    try {
      return ask(this.#task);
    } catch (error) {
      if (error instanceof SipfError) return null;
      throw error;
    }
  }

  /** Whether the path of a row has a false step; null: it was not checked yet. */
  hasFalseStep(row: number): boolean | null {
    const known = this.#column()[row];
    return known === UNKNOWN ? null : known === FALSE_STEP;
  }

  check(row: number, question: Question, steps: readonly string[]): boolean {
    const found = this.of(question, steps).includes(false);
    this.#column()[row] = found ? FALSE_STEP : SOUND;
    return found;
  }

  /** Long enough for the rows of the index as it is now; empty again where the index began anew. */
  #column(): Uint8Array {
    const { tables } = this.#index;
    const isOld = this.#tables !== tables;
    if (isOld || this.#known.length < tables.ids.size) {
      const longer = new Uint8Array(tables.ids.size);
      if (!isOld) longer.set(this.#known);
      this.#known = longer;
      this.#tables = tables;
    }
    return this.#known;
  }
}
