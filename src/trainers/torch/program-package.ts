// The program's folder -> a zip archive of it, as Ray's clusters take packages.
import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { type Zippable, zipSync } from 'fflate';
import { sha256 } from '../../hashing.ts';
import { PROGRAM_FOLDER } from './launch.ts';

export interface Package {
  /** Of its content, as Ray names packages. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The first date that a zip archive knows: the same files give the same bytes. */
const DATE = new Date(1980, 0, 1);

export async function programPackage(): Promise<Package> {
  const found = await readdir(PROGRAM_FOLDER, { recursive: true, withFileTypes: true });
  const files = found
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.pyc'))
    .map(({ parentPath, name }) => relative(PROGRAM_FOLDER, join(parentPath, name)))
    .sort();
  const entries: Zippable = {};
  for (const file of files) {
    entries[file.split(sep).join('/')] = [await readFile(join(PROGRAM_FOLDER, file)), { mtime: DATE, level: 0 }];
  }
  const bytes = zipSync(entries);
  return { name: `_ray_pkg_sipf_${sha256(bytes).slice(0, 32)}.zip`, bytes };
}
