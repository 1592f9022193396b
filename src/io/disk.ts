// Paths and texts -> durable files. The only place that writes run directories, so that tests can fail any write. Leaves formats to run.ts and journal.ts.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { cp, open, readdir, readFile, realpath, rename, rm, stat, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { codeInWords, SipfError } from '../errors.ts';
import { makeFolders } from './folders.ts';

/** Every operation that changes a run directory. Each throws SipfError 'write-failed' where the disk is full or closed to us. */
export interface Disk {
  makeFolder(path: string): Promise<void>;
  /** Writes a whole file and waits until it is on the disk. */
  write(path: string, chunks: AsyncIterable<string> | Iterable<string>): Promise<void>;
  /** Appends; waits until it is on the disk where `durable`. */
  append(path: string, text: string, durable: boolean): Promise<void>;
  /** False where the file is already there. */
  create(path: string, text: string): Promise<boolean>;
  rename(from: string, to: string): Promise<void>;
  truncate(path: string, bytes: number): Promise<void>;
  remove(path: string): Promise<void>;
  copy(from: string, to: string): Promise<void>;
}

const REFUSALS = new Set([
  'ENOENT',
  'ELOOP',
  'ENAMETOOLONG',
  'ENOSPC',
  'EDQUOT',
  'EACCES',
  'EPERM',
  'EROFS',
  'EIO',
  'ENOTDIR',
  'EISDIR',
  'EFBIG',
  'EMFILE',
]);

/** The file system of this machine. */
export const nodeDisk: Disk = {
  makeFolder: makeFolders,
  write: (path, chunks) => guarded(path, () => writeWhole(path, 'w', chunks, true)),
  append: (path, text, durable) => guarded(path, () => writeWhole(path, 'a', [text], durable)),
  create: (path, text) => guarded(path, () => createFile(path, text)),
  rename: (from, to) =>
    guarded(to, async () => {
      await rename(from, to);
      await syncFolder(dirname(to));
    }),
  truncate: (path, bytes) => guarded(path, () => truncate(path, bytes)),
  remove: (path) => guarded(path, () => rm(path, { recursive: true, force: true })),
  copy: (from, to) => guarded(to, () => cp(from, to, { recursive: true })),
};

/** Writes beside `path`, then renames: readers see the old file or the new one, never half of it. A link stays: what it names is replaced. */
export async function replaceFile(
  disk: Disk,
  path: string,
  chunks: AsyncIterable<string> | Iterable<string>,
): Promise<void> {
  const target = await realpath(path).catch(() => path);
  const draft = `${target}.draft`;
  try {
    await disk.write(draft, chunks);
  } catch (thrown) {
    // Half a draft would hold the space that the next try needs.
    await disk.remove(draft).catch(() => undefined);
    throw thrown;
  }
  await disk.rename(draft, target);
}

/** The text of a file; null where there is none. */
export async function readTextFile(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw new SipfError('bad-input', `Expected to read ${path}, got ${codeOf(error)}. Check its permissions.`, {
      cause: error,
    });
  }
}

/** What processes put beside model files for a moment, and leave there when they are killed: `.sipf-session-PID-...`, `.NAME.PID.TIME.tmp`. */
const TEMPORARY = /^\.(?:sipf-session-(\d+)-.*|.+\.(\d+)\.\d+\.tmp)$/s;

/** Deletes below `dir` the temporary files and folders of processes that are gone, or had this process's id before it. */
export async function removeLeftovers(disk: Disk, dir: string): Promise<void> {
  for (const entry of await readdir(dir, { withFileTypes: true }).catch(() => [])) {
    const path = join(dir, entry.name);
    const match = TEMPORARY.exec(entry.name);
    if (match !== null) {
      if (!isAlive(Number(match[1] ?? match[2]))) await disk.remove(path);
    } else if (entry.isDirectory()) await removeLeftovers(disk, path);
  }
}

function isAlive(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/** SHA-256 of a file, or of a folder's file names and contents, temporary files aside; null where there is neither. */
export async function hashPath(path: string): Promise<string | null> {
  const info = await stat(path).catch(() => null);
  if (info === null) return null;
  const hash = createHash('sha256');
  if (!info.isDirectory()) {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
    return hash.digest('hex');
  }
  const names = (await readdir(path)).filter((name) => !TEMPORARY.test(name));
  for (const name of names.sort()) hash.update(`${name}\0${await hashPath(join(path, name))}\n`);
  return hash.digest('hex');
}

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

async function guarded<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    const code = codeOf(error);
    if (!REFUSALS.has(code)) throw error;
    const remedy = ['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP', 'ENAMETOOLONG'].includes(code)
      ? 'Make its folder, or name another path.'
      : 'Free disk space or fix the permissions, then run the same command again: finished work is kept.';
    throw new SipfError('write-failed', `Expected to write ${path}, got ${codeInWords(code)}. ${remedy}`, {
      cause: error,
    });
  }
}

async function writeWhole(
  path: string,
  mode: 'w' | 'a',
  chunks: AsyncIterable<string> | Iterable<string>,
  durable: boolean,
): Promise<void> {
  const file = await open(path, mode);
  try {
    for await (const chunk of chunks) await file.writeFile(chunk);
    if (durable) await file.sync();
  } finally {
    await file.close();
  }
}

async function createFile(path: string, text: string): Promise<boolean> {
  const file = await open(path, 'wx').catch((error: unknown) => {
    if (codeOf(error) === 'EEXIST') return null;
    throw error;
  });
  if (file === null) return false;
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  return true;
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => null);
  if (folder === null) return;
  // Some file systems cannot sync a folder; the rename itself has happened.
  await folder.sync().catch(() => undefined);
  await folder.close();
}
