// Jobs that depend on each other -> all of them done, some at a time.
import { messageOf, throwIfAborted } from '../errors.ts';

export interface Job {
  readonly name: string;
  /** Jobs that must have ended, well or not. */
  readonly after: readonly string[];
  /** @throws SipfError or Error where it failed. */
  readonly run: (signal: AbortSignal) => Promise<void>;
}

interface RunJobsOptions {
  /** At most this many at once. */
  readonly parallel: number;
  readonly signal: AbortSignal;
  readonly onFailure: (name: string, message: string) => void;
}

/**
 * Runs every job once those it waits for have ended; a failed job does not stop the others.
 * @throws SipfError 'aborted' when all running ones have stopped.
 */
export async function runJobs(jobs: readonly Job[], { parallel, signal, onFailure }: RunJobsOptions): Promise<void> {
  const waiting = [...jobs];
  const ended = new Set<string>();
  const running = new Map<string, Promise<void>>();
  const start = async ({ name, run }: Job): Promise<void> => {
    try {
      await run(signal);
    } catch (error) {
      if (!signal.aborted) onFailure(name, messageOf(error));
    }
    ended.add(name);
    running.delete(name);
  };
  for (;;) {
    while (running.size < parallel && !signal.aborted) {
      const at = waiting.findIndex(({ after }) => after.every((name) => ended.has(name)));
      const [job] = at === -1 ? [] : waiting.splice(at, 1);
      if (job === undefined) break;
      // Starts a tick later: a job that ends at once must not end before it is listed.
      running.set(
        job.name,
        Promise.resolve().then(() => start(job)),
      );
    }
    if (running.size === 0) break;
    await Promise.race(running.values());
  }
  throwIfAborted(signal);
  if (waiting.length > 0)
    throw new Error(`Jobs wait for others that do not exist: ${waiting.map(({ name }) => name)}.`);
}
