// Files and folders -> SHA-256 of their contents; a large file is read again only where it changed.
import { createHash, type Hash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { throwIfAborted } from '../errors.ts';
import { sha256 } from '../hashing.ts';
import { type CacheOptions, cacheFolder } from './cache.ts';
import { exists, readExactly, readTextFile, withFile } from './file-bytes.ts';
import { isTemporary, writeFileAtomically } from './files.ts';

const HASH_CHUNK = 1 << 24;

/** Hexadecimal sha256 of a file's content. */
const sha256File = (file: string, signal?: AbortSignal): Promise<string> =>
  digestFile(createHash('sha256'), file, signal);

/**
 * `hash` with a file's content behind what it has, in hexadecimal.
 * @throws SipfError 'not-found', 'bad-input' where the file cannot be read; 'aborted'.
 */
export async function digestFile(hash: Hash, file: string, signal?: AbortSignal): Promise<string> {
  return withFile(file, async (handle, size) => {
    for (let offset = 0; offset < size; offset += HASH_CHUNK) {
      throwIfAborted(signal);
      hash.update(await readExactly(handle, file, offset, Math.min(HASH_CHUNK, size - offset)));
    }
    return hash.digest('hex');
  });
}

/** SHA-256 of a file, or of a folder's file names and contents, temporary files aside; null where there is neither. */
export async function hashPath(path: string): Promise<string | null> {
  const info = await stat(path).catch(() => null);
  if (info === null) return null;
  if (!info.isDirectory()) return sha256File(path);
  const hash = createHash('sha256');
  const names = (await readdir(path)).filter((name) => !isTemporary(name));
  for (const name of names.sort()) hash.update(`${name}\0${await hashPath(join(path, name))}\n`);
  return hash.digest('hex');
}

/** Hexadecimal sha256 over the contents of `files`; independent of their order, names and folder. */
export async function contentHash(files: readonly string[], options: CacheOptions = {}): Promise<string> {
  const hashes: string[] = [];
  for (const file of files) hashes.push(await cachedFileHash(file, options));
  return sha256(hashes.sort().join('\n'));
}

/** sha256 of one file, remembered under its path, size, inode and times. */
async function cachedFileHash(file: string, options: CacheOptions): Promise<string> {
  if (!(await exists(file))) return sha256File(file);
  const info = await stat(file, { bigint: true });
  const key = [resolve(file), info.size, info.ino, info.mtimeNs, info.ctimeNs].join('\n');
  if (info.size < SMALL) return sha256File(file, options.signal);
  const entry = join(cacheFolder(options), 'hashes', sha256(key));
  const known = (await readTextFile(entry))?.trim() ?? '';
  if (/^[0-9a-f]{64}$/.test(known)) return known;
  const hash = await sha256File(file, options.signal);
  await writeFileAtomically(entry, [`${hash}\n`]);
  return hash;
}

/** Files below this many bytes are hashed every time. */
const SMALL = 1 << 22;
