// Processes that grade one program at a time -> a sandbox with a queue, limits and replacement.
import { setMaxListeners } from 'node:events';
import { availableParallelism } from 'node:os';
import { SipfError, throwIfAborted } from '../errors.ts';
import { MOST } from '../limits.ts';
import { PROGRAM_SECONDS, type Program, type Sandbox, type Verdict, type WrongReason } from '../sandbox.ts';

/** What one process made of one program. `lost`: it ended without a word, and nothing is known of the program. */
export type Ran =
  | { readonly kind: 'verdict'; readonly verdict: Verdict }
  | { readonly kind: 'lost'; readonly detail: string };

export function wrong(reason: WrongReason, detail: string): Ran {
  return { kind: 'verdict', verdict: { kind: 'wrong', reason, detail } };
}

/** One process (or pair) with nothing in it of an earlier program. */
export interface Runner {
  /** It can take a program. */
  readonly usable: boolean;
  grade(program: Program, timeoutMs: number): Promise<Ran>;
  /** Ends it at once; a program in it is lost. */
  kill(): void;
}

export interface PoolOptions {
  /** Processes at the same time; default: one a core. */
  readonly workers?: number | undefined;
  /** Wall time of a program that names none, milliseconds; default 10,000. */
  readonly timeoutMs?: number | undefined;
}

/** A program that loses its process this often is an error. */
const TRIES = 3;

interface Slot {
  runner: Promise<Runner> | null;
  busy: boolean;
}

interface Waiting {
  readonly take: (slot: Slot) => void;
  readonly refuse: (error: Error) => void;
}

/** The state of one sandbox. */
export class Pool implements Sandbox {
  readonly #start: () => Promise<Runner>;
  readonly #describe: () => Promise<readonly string[]>;
  readonly #timeoutMs: number;
  readonly #slots: Slot[];
  readonly #waiting = new Set<Waiting>();
  #closed = false;

  constructor(start: () => Promise<Runner>, describe: () => Promise<readonly string[]>, options: PoolOptions) {
    const { workers = availableParallelism(), timeoutMs = 1000 * PROGRAM_SECONDS } = options;
    this.#start = start;
    this.#describe = describe;
    this.#timeoutMs = positive('timeoutMs', timeoutMs, 1000 * MOST.seconds);
    this.#slots = Array.from({ length: Math.floor(positive('workers', workers, MOST.workers)) }, () => ({
      runner: null,
      busy: false,
    }));
  }

  walls(): Promise<readonly string[]> {
    return this.#describe();
  }

  async grade(program: Program, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<Verdict> {
    const { signal } = options;
    throwIfAborted(signal);
    // Any number of programs may wait for one signal; without this the runtime takes them for a leak.
    if (signal !== undefined) setMaxListeners(0, signal);
    if (program.tests.length === 0)
      return { kind: 'error', fault: 'tests', detail: 'There are no tests: nothing can be said of the code.' };
    const timeoutMs = positive('timeoutMs', program.timeoutMs ?? this.#timeoutMs, 1000 * MOST.seconds);
    const slot = await this.#slot(signal);
    try {
      return await this.#gradeIn(slot, program, timeoutMs, signal);
    } finally {
      this.#free(slot);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const { refuse } of this.#waiting) refuse(closedError());
    this.#waiting.clear();
    await Promise.all(this.#slots.map((slot) => slot.runner?.then((runner) => runner.kill()).catch(() => {})));
  }

  async #gradeIn(slot: Slot, program: Program, timeoutMs: number, signal: AbortSignal | undefined): Promise<Verdict> {
    const details: string[] = [];
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const runner = await this.#runner(slot);
      throwIfAborted(signal);
      const stop = () => runner.kill();
      signal?.addEventListener('abort', stop);
      try {
        const graded = await runner.grade(program, timeoutMs);
        if (graded.kind === 'verdict') return graded.verdict;
        details.push(graded.detail);
      } finally {
        signal?.removeEventListener('abort', stop);
      }
      throwIfAborted(signal);
      if (this.#closed) throw closedError();
    }
    return { kind: 'error', detail: `The sandbox's process was lost ${TRIES} times: ${details.at(-1)}` };
  }

  /** The slot's process, a new one where there is none or it can take no more. */
  async #runner(slot: Slot): Promise<Runner> {
    if (this.#closed) throw closedError();
    const current = await slot.runner;
    if (current?.usable) return current;
    slot.runner = this.#start();
    try {
      return await slot.runner;
    } catch (error) {
      slot.runner = null;
      throw error;
    }
  }

  async #slot(signal: AbortSignal | undefined): Promise<Slot> {
    if (this.#closed) throw closedError();
    const free = this.#slots.find(({ busy }) => !busy);
    if (free) {
      free.busy = true;
      return free;
    }
    let leave = () => {};
    try {
      return await new Promise((take, refuse) => {
        const entry: Waiting = { take, refuse };
        leave = () => {
          this.#waiting.delete(entry);
          refuse(new SipfError('aborted', 'Stopped on request.'));
        };
        signal?.addEventListener('abort', leave);
        this.#waiting.add(entry);
      });
    } finally {
      signal?.removeEventListener('abort', leave);
    }
  }

  #free(slot: Slot): void {
    const [next] = this.#waiting;
    if (next === undefined) slot.busy = false;
    else {
      this.#waiting.delete(next);
      next.take(slot);
    }
  }
}

function positive(name: string, value: number, most: number): number {
  if (value > 0 && value <= most) return value;
  throw new SipfError(
    'bad-input',
    `Expected ${name} of the sandbox above 0 and at most ${most}, got ${value}. Give a number in that range.`,
  );
}

function closedError(): Error {
  return new SipfError('aborted', 'The sandbox is closed. Open another one to grade programs.');
}
