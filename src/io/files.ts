// Paths and contents -> durable files, each old or whole, through the one seam `Disk`.
import {
  access,
  constants,
  cp,
  type FileHandle,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  rm,
  stat,
  truncate,
} from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { codeInWords, codeOf, SipfError } from '../errors.ts';

/** What a file is made of, piece by piece. */
export type Chunks = AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>;

/**
 * Every operation that changes a run directory.
 * @throws SipfError 'write-failed', each of them, where the disk is full or closed to us.
 */
export interface Disk {
  makeFolder(path: string): Promise<void>;
  /** Writes a whole file and waits until it is on the disk. */
  write(path: string, chunks: Chunks): Promise<void>;
  /** Appends; waits until it is on the disk where `durable`. */
  append(path: string, text: string, durable: boolean): Promise<void>;
  /** False where the file is already there. */
  create(path: string, text: string): Promise<boolean>;
  rename(from: string, to: string): Promise<void>;
  truncate(path: string, bytes: number): Promise<void>;
  remove(path: string): Promise<void>;
  copy(from: string, to: string): Promise<void>;
}

/** How a system refuses a path, and how it refuses to write there. */
const PATH_REFUSALS = ['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP', 'ENAMETOOLONG'];
const DISK_REFUSALS = ['ENOSPC', 'EDQUOT', 'EACCES', 'EPERM', 'EROFS', 'EIO', 'EFBIG', 'EMFILE'];

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

/**
 * Writes beside `path`, then renames: readers see the old file or the whole new one, and two writers do not disturb each other.
 * A link stays: what it names is replaced.
 * @throws SipfError 'write-failed' where the disk refuses.
 */
export async function replaceFile(disk: Disk, path: string, chunks: Chunks): Promise<void> {
  const target = await realpath(path).catch(() => path);
  await removeStale(disk, target);
  const draft = draftOf(target);
  try {
    await disk.write(draft, chunks);
    await disk.rename(draft, target);
  } catch (thrown) {
    // Half a draft would hold the space that the next try needs.
    await disk.remove(draft).catch(() => undefined);
    throw thrown;
  }
}

/** A new name beside `target` for what is to become it. */
function draftOf(target: string): string {
  return join(dirname(target), `.${basename(target)}.${process.pid}.${process.hrtime.bigint()}.tmp`);
}

/**
 * A new file or folder that `write` makes under another name: it is at `path` once it is whole, or never.
 * @throws SipfError 'bad-input' where something is there, 'write-failed' where the disk refuses; and what `write` throws.
 */
export async function writeNew<T>(path: string, write: (draft: string) => Promise<T>): Promise<T> {
  const target = resolve(path);
  if ((await stat(target).catch(() => null)) !== null)
    throw new SipfError(
      'bad-input',
      `Expected a new path, got ${path}, which is there. Name another one, or delete it.`,
    );
  await makeFolders(dirname(target));
  await removeStale(nodeDisk, target);
  const draft = draftOf(target);
  try {
    const result = await write(draft);
    await nodeDisk.rename(draft, target);
    return result;
  } finally {
    await nodeDisk.remove(draft);
  }
}

/** `replaceFile` on this machine's disk; makes the folder. */
export async function writeFileAtomically(file: string, chunks: Chunks): Promise<void> {
  await makeFolders(dirname(file));
  await replaceFile(nodeDisk, file, chunks);
}

/** A value as indented JSON, atomically. */
export function writeJson(file: string, value: unknown): Promise<void> {
  return writeFileAtomically(file, [`${JSON.stringify(value, null, 2)}\n`]);
}

/** A draft untouched for this long is of a process that was killed: its process may be on another machine. */
const STALE_MS = 60 * 60 * 1000;

async function removeStale(disk: Disk, target: string): Promise<void> {
  const folder = dirname(target);
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.startsWith(`.${basename(target)}.`) || !isTemporary(name)) continue;
    const info = await stat(join(folder, name)).catch(() => null);
    if (info !== null && Date.now() - info.mtimeMs > STALE_MS) await disk.remove(join(folder, name));
  }
}

/** What processes put beside files for a moment, and leave there when they are killed: `.sipf-session-PID-...`, `.NAME.PID.TIME.tmp`. */
const TEMPORARY = /^\.(?:sipf-session-(\d+)-.*|.+\.(\d+)\.\d+\.tmp)$/s;

/** Whether a file or folder of that name is of a process at work, or of one that was killed. */
export function isTemporary(name: string): boolean {
  return TEMPORARY.test(name);
}

/** Deletes below `dir` the temporary files and folders of processes that are gone, or had this process's id before it. */
export async function removeLeftovers(disk: Disk, dir: string): Promise<void> {
  for (const entry of await readdir(dir, { withFileTypes: true }).catch(() => [])) {
    const path = join(dir, entry.name);
    const match = TEMPORARY.exec(entry.name);
    if (match !== null) {
      const pid = Number(match[1] ?? match[2]);
      if (pid === process.pid || !isAlive(pid)) await disk.remove(path);
    } else if (entry.isDirectory()) await removeLeftovers(disk, path);
  }
}

