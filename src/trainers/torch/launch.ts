// How the program is started: a command of this machine, in a process group of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { codeOf, messageOf, printable, SipfError } from '../../errors.ts';
import { exists, readJsonObject } from '../../io/file-bytes.ts';
import { makeFolders, nodeDisk, writeJson } from '../../io/files.ts';
import { startOf } from '../../io/processes.ts';

/** The program, in a checkout and in a package alike. */
export const PROGRAM = fileURLToPath(new URL('../python/train.py', import.meta.url));

/** How the program ended. */
export interface Ended {
  /** In words: `exit code 1`, `signal SIGKILL`. */
  readonly how: string;
  readonly isWell: boolean;
  /** The last lines that it wrote beside its events. */
  readonly said: readonly string[];
}

export interface LaunchArgs {
  /** Of the program. */
  readonly args: readonly string[];
  /** Keeps which process is at work; the program's job is in it, where it has one. */
  readonly folder: string | null;
  /** Each line of stdout. True: it is an event of the program. What it throws ends the program. */
  readonly onLine: (line: string) => boolean;
  readonly signal: AbortSignal;
}

/** Starts the program and waits for its end. A further way to start it (a cluster's) is another function of this form. */
export type Launch = (args: LaunchArgs) => Promise<Ended>;

export interface LocalCommand {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly threads: number | null;
}

/** How long a program may take to write its checkpoint after it was asked to stop, in milliseconds. */
const STOPPING_MS = 60_000;
/** In which the processes of a launcher see that it is gone, in milliseconds. */
const LEAVING_MS = 500;
/** Lines that an error may quote. */
const KEPT_LINES = 40;

const AtWork = z.object({ pid: z.number().int().positive(), started: z.string().nullable(), host: z.string() });
const AT_WORK = 'process.json';

/** No shell, no input, no network for models; a stop of this process ends all of the group's. */
export function localLaunch({ command, env, threads }: LocalCommand): Launch {
  return async ({ args, folder, onLine, signal }) => {
    const [program = '', ...words] = command;
    const child = spawn(program, [...words, PROGRAM, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: { ...env, ...OFFLINE, ...(threads === null ? {} : { OMP_NUM_THREADS: String(threads) }) },
    });
    const kill = () => {
      if (child.exitCode === null && child.signalCode === null) signalGroup(child, 'SIGKILL');
    };
    process.once('exit', kill);
    const ended = endOf(child, { program, onLine, signal });
    try {
      if (folder !== null && child.pid !== undefined) await keepAtWork(folder, child.pid);
      return await ended;
    } finally {
      kill();
      process.removeListener('exit', kill);
      await ended.catch(() => undefined);
      if (folder !== null) await nodeDisk.remove(join(folder, AT_WORK));
    }
  };
}

/** Models are folders of this machine; libraries ask nobody for more. */
const OFFLINE = {
  HF_HUB_OFFLINE: '1',
  HF_HUB_DISABLE_TELEMETRY: '1',
  TRANSFORMERS_OFFLINE: '1',
  TOKENIZERS_PARALLELISM: 'false',
  PYTHONDONTWRITEBYTECODE: '1',
  PYTHONUNBUFFERED: '1',
};

async function endOf(
  child: ChildProcess,
  { program, onLine, signal }: Pick<LaunchArgs, 'onLine' | 'signal'> & { readonly program: string },
): Promise<Ended> {
  const said: string[] = [];
  const failed: unknown[] = [];
  const keep = (line: string) => {
    if (line.trim() !== '') said.push(printable(line, 300));
    if (said.length > KEPT_LINES) said.shift();
  };
  const hear = (line: string) => {
    if (failed.length > 0) return;
    try {
      if (!onLine(line)) keep(line);
    } catch (thrown) {
      failed.push(thrown);
      signalGroup(child, 'SIGKILL');
    }
  };
  createInterface({ input: child.stdout! }).on('line', hear);
  createInterface({ input: child.stderr! }).on('line', keep);
  const stopping = new AbortController();
  const stop = () => {
    signalGroup(child, 'SIGTERM');
    wait(STOPPING_MS, undefined, { signal: stopping.signal }).then(
      () => signalGroup(child, 'SIGKILL'),
      () => undefined,
    );
  };
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  try {
    const { code, by } = await closed(child, program);
    if (failed.length > 0) throw failed[0];
    return { how: by === null ? `exit code ${code}` : `signal ${by}`, isWell: code === 0, said };
  } finally {
    signal.removeEventListener('abort', stop);
    stopping.abort();
  }
}

/** Ends with the process itself: others of its group, which would hold its streams, end with it. */
function closed(child: ChildProcess, program: string): Promise<{ code: number | null; by: string | null }> {
  return new Promise((resolve, reject) => {
    child.on('error', (error) => reject(notStarted(program, error)));
    child.on('exit', () => signalGroup(child, 'SIGKILL'));
    child.on('close', (code, by) => resolve({ code, by }));
  });
}

function notStarted(program: string, error: Error): SipfError {
  const got = codeOf(error) === 'ENOENT' ? 'none of that name' : messageOf(error);
  return new SipfError(
    'provider-unavailable',
    `Expected to start ${program} (engine.trainer.command), got ${got}. Install Python 3.10 or newer with torch, or name the program: --engine.trainer.command '["/path/to/python"]'.`,
  );
}

function signalGroup({ pid }: Pick<ChildProcess, 'pid'>, name: 'SIGTERM' | 'SIGKILL'): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, name);
  } catch (error) {
    // It is gone, or, on macOS, all that is left of it is to be collected.
    if (codeOf(error) !== 'ESRCH' && codeOf(error) !== 'EPERM') throw error;
  }
}

async function keepAtWork(folder: string, pid: number): Promise<void> {
  await makeFolders(folder);
  await writeJson(join(folder, AT_WORK), { pid, started: await startOf(pid), host: hostname() });
}

/** Ends the program of a driver that was killed: two of them would write one checkpoint. Gives its process id; null: there is none. */
export async function endOrphan(folder: string): Promise<number | null> {
  const file = join(folder, AT_WORK);
  if (!(await exists(file))) return null;
  const { data } = AtWork.safeParse(await readJsonObject(file));
  if (data === undefined || data.host !== hostname() || data.started === null) return null;
  const isThere = async () => (await startOf(data.pid)) === data.started;
  if (!(await isThere())) return null;
  while (await isThere()) {
    signalGroup(data, 'SIGKILL');
    await wait(20);
  }
  await wait(LEAVING_MS);
  return data.pid;
}
