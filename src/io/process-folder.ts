// A name -> a new folder in the cache for this process alone; those of killed ones are removed.
import { randomUUID } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type CacheOptions, cacheFolder } from './cache.ts';
import { isAlive, makeFolders } from './files.ts';

/** A folder that is deleted when this is disposed. */
export interface ProcessFolder extends AsyncDisposable {
  readonly path: string;
}

/** @throws SipfError 'write-failed' where the disk refuses. */
export async function openProcessFolder(name: string, options: CacheOptions = {}): Promise<ProcessFolder> {
  const parent = join(cacheFolder(options), name);
  await removeLeftOvers(parent);
  const path = join(parent, `${process.pid}-${randomUUID()}`);
  await makeFolders(path);
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Removes folders of processes that were killed. */
async function removeLeftOvers(parent: string): Promise<void> {
  const names = await readdir(parent).catch(() => []);
  for (const name of names) {
    const pid = Number(name.split('-')[0]);
    if (Number.isInteger(pid) && !isAlive(pid)) await rm(join(parent, name), { recursive: true, force: true });
  }
}