/** Whether a process of this machine is there, of any user. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

async function guarded<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    const code = codeOf(error);
    const isPath = PATH_REFUSALS.includes(code);
    if (!isPath && !DISK_REFUSALS.includes(code)) throw error;
    const remedy = isPath
      ? 'Make its folder, or name another path.'
      : 'Free disk space or fix the permissions, then run the same command again: finished work is kept.';
    throw new SipfError('write-failed', `Expected to write ${targetOf(path)}, got ${codeInWords(code)}. ${remedy}`, {
      cause: error,
    });
  }
}

/** The path of what a draft, or something in one, is to become. */
function targetOf(path: string): string {
  return path.replace(/(?<=^|[\\/])\.([^\\/]+)\.\d+\.\d+\.tmp(?=$|[\\/])/g, '$1');
}

async function writeWhole(path: string, mode: 'w' | 'a', chunks: Chunks, durable: boolean): Promise<void> {
  const file = await open(path, mode);
  try {
    for await (const block of inBlocks(chunks)) await writeAll(file, block, null);
    if (durable) await file.sync();
  } finally {
    await file.close();
  }
}

/** Bytes that are written at a time, where chunks are small: a call for each record of millions takes longer than all else. */
const BLOCK = 1 << 16;

async function* inBlocks(chunks: Chunks): AsyncGenerator<Uint8Array> {
  let parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    parts.push(bytes);
    size += bytes.byteLength;
    if (size < BLOCK) continue;
    yield parts.length === 1 ? bytes : Buffer.concat(parts);
    [parts, size] = [[], 0];
  }
  if (size > 0) yield Buffer.concat(parts);
}

/**
 * Writes `chunks` into a file from byte `at` on, as they come, and waits until they are on the disk. What is before stays; the file is made
 * where it is missing.
 * @throws SipfError 'write-failed' where the disk refuses; what `chunks` throws, after what came before it is written.
 */
export async function writeFrom(path: string, at: number, chunks: AsyncIterable<Uint8Array> | readonly Uint8Array[]) {
  await guarded(path, async () => {
    const file = await open(path, constants.O_CREAT | constants.O_WRONLY);
    let position = at;
    try {
      for await (const chunk of chunks) {
        await writeAll(file, chunk, position);
        position += chunk.byteLength;
      }
    } finally {
      await file.sync();
      await file.close();
    }
  });
}

/** One write ends at 2^31-1 bytes. */
const MOST_WRITTEN = 1 << 30;

/** @param at the place in the file; null: where the last write ended. */
async function writeAll(file: FileHandle, bytes: Uint8Array, at: number | null): Promise<void> {
  let done = 0;
  while (done < bytes.byteLength) {
    const length = Math.min(MOST_WRITTEN, bytes.byteLength - done);
    const { bytesWritten } = await file.write(bytes, done, length, at === null ? null : at + done);
    done += bytesWritten;
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

/**
 * Makes a folder and those above it, where they are missing. mkdir's `recursive` never ends where a folder above refuses children with
 * ENOENT, as /proc does.
 * @throws SipfError 'write-failed' where it cannot be made.
 */
export async function makeFolders(path: string): Promise<void> {
  try {
    await makeWithParents(path);
  } catch (error) {
    throw cannotMake(path, error);
  }
}

function cannotMake(path: string, error: unknown): SipfError {
  const { code = String(error) } = error as NodeJS.ErrnoException;
  return new SipfError(
    'write-failed',
    `Expected to make the folder ${targetOf(path)}, got ${code === 'EEXIST' ? 'a file there' : codeInWords(code)}. Name another path, or fix what is in the way.`,
    { cause: error },
  );
}

/**
 * Looks whether a folder at `path` can be made or written to. Makes nothing.
 * @throws SipfError 'write-failed' where it plainly cannot.
 */
export async function checkCanWrite(path: string): Promise<void> {
  let at = path;
  for (;;) {
    const found = await stat(at).catch((error: NodeJS.ErrnoException) => error);
    if (!(found instanceof Error)) {
      if (!found.isDirectory()) throw cannotMake(path, { code: at === path ? 'EEXIST' : 'ENOTDIR' });
      return await access(at, constants.W_OK).catch((error: unknown) => {
        throw cannotMake(path, error);
      });
    }
    if (at === dirname(at) || (found.code !== 'ENOENT' && found.code !== 'ENOTDIR')) throw cannotMake(path, found);
    at = dirname(at);
  }
}

async function makeWithParents(path: string): Promise<void> {
  try {
    await makeOne(path);
  } catch (error) {
    const above = dirname(path);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || above === path) throw error;
    await makeWithParents(above);
    await makeOne(path);
  }
}

/** Another process may have made it meanwhile. */
async function makeOne(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !(await stat(path)).isDirectory()) throw error;
  }
}
