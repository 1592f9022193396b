// A path -> its bytes, text or JSON. Knows that one read of Node's ends at 2^31-1 bytes.

import { type FileHandle, open, readFile, stat } from 'node:fs/promises';
import { codeOf, messageOf, SipfError, shown } from '../errors.ts';
import { foreignFile } from './foreign-file.ts';
import { parseJsonText } from './json-text.ts';

const READ_CHUNK = 1 << 30;

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

/**
 * Opens `file`, hands over the handle and its size in bytes, closes it.
 * @throws SipfError 'not-found' where nothing is there, 'bad-input' where it cannot be read.
 */
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
    if (thrown instanceof SipfError || codeOf(thrown) === '') throw thrown;
    throw readError(file, thrown);
  } finally {
    await handle.close();
  }
}

/**
 * `length` bytes of `handle` from `offset` on.
 * @throws SipfError 'bad-input' naming a file that ends earlier.
 */
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

/**
 * Text of a file.
 * @throws SipfError 'not-found' where nothing is there, 'bad-input' where it cannot be read.
 */
export async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (thrown) {
    throw readError(file, thrown);
  }
}

/**
 * The object in a JSON file.
 * @throws SipfError 'not-found' where nothing is there, 'bad-input' where it is no JSON object.
 */
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

/**
 * The text of a file; null where there is none.
 * @throws SipfError 'bad-input' where it cannot be read.
 */
export async function readTextFile(path: string): Promise<string | null> {
  try {
    return await readText(path);
  } catch (error) {
    if (error instanceof SipfError && error.code === 'not-found') return null;
    throw error;
  }
}
