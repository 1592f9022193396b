// A command of this machine -> the program, started in a process group of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { codeOf, messageOf, SipfError } from '../../errors.ts';
import type { TrainerParts } from '../trainer.ts';
import { endOrphan, forget, keepProcess, rayAtWork, recordOf, signalGroup } from './at-work.ts';
import {
  type Ended,
  type Launch,
  type LaunchArgs,
  OFFLINE,
  PROGRAM,
  PROGRAM_FOLDER,
  Said,
  STOPPING_MS,
} from './launch.ts';

export interface LocalCommand extends Pick<TrainerParts, 'env' | 'threads' | 'log'> {
  readonly command: readonly string[];
}

/** No shell, no input, no network for models; a stop of this process ends all of the group's. */
export function localLaunch({ command, env, threads, log }: LocalCommand): Launch {
  return async ({ args, job, onLine, signal }) => {
    if (job !== null) {
      await endLeft(job.folder, log);
      await job.begin(false);
    }
    const [program = '', ...words] = command;
    const child = spawn(program, [...words, join(PROGRAM_FOLDER, PROGRAM), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: { ...env, ...OFFLINE, ...(threads === null ? {} : { OMP_NUM_THREADS: String(threads) }) },
    });
    const kill = () => {
      if (child.exitCode === null && child.signalCode === null) signalGroup(child, 'SIGKILL');
    };
    process.once('exit', kill);
    const ended = endOf(child, { program, onLine, signal });
    // It may fail before it is waited for.
    ended.catch(() => undefined);
    try {
      if (job !== null && child.pid !== undefined) await keepProcess(job.folder, child.pid);
      return await ended;
    } finally {
      kill();
      process.removeListener('exit', kill);
      await ended.catch(() => undefined);
      if (job !== null) await forget(job.folder);
    }
  };
}

/** @throws SipfError 'locked' where a cluster may be at work on the folder's job. */
async function endLeft(folder: string, log: (message: string) => void): Promise<void> {
  const left = await rayAtWork(folder);
  if (left !== null)
    throw new SipfError(
      'locked',
      `Expected a training that nobody is at work on, got the job ${left.ray} of the Ray cluster at ${left.url}. Set engine.trainer.ray to continue it, or end it (ray job stop ${left.ray} --address ${left.url}) and delete ${recordOf(folder)}.`,
    );
  const orphan = await endOrphan(folder);
  if (orphan !== null) log(`Training: process ${orphan} of a driver that is gone was still at work; it was ended.`);
}

async function endOf(
  child: ChildProcess,
  { program, onLine, signal }: Pick<LaunchArgs, 'onLine' | 'signal'> & { readonly program: string },
): Promise<Ended> {
  const said = new Said();
  const failed: unknown[] = [];
  const hear = (line: string) => {
    if (failed.length > 0) return;
    try {
      if (!onLine(line)) said.keep(line);
    } catch (thrown) {
      failed.push(thrown);
      signalGroup(child, 'SIGKILL');
    }
  };
  createInterface({ input: child.stdout! }).on('line', hear);
  createInterface({ input: child.stderr! }).on('line', (line) => said.keep(line));
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
    return { how: by === null ? `exit code ${code}` : `signal ${by}`, isWell: code === 0, said: said.lines };
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
