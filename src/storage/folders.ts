// Files of a storage <-> files here; each is whole, or not there.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SipfError, throwIfAborted } from '../errors.ts';
import { isTemporary, makeFolders, nodeDisk, replaceFile } from '../io/files.ts';
import { pause, TRIES } from '../io/hub-fetch.ts';
import { whyFailed } from '../retries.ts';
import { addressBelow } from './address.ts';
import type { Storage, StoredFile } from './storage.ts';

export interface TransferParts {
  readonly signal?: AbortSignal | undefined;
  /** Told how many of a file's bytes have come. */
  readonly onBytes?: ((file: StoredFile, bytes: number) => void) | undefined;
}

/**
 * Puts a listed file at `target`.
 * @throws SipfError 'unreachable' where it does not come whole, 'write-failed', 'aborted', and of the storage.
 */
export async function downloadFile(
  storage: Storage,
  file: StoredFile,
  target: string,
  parts: TransferParts = {},
): Promise<void> {
  await makeFolders(join(target, '..'));
  await replaceFile(nodeDisk, target, bytesOf(storage, file, parts));
}

/** The bytes of a file: where an answer breaks off, the rest is asked for; given up after some tries that bring nothing. */
async function* bytesOf(
  storage: Storage,
  file: StoredFile,
  { signal, onBytes }: TransferParts,
): AsyncGenerator<Uint8Array> {
  let at = 0;
  onBytes?.(file, at);
  for (let idle = 0; at < file.size; ) {
    const from = at;
    let problem = 'the answer ended';
    try {
      for await (const chunk of await storage.read(file, from)) {
        throwIfAborted(signal);
        at += chunk.byteLength;
        if (at <= file.size) yield chunk;
        onBytes?.(file, at);
      }
    } catch (thrown) {
      throwIfAborted(signal);
      if (thrown instanceof SipfError) throw thrown;
      problem = whyFailed(thrown);
      // All came, and is not what was stored.
      if (at >= file.size) throw notWhole(storage, file, at, problem);
    }
    if (at === file.size) return;
    idle = at > from ? 0 : idle + 1;
    if (idle === TRIES || at > file.size) throw notWhole(storage, file, at, problem);
    await pause(idle, 0, { signal });
  }
}

function notWhole({ address }: Storage, { path, size }: StoredFile, got: number, problem: string): SipfError {
  return new SipfError(
    'unreachable',
    `Expected the ${size} bytes of ${addressBelow(address, path)}, got ${got}: ${problem}. Try the same command again.`,
  );
}

/**
 * Writes a file or a folder into a storage, temporary files aside. What else is below `path` there is deleted: an earlier upload may have ended early.
 * @throws SipfError of the storage.
 */
export async function upload(storage: Storage, source: string, path: string, parts: TransferParts = {}): Promise<void> {
  const written = new Set<string>();
  const write = async (from: string, to: string): Promise<void> => {
    throwIfAborted(parts.signal);
    if ((await stat(from)).isDirectory()) {
      const names = (await readdir(from)).filter((name) => !isTemporary(name));
      for (const name of names.sort()) await write(join(from, name), `${to}/${name}`);
    } else {
      await storage.writeFile(to, from);
      written.add(to);
    }
  };
  await write(source, path);
  for (const file of await storage.list(path, true)) if (!written.has(file.path)) await storage.remove(file.path);
}

/**
 * Puts what is below `path` in a storage into the folder `target`, or the file `path` at `target`. What is there already and not in the storage stays.
 * Returns how many files came.
 * @throws SipfError as `downloadFile` does.
 */
export async function download(
  storage: Storage,
  path: string,
  target: string,
  parts: TransferParts = {},
): Promise<number> {
  const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '';
  const files = (await storage.list(folder, true)).filter(
    (file) => file.path === path || file.path.startsWith(`${path}/`),
  );
  for (const file of files) await downloadFile(storage, file, join(target, file.path.slice(path.length)), parts);
  return files.length;
}
