// How the program is started, whatever starts it: what it is given, and what is heard of it.
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { printable } from '../../errors.ts';

/** The folder of the program, in a checkout and in a package alike. */
export const PROGRAM_FOLDER = dirname(fileURLToPath(new URL('../python/train.py', import.meta.url)));
/** The file in it that is started. */
export const PROGRAM = 'train.py';

/** How the program ended. */
export interface Ended {
  /** In words: `exit code 1`, `signal SIGKILL`. */
  readonly how: string;
  readonly isWell: boolean;
  /** The last lines that it wrote beside its events. */
  readonly said: readonly string[];
}

/** A training that the program is to do. */
export interface LaunchedJob {
  /** Its files are there. What is at work is recorded there, too. */
  readonly folder: string;
  /** Of all that its files say. */
  readonly hash: string;
  /** Called before the program is heard. `isAtWork`: it was started by a driver that is gone, and reads its files. */
  readonly begin: (isAtWork: boolean) => Promise<void>;
  /** Called by a cluster's launch where the program has ended well, before that is forgotten. */
  readonly fetch: () => Promise<void>;
}

export interface LaunchArgs {
  /** Of the program. */
  readonly args: readonly string[];
  /** null: it trains nothing. */
  readonly job: LaunchedJob | null;
  /** Each line that it writes. True: it is an event of the program. What it throws ends the program. */
  readonly onLine: (line: string) => boolean;
  readonly signal: AbortSignal;
}

/** Starts the program and waits for its end. */
export type Launch = (args: LaunchArgs) => Promise<Ended>;

/** Models are folders; libraries ask nobody for more. */
export const OFFLINE = {
  HF_HUB_OFFLINE: '1',
  HF_HUB_DISABLE_TELEMETRY: '1',
  TRANSFORMERS_OFFLINE: '1',
  TOKENIZERS_PARALLELISM: 'false',
  PYTHONDONTWRITEBYTECODE: '1',
  PYTHONUNBUFFERED: '1',
};

/** How long a program may take to write its checkpoint after it was asked to stop, in milliseconds. */
export const STOPPING_MS = 60_000;

/** Lines that an error may quote. */
const KEPT_LINES = 40;

/** The last lines that are no events. */
export class Said {
  readonly lines: string[] = [];

  keep(line: string): void {
    if (line.trim() !== '') this.lines.push(printable(line, 300));
    if (this.lines.length > KEPT_LINES) this.lines.shift();
  }
}
