// A path -> its bytes, hash or a safely written file. Knows Node's limits (one read ends at 2^31-1 bytes); leaves formats to others.
import { createHash } from 'node:crypto';
import { type FileHandle, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { messageOf, SipfError, throwIfAborted } from '../errors.ts';
import { shown } from '../models/architectures/config-reader.ts';
import { foreignFile } from '../models/files/foreign-file.ts';
import { makeFolders } from './folders.ts';
import { parseJsonText } from './json-text.ts';

const READ_CHUNK = 1 << 30;
const HASH_CHUNK = 1 << 24;
/** A temporary file untouched for this long was left by a process that was killed. */
const STALE_MS = 60 * 60 * 1000;

function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined;
}

function readError(file: string, thrown: unknown): SipfError {
  if (thrown instanceof SipfError) return thrown;
  const code = codeOf(thrown);
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new SipfError('not-found', `Expected a file at ${file}, got nothing there. Check the path.`, {
      cause: thrown,
    });
  }
  return new SipfError(
    'bad-input',
    `Expected to read ${file}, got: ${messageOf(thrown)}. Check that it is a readable file.`,
    {
      cause: thrown,
    },
  );
}

function writeError(file: string, thrown: unknown): SipfError {
  if (thrown instanceof SipfError) return thrown;
  return new SipfError(
    'write-failed',
    `Expected to write ${file}, got: ${messageOf(thrown)}. Free disk space or choose another folder.`,
    {
      cause: thrown,
    },
  );
}

export async function exists(path: string): Promise<boolean> {
  return (await statOrNull(path)) !== null;
}

export async function isFolder(path: string): Promise<boolean> {
  return (await statOrNull(path))?.isDirectory() ?? false;
}

async function statOrNull(path: string) {
  try {
    return await stat(path);
  } catch {
    return null;
  }
}

/** Opens `file`, hands over the handle and its size in bytes, closes it. */
export async function withFile<T>(file: string, use: (handle: FileHandle, size: number) => Promise<T>): Promise<T> {
  let handle: FileHandle;
  try {
    handle = await open(file, 'r');
  } catch (thrown) {
    throw readError(file, thrown);
  }
  try {
    return await use(handle, (await handle.stat()).size);
  } catch (thrown) {
    if (thrown instanceof SipfError || codeOf(thrown) === undefined) throw thrown;
    throw readError(file, thrown);
  } finally {
    await handle.close();
  }
}

/** `length` bytes of `handle` from `offset` on; a file that ends earlier is an error naming it. */
export async function readExactly(
  handle: FileHandle,
  file: string,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(bytes, done, Math.min(READ_CHUNK, length - done), offset + done);
    if (bytesRead === 0) {
      throw new SipfError(
        'bad-input',
        `Expected ${length} bytes at offset ${offset} of ${file}, got ${done}: the file is truncated. Download or copy it again.`,
      );
    }
    done += bytesRead;
  }
  return bytes;
}

/** Text of a file; null where `optional` and absent. */
export async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (thrown) {
    throw readError(file, thrown);
  }
}

/** A JSON file that holds an object. */
export async function readJsonObject(file: string): Promise<Record<string, unknown>> {
  const text = await readText(file);
  let value: unknown;
  try {
    value = parseJsonText(text);
  } catch (thrown) {
    const got = foreignText(text) ?? `: ${messageOf(thrown)}. Restore the file.`;
    throw new SipfError('bad-input', `Expected JSON in ${file}, got${got}`, { cause: thrown });
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new SipfError('bad-input', `Expected a JSON object in ${file}, got ${shown(value)}. Restore the file.`);
  }
  return value as Record<string, unknown>;
}

function foreignText(text: string): string | null {
  const found = foreignFile(Buffer.from(text.slice(0, 32)));
  return found === null ? null : ` ${found}`;
}

/** As readJsonObject; an absent file is an empty object. */
export async function readJsonObjectIfThere(file: string): Promise<Record<string, unknown>> {
  return (await exists(file)) ? readJsonObject(file) : {};
}

/** Hexadecimal sha256 of a file's content. */
export async function sha256File(file: string, signal?: AbortSignal): Promise<string> {
  return withFile(file, async (handle, size) => {
    const hash = createHash('sha256');
    for (let offset = 0; offset < size; offset += HASH_CHUNK) {
      throwIfAborted(signal);
      hash.update(await readExactly(handle, file, offset, Math.min(HASH_CHUNK, size - offset)));
    }
    return hash.digest('hex');
  });
}

/**
 * Writes `file` through `write` under a temporary name beside it, flushes, then renames it: readers see the old file or the whole new one,
 * and two processes writing the same content do not disturb each other. A failure removes the temporary file.
 */
export async function writeFileAtomically(
  file: string,
  write: (append: (bytes: Uint8Array | string) => Promise<void>) => Promise<void>,
): Promise<void> {
  const folder = dirname(file);
  const temporary = join(folder, `.${basename(file)}.${process.pid}.${process.hrtime.bigint()}.tmp`);
  try {
    await makeFolders(folder);
    await removeStale(folder, basename(file));
    const handle = await open(temporary, 'wx');
    try {
      await write((bytes) => appendAll(handle, typeof bytes === 'string' ? Buffer.from(bytes) : bytes));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (thrown) {
    await rm(temporary, { force: true }).catch(() => undefined);
    if (thrown instanceof SipfError || codeOf(thrown) === undefined) throw thrown;
    throw writeError(file, thrown);
  }
}

async function appendAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  let done = 0;
  while (done < bytes.byteLength) {
    const { bytesWritten } = await handle.write(bytes, done, Math.min(READ_CHUNK, bytes.byteLength - done));
    done += bytesWritten;
  }
}

async function removeStale(folder: string, name: string): Promise<void> {
  for (const entry of await readdir(folder)) {
    if (!entry.startsWith(`.${name}.`) || !entry.endsWith('.tmp')) continue;
    const path = join(folder, entry);
    const info = await statOrNull(path);
    if (info && Date.now() - info.mtimeMs > STALE_MS) await rm(path, { force: true });
  }
}
