// events.jsonl of a run, read on as it grows -> times of stages, steps of trainings, the stage now.
import { join } from 'node:path';
import { eventsIn, StageClock } from '../run/events.ts';
import { LoggedTrainings } from './queries/training.ts';
import { Tail } from './tail.ts';
import { StageNow } from './work-now.ts';

const nothing = () => ({ clock: new StageClock(), trainings: new LoggedTrainings(), stage: new StageNow() });

/** What the events of a run have told so far. Nothing is read before `refresh`. */
export class RunEvents {
  readonly #tail: Tail;
  #told = nothing();

  constructor(dir: string) {
    this.#tail = new Tail(join(dir, 'events.jsonl'));
  }

  /** Reads what came since. @throws SipfError 'bad-input' where the file cannot be read. */
  async refresh(): Promise<void> {
    const { lines, isNew } = await this.#tail.lines();
    if (isNew) this.#told = nothing();
    for (const event of eventsIn(lines.join('\n'))) for (const part of Object.values(this.#told)) part.add(event);
  }

  /** Of each stage, by `iteration/stage`. */
  get seconds(): ReadonlyMap<string, number> {
    return this.#told.clock.seconds();
  }

  get trainings(): LoggedTrainings {
    return this.#told.trainings;
  }

  /** The stage that began last and did not end. */
  get now(): StageNow['now'] {
    return this.#told.stage.now;
  }
}
