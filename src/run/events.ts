// What a long-running call says while it works -> callbacks; and what its events.jsonl says later.
import { z } from 'zod';

/** How far a stage is. `unit` names what is counted: questions, paths, steps ... `rate`: units a second, where the stage knows it. */
export interface ProgressEvent {
  readonly stage: string;
  readonly iteration: number;
  readonly done: number;
  readonly total: number;
  readonly unit: string;
  readonly rate?: number;
  /** What else is known of it now: the loss of a training. */
  readonly detail?: string;
}
export type OnProgress = (event: ProgressEvent) => void;

/** One thing that happened: a stage began or ended, an optimizer step, a warning. Written to events.jsonl with its time. */
export interface LogEvent {
  readonly type:
    | 'run'
    | 'questions'
    | 'stage-start'
    | 'stage-end'
    | 'stage-skipped'
    | 'storage'
    | 'train-step'
    | 'warning'
    | 'error'
    | 'counts';
  readonly stage?: string;
  readonly iteration?: number;
  readonly message?: string;
  readonly data?: Readonly<Record<string, unknown>>;
}
export type Log = (event: LogEvent) => void;

/** `round 1 3-prm`, `final start-answers`: a stage in words. Numbered stages are a round's, the others come after the last one. */
export function stageTitle(stage: string, iteration: number): string {
  return /^\d-/.test(stage) ? `round ${iteration} ${stage}` : `final ${stage}`;
}

const Logged = z.object({
  time: z.string(),
  type: z.string(),
  iteration: z.number().default(0),
  stage: z.string().optional(),
  data: z.unknown().optional(),
});
export type LoggedEvent = z.infer<typeof Logged>;

/** Seconds by `iteration/stage` from the text of an events.jsonl. */
export function stageSeconds(events: string): Map<string, number> {
  const clock = new StageClock();
  for (const event of eventsIn(events)) clock.add(event);
  return clock.seconds();
}

/**
 * Adds up the times of stages as events come. Unfinished stages count too: they were begun again later. One that was killed counts until the
 * last event before the next start.
 */
export class StageClock {
  readonly #spent = new Map<string, number>();
  /** Milliseconds. */
  #open: { readonly key: string; readonly from: number; last: number } | null = null;

  add({ type, time, iteration, stage }: LoggedEvent): void {
    const at = Date.parse(time);
    if (type === 'run' || type === 'stage-start') this.#close();
    if (this.#open !== null) this.#open.last = at;
    if (type === 'stage-start' && stage !== undefined)
      this.#open = { key: `${iteration}/${stage}`, from: at, last: at };
    if (type === 'stage-end') this.#close();
  }

  /** By `iteration/stage`; of the open stage those up to its last event. */
  seconds(): Map<string, number> {
    const spent = new Map(this.#spent);
    if (this.#open !== null) spent.set(...this.#withOpen(this.#open));
    return spent;
  }

  #close(): void {
    if (this.#open !== null) this.#spent.set(...this.#withOpen(this.#open));
    this.#open = null;
  }

  #withOpen({ key, from, last }: { readonly key: string; readonly from: number; readonly last: number }) {
    return [key, (this.#spent.get(key) ?? 0) + (last - from) / 1000] as const;
  }
}

/** The events of an events.jsonl. Lines that a kill cut short are passed over. */
export function eventsIn(text: string): LoggedEvent[] {
  return text.split('\n').flatMap((line) => {
    try {
      return [Logged.parse(JSON.parse(line))];
    } catch {
      return [];
    }
  });
}
