// Files -> one sha256 of their contents; each file is read again only when it changed. Leaves out names and times.
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { exists, readText, sha256File, writeFileAtomically } from './file-bytes.ts';
import { type CacheOptions, cacheFolder } from './hub.ts';

/** Hexadecimal sha256 over the contents of `files`; independent of their order, names and folder. */
export async function contentHash(files: readonly string[], options: CacheOptions = {}): Promise<string> {
  const hashes: string[] = [];
  for (const file of files) hashes.push(await cachedFileHash(file, options));
  return createHash('sha256').update(hashes.sort().join('\n')).digest('hex');
}

/** sha256 of one file, remembered under its path, size, inode and times. */
async function cachedFileHash(file: string, options: CacheOptions): Promise<string> {
  if (!(await exists(file))) return sha256File(file);
  const info = await stat(file, { bigint: true });
  const key = [resolve(file), info.size, info.ino, info.mtimeNs, info.ctimeNs].join('\n');
  if (info.size < SMALL) return sha256File(file, options.signal);
  const entry = join(cacheFolder(options), 'hashes', createHash('sha256').update(key).digest('hex'));
  if (await exists(entry)) {
    const known = (await readText(entry)).trim();
    if (/^[0-9a-f]{64}$/.test(known)) return known;
  }
  const hash = await sha256File(file, options.signal);
  await writeFileAtomically(entry, (append) => append(`${hash}\n`));
  return hash;
}

/** Files below this many bytes are hashed every time. */
const SMALL = 1 << 22;
