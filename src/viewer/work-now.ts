// The events and the journals of a run -> what it does now, and how far that is.
import { stat } from 'node:fs/promises';
import { z } from 'zod';
import type { Config } from '../config/schema.ts';
import { SipfError } from '../errors.ts';
import type { LoggedEvent } from '../run/events.ts';
import { journalPath } from '../run/journal.ts';
import { checkLock } from '../run/lock.ts';
import type { RunHead } from './api.ts';
import { Tail } from './tail.ts';

type NowConfig = Pick<Config, 'sampling' | 'prompt'>;
type Now = NonNullable<RunHead['now']>;
type Begun = Now & { readonly stage: string };

const BETWEEN: Now = { stage: null, iteration: 0, done: null, total: null };

/** What a training says of one of its steps. */
const Step = z.object({ step: z.number(), steps: z.number() });

/** The stage that events began last and did not end. */
export class StageNow {
  /** `done` and `total`: of a training, which counts its steps itself. */
  now: Begun | null = null;

  add({ type, stage, iteration, data }: LoggedEvent): void {
    if (type === 'run' || type === 'stage-end' || type === 'error') this.now = null;
    if (stage === undefined) return;
    if (type === 'stage-start') this.now = { stage, iteration, done: null, total: null };
    const step = type === 'train-step' ? Step.safeParse(data) : null;
    if (step?.success) this.now = { stage, iteration, done: step.data.step + 1, total: step.data.steps };
  }
}

/** How far a run that has a writer is. */
export class WorkNow {
  readonly #dir: string;
  #journal: { readonly tail: Tail; readonly path: string } | null = null;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** null: nothing runs. `begun`: as events tell it; null: no stage. `questions`: how many the run asks. */
  async read(begun: Begun | null, config: NowConfig, questions: number): Promise<Now | null> {
    if (!(await isAtWork(this.#dir))) return null;
    if (begun === null) return BETWEEN;
    if (begun.total !== null) return begun;
    const { iteration, stage } = begun;
    // Numbered stages are a round's.
    const folder = /^\d-/.test(stage) ? `iteration-${iteration}` : 'final';
    const done = await this.#units(journalPath(this.#dir, { folder, name: stage, iteration }));
    return { stage, iteration, done, total: stage === '1-samples' ? unitsOfSamples(config, questions) : null };
  }

  /** Units in a journal, its first line apart; null: there is none. */
  async #units(path: string): Promise<number | null> {
    if ((await stat(path).catch(() => null)) === null) return null;
    if (this.#journal?.path !== path) this.#journal = { tail: new Tail(path), path };
    return Math.max(0, (await this.#journal.tail.count()) - 1);
  }
}

/** null: questions that the prompt shows as examples are not asked, and the index does not know them. */
function unitsOfSamples({ sampling, prompt }: NowConfig, questions: number): number | null {
  const asked = Math.min(sampling.questions ?? questions, questions);
  return prompt.shots === 0 ? Math.ceil(asked / sampling.unit) : null;
}

async function isAtWork(dir: string): Promise<boolean> {
  try {
    await checkLock(dir);
    return false;
  } catch (error) {
    if (error instanceof SipfError && error.code === 'locked') return true;
    throw error;
  }
}
