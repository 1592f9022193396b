// What trains a folder's job at this moment -> a record there, for the next driver after a kill.
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { codeOf } from '../../errors.ts';
import { exists, readJsonObject } from '../../io/file-bytes.ts';
import { makeFolders, nodeDisk, writeJson } from '../../io/files.ts';
import { startOf } from '../../io/processes.ts';

const ProcessAtWork = z.object({ pid: z.number().int().positive(), started: z.string().nullable(), host: z.string() });
const RayAtWork = z.object({
  /** Of the cluster. */
  url: z.string(),
  /** Its submission id. */
  ray: z.string(),
  /** Hash of all that the job was told. */
  of: z.string(),
});
export type RayAtWork = z.infer<typeof RayAtWork>;

const AT_WORK = 'process.json';
/** In which the processes of a launcher see that it is gone, in milliseconds. */
const LEAVING_MS = 500;

export const recordOf = (folder: string): string => join(folder, AT_WORK);

export async function keepProcess(folder: string, pid: number): Promise<void> {
  await keep(folder, { pid, started: await startOf(pid), host: hostname() });
}

export function keepRay(folder: string, job: RayAtWork): Promise<void> {
  return keep(folder, job);
}

async function keep(folder: string, record: object): Promise<void> {
  await makeFolders(folder);
  await writeJson(recordOf(folder), record);
}

export async function forget(folder: string): Promise<void> {
  await nodeDisk.remove(recordOf(folder));
}

/** The job that a driver left in a cluster; null: there is none. */
export async function rayAtWork(folder: string): Promise<RayAtWork | null> {
  if (!(await exists(recordOf(folder)))) return null;
  return RayAtWork.safeParse(await readJsonObject(recordOf(folder))).data ?? null;
}

/** Ends the program of a driver that was killed: two of them would write one checkpoint. Gives its process id; null: there is none. */
export async function endOrphan(folder: string): Promise<number | null> {
  if (!(await exists(recordOf(folder)))) return null;
  const { data } = ProcessAtWork.safeParse(await readJsonObject(recordOf(folder)));
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

/** To a process and all of its group. */
export function signalGroup({ pid }: { readonly pid?: number | undefined }, name: 'SIGTERM' | 'SIGKILL'): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, name);
  } catch (error) {
    // It is gone, or, on macOS, all that is left of it is to be collected.
    if (codeOf(error) !== 'ESRCH' && codeOf(error) !== 'EPERM') throw error;
  }
}
