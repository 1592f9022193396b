// Calls of many callers, at any time -> their completions, drawn together in one batch.
import { setImmediate as nextEvents } from 'node:timers/promises';
import type { Completion, DrawnToken, GenerateRequest, SharedDrawOptions } from '../backend.ts';
import { SipfError, throwIfAborted } from '../errors.ts';
import { type Generator, Scheduler } from './scheduler.ts';

/** Runs work when nobody else uses the model. */
export type Turn = <T>(work: () => Promise<T>) => Promise<T>;

/** A call whose requests have not all ended. */
interface Call extends SharedDrawOptions {
  /** Its requests by the scheduler's ids, and their completions so far. */
  readonly requests: ReadonlyMap<string, GenerateRequest>;
  readonly completions: Map<string, Completion>;
  /** What the last decode step drew for it. */
  drawn: DrawnToken[];
  readonly resolve: (completions: Completion[]) => void;
  readonly reject: (thrown: unknown) => void;
}

/** One scheduler for all calls. Each decode step takes a turn of its own, so that other work comes between two steps. */
export class SharedDraws implements Disposable {
  readonly #open: () => Generator;
  readonly #turn: Turn;
  readonly #calls = new Set<Call>();
  #scheduler: Scheduler | undefined;
  #isRunning = false;
  #requests = 0;

  /** @param open the model with a cache that nobody else uses; called at the first draw. */
  constructor(open: () => Generator, turn: Turn) {
    this.#open = open;
    this.#turn = turn;
  }

  /**
   * Completions of `requests`, in their order.
   * @throws SipfError 'bad-input' when a context is empty or too long, or options are out of range; 'aborted' when the signal fires.
   */
  async draw(requests: readonly GenerateRequest[], options: SharedDrawOptions = {}): Promise<Completion[]> {
    const { signal, caller = '' } = options;
    throwIfAborted(signal);
    if (requests.length === 0) return [];
    this.#scheduler ??= new Scheduler(this.#open());
    const scheduler = this.#scheduler;
    const named = new Map(requests.map((request) => [`${this.#requests++}`, request]));
    const [onAbort, completions] = [new AbortController(), new Map<string, Completion>()];
    const finished = new Promise<Completion[]>((resolve, reject) => {
      const call: Call = { ...options, requests: named, completions, drawn: [], resolve, reject };
      const onToken = (token: DrawnToken) => void call.drawn.push(token);
      const submitted = [...named].map(([id, request]) => ({ ...request, id }));
      scheduler.submit(submitted, { caller, ...(options.onTokens ? { onToken } : {}) });
      this.#calls.add(call);
      signal?.addEventListener('abort', () => this.#cancel(call), { once: true, signal: onAbort.signal });
    });
    void this.#run();
    return finished.finally(() => onAbort.abort());
  }

  #cancel(call: Call): void {
    if (!this.#calls.delete(call)) return;
    for (const id of call.requests.keys()) this.#scheduler?.cancel(id);
    call.reject(new SipfError('aborted', 'Stopped on request.'));
  }

  /** Steps until nothing is left. A step that fails ends every call: nobody knows what the slots hold. */
  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      while (this.#scheduler?.busy) {
        const scheduler = this.#scheduler;
        this.#tell(await this.#turn(() => scheduler.step()));
        await nextEvents();
      }
    } catch (thrown) {
      this.#end(thrown);
    } finally {
      this.#isRunning = false;
    }
  }

  #tell(finished: readonly Completion[]): void {
    for (const call of this.#calls) {
      const drawn = call.drawn.map((token) => ({ ...token, id: call.requests.get(token.id)?.id ?? token.id }));
      call.drawn = [];
      if (drawn.length > 0) call.onTokens?.(drawn);
      for (const completion of finished) {
        if (call.requests.has(completion.id)) call.completions.set(completion.id, completion);
      }
      if (call.completions.size === call.requests.size) this.#finish(call);
    }
  }

  #finish(call: Call): void {
    this.#calls.delete(call);
    const all = [...call.requests].map(([id, request]) => ({ ...call.completions.get(id)!, id: request.id }));
    call.resolve(all);
  }

  #end(thrown: unknown): void {
    for (const call of this.#calls) call.reject(thrown);
    this.#calls.clear();
    this.#scheduler?.[Symbol.dispose]();
    this.#scheduler = undefined;
  }

  /** Gives up the slots; calls that are left fail. */
  [Symbol.dispose](): void {
    this.#end(new Error('The model is closed.'));
  }
}
