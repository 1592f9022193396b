// Jobs that depend on each other -> `sipf run` in child processes, some at a time.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { messageOf, SipfError, throwIfAborted } from '#sipf/errors.js';

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

interface ChildRunArgs {
  readonly out: string;
  readonly config: string;
  readonly fromRun: string | undefined;
  readonly signal: AbortSignal;
  /** Each line that the child says. */
  readonly onLine: (line: string) => void;
}

/** `sipf run --config FILE --out DIR` in a process of its own. @throws SipfError with the child's own message where it fails. */
export async function runInChild({ out, config, fromRun, signal, onLine }: ChildRunArgs): Promise<void> {
  const main = fileURLToPath(import.meta.resolve('#sipf/cli/main.js'));
  const args = [main, 'run', '--out', out, '--config', config];
  if (fromRun !== undefined) args.push('--from-run', fromRun);
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  // On a terminal the child has had the Ctrl-C itself, and takes this for the same one.
  const stop = () => child.kill('SIGINT');
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  const last: string[] = [];
  try {
    const closed = new Promise<{ code: number | null; by: string | null }>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, by) => resolve({ code, by }));
    });
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (line.trim() === '') return;
      last.push(line);
      if (last.length > 30) last.shift();
      onLine(line);
    });
    const { code, by } = await closed;
    throwIfAborted(signal);
    if (code !== 0)
      throw new SipfError('bad-input', failureOf(last, code === null ? `signal ${by}` : `exit code ${code}`));
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** From the child's `sipf: ...` line on; without one, its last lines. */
function failureOf(lines: readonly string[], end: string): string {
  const at = lines.findLastIndex((line) => line.startsWith('sipf: '));
  const said = at === -1 ? lines.slice(-5) : lines.slice(at);
  return `${said.join('\n').replace(/^sipf: /, '')} (${end})`;
}
