// The process's streams, signals and clock -> what a command may use of them.
import { once } from 'node:events';
import picocolors from 'picocolors';
import { SipfError } from '../errors.ts';
import { type Progress, type ProgressOptions, startProgress } from './progress.ts';

export type Colors = ReturnType<typeof picocolors.createColors>;

export interface Terminal {
  /** Fires on the first Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
  /** Results: one line on stdout, waiting while the reader is slow. */
  print(line: string): Promise<void>;
  /** A piece of a result on stdout, without a line end, as it comes. */
  write(text: string): void;
  /** Everything else: one line on stderr. */
  log(line: string): void;
  /** What the user should know and look at. */
  warn(message: string): void;
  progress(options: ProgressOptions): Progress;
  /** Off where stdout is no terminal or NO_COLOR is set. */
  readonly colors: Colors;
  /** Width of stdout in characters; 100 where it is no terminal. */
  readonly columns: number;
  now(): number;
  /** Says what a stop leaves behind; without it, that the same command starts again. */
  resumes(advice: string): void;
  /** Says that a stop is how this command ends: then it is no interruption, and the exit code is 0. */
  endsByStop(): void;
}

export interface ProcessTerminal extends Terminal {
  /** What `resumes` was told last. */
  stopAdvice(): string;
  /** Whether `endsByStop` was called. */
  isStopTheEnd(): boolean;
}

/** Of commands that keep nothing when they are stopped. */
const STARTS_AGAIN = 'Nothing is kept of it: the same command starts again.';

/** In the environment of a child: it stops when its channel closes, since the parent was killed. */
export const WITH_PARENT = 'SIPF_STOP_WITH_PARENT';

/** A second Ctrl-C sooner than this is the same one: npm passes on what the terminal has sent already. */
const SAME_SIGNAL_MS = 400;

export interface Interrupts {
  readonly signal: AbortSignal;
  /** 130 after Ctrl-C, 143 after SIGTERM, null: no signal came. */
  exitCode(): number | null;
}

/** Ends the process. A signal has its own effect from here on: while the engine's thread ends, nobody would see it. */
export function leave(code: number): never {
  stopListening();
  process.exit(code);
}

function stopListening(): void {
  process.removeAllListeners('SIGINT');
  process.removeAllListeners('SIGTERM');
}

/** The first SIGINT or SIGTERM fires the signal; a second one of either ends the process at once. */
export function listenForInterrupts(): Interrupts {
  const controller = new AbortController();
  let first: { readonly time: number; readonly name: NodeJS.Signals } | null = null;
  let code: number | null = null;
  const onSignal = (name: NodeJS.Signals) => {
    const time = performance.now();
    if (first === null) {
      first = { time, name };
      code = name === 'SIGINT' ? 130 : 143;
      process.stderr.write('\nStopping cleanly. Press Ctrl-C again to stop at once.\n');
      controller.abort(new SipfError('aborted', 'Stopped on request.'));
    } else if (name !== first.name || time - first.time > SAME_SIGNAL_MS) {
      // The signal's own effect: process.exit would wait for the engine's thread.
      stopListening();
      process.kill(process.pid, name);
    }
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  if (process.env[WITH_PARENT] !== undefined) {
    process.once('disconnect', () => onSignal('SIGTERM'));
    process.channel?.unref();
  }
  return { signal: controller.signal, exitCode: () => code };
}

/**
 * The real terminal. Ends the process quietly when the reader of stdout goes away, as results have nowhere to go then. When the reader of stderr
 * does, the work continues without its progress: files are written as ever, and the exit code says how it ended.
 */
export function openTerminal(signal: AbortSignal): ProcessTerminal {
  const { stdout, stderr } = process;
  // Results that cannot be written are lost: better to stop than to continue for hours.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') leave(0);
    stderr.write(`sipf: Expected to write to stdout, got ${error.code ?? error.message}. Send it elsewhere.\n`);
    leave(2);
  });
  stderr.on('error', () => {});
  let advice = STARTS_AGAIN;
  let isStopTheEnd = false;
  // A live progress line gives way to every other line.
  const clearLine = () => {
    if (stderr.isTTY) stderr.write('\r\u001b[2K');
  };
  const color = stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
  const log = (line: string): void => {
    clearLine();
    stderr.write(`${line}\n`);
  };
  return {
    signal,
    write(text) {
      if (text !== '') stdout.write(text);
    },
    async print(line) {
      if (stdout.isTTY) clearLine();
      if (!stdout.write(`${line}\n`)) await once(stdout, 'drain');
    },
    log,
    warn: (message) => log(`Warning: ${message}`),
    progress: (options) => startProgress(stderr, options, () => performance.now()),
    colors: picocolors.createColors(color),
    columns: stdout.isTTY ? stdout.columns : 100,
    now: () => Date.now(),
    resumes(text) {
      advice = text;
    },
    stopAdvice: () => advice,
    endsByStop() {
      isStopTheEnd = true;
    },
    isStopTheEnd: () => isStopTheEnd,
  };
}
