// The process's streams, signals and clock -> what a command may use of them. Leaves commands and exit codes to main.ts.
import { once } from 'node:events';
import picocolors from 'picocolors';
import { SipfError } from '../errors.ts';
import type { OnProgress } from '../progress.ts';
import { type Progress, type ProgressOptions, startProgress } from './progress.ts';

export type Colors = ReturnType<typeof picocolors.createColors>;

export interface Terminal {
  /** Fires on the first Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
  /** Results: one line on stdout, waiting while the reader is slow. */
  print(line: string): Promise<void>;
  /** Everything else: one line on stderr. */
  log(line: string): void;
  /** What the user should know and look at. */
  warn(message: string): void;
  progress(options: ProgressOptions): Progress;
  /** Draws the stages of a long call one after the other; `end` closes the last. */
  stages(): { readonly onProgress: OnProgress; end(): void };
  /** Off where stdout is no terminal or NO_COLOR is set. */
  readonly colors: Colors;
  /** Width of stdout in characters; 100 where it is no terminal. */
  readonly columns: number;
  now(): number;
}

/** A second Ctrl-C sooner than this is the same one: npm passes on what the terminal has sent already. */
const SAME_SIGNAL_MS = 400;

export interface Interrupts {
  readonly signal: AbortSignal;
  /** 130 after Ctrl-C, 143 after SIGTERM, null: no signal came. */
  exitCode(): number | null;
}

/** The first SIGINT or SIGTERM fires the signal; a second one ends the process at once. */
export function listenForInterrupts(log: (line: string) => void): Interrupts {
  const controller = new AbortController();
  let first = 0;
  let code: number | null = null;
  const onSignal = (name: NodeJS.Signals) => {
    const now = Date.now();
    if (code === null) {
      first = now;
      code = name === 'SIGINT' ? 130 : 143;
      log('\nStopping cleanly. Press Ctrl-C again to stop at once.');
      controller.abort(new SipfError('aborted', 'Stopped on request. Run the same command again to go on.'));
    } else if (now - first > SAME_SIGNAL_MS) {
      // The signal's own effect: process.exit would wait for the engine's thread.
      process.removeAllListeners(name);
      process.kill(process.pid, name);
    }
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return { signal: controller.signal, exitCode: () => code };
}

/** The real terminal. Ends the process quietly when the reader of stdout goes away. */
export function openTerminal(signal: AbortSignal): Terminal {
  const { stdout, stderr } = process;
  // Results that cannot be written are lost: better to stop than to go on for hours.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    stderr.write(`sipf: Expected to write to stdout, got ${error.code ?? error.message}. Send it elsewhere.\n`);
    process.exit(2);
  });
  stderr.on('error', () => process.exit(process.exitCode ?? 0));
  // A live progress line gives way to every other line.
  const clearLine = () => {
    if (stderr.isTTY) stderr.write('\r\u001b[2K');
  };
  const progress = (options: ProgressOptions) => startProgress(stderr, options, () => performance.now());
  const color = stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
  const log = (line: string): void => {
    clearLine();
    stderr.write(`${line}\n`);
  };
  return {
    signal,
    async print(line) {
      if (stdout.isTTY) clearLine();
      if (!stdout.write(`${line}\n`)) await once(stdout, 'drain');
    },
    log,
    warn: (message) => log(`Warning: ${message}`),
    progress,
    stages: () => drawStages(progress),
    colors: picocolors.createColors(color),
    columns: stdout.isTTY ? stdout.columns : 100,
    now: () => Date.now(),
  };
}

/** Shows each (stage, iteration) of a stream of progress events in a display of its own. */
function drawStages(progress: (options: ProgressOptions) => Progress): {
  readonly onProgress: OnProgress;
  end(): void;
} {
  let title = '';
  let display: Progress | null = null;
  return {
    onProgress(event) {
      const next = event.iteration > 0 ? `round ${event.iteration} ${event.stage}` : event.stage;
      if (next !== title || display === null) {
        display?.end();
        title = next;
        display = progress({ title, unit: event.unit, total: event.total });
      }
      display.update(event.done, undefined, event.total);
    },
    end() {
      display?.end();
      display = null;
      title = '';
    },
  };
}
