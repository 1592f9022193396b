// The program's folder -> a zip archive of it, as Ray's clusters take packages.
import { readdir, readFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { crc32 } from 'node:zlib';
import { sha256 } from '../../hashing.ts';
import { PROGRAM_FOLDER } from './launch.ts';

export interface Package {
  /** Of its content, as Ray names packages. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

interface Entry {
  /** With `/` between folders. */
  readonly name: string;
  readonly data: Buffer;
}

/** The same files give the same bytes. */
export async function programPackage(): Promise<Package> {
  const found = await readdir(PROGRAM_FOLDER, { recursive: true, withFileTypes: true });
  const files = found
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.pyc'))
    .map(({ parentPath, name }) => join(parentPath, name).slice(PROGRAM_FOLDER.length))
    .sort();
  const entries = await Promise.all(
    files.map(async (file) => ({ name: file.replaceAll(sep, '/'), data: await readFile(join(PROGRAM_FOLDER, file)) })),
  );
  const bytes = zipOf(entries);
  return { name: `_ray_pkg_sipf_${sha256(bytes).slice(0, 32)}.zip`, bytes };
}

/** 1980-01-01, the first date that a zip archive knows. */
const DATE = 0x21;
/** UTF-8 names. */
const FLAGS = 0x800;
const VERSION = 20;

/** Files as they are, not compressed (APPNOTE.TXT of PKWARE, 4.3). */
export function zipOf(entries: readonly Entry[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, data } of entries) {
    const path = Buffer.from(name);
    const about = [VERSION, FLAGS, 0, 0, DATE, crc32(data), data.length, data.length, path.length, 0] as const;
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), fields(about), path, data]);
    const attributes = fields([0, 0, 0]);
    const place = Buffer.alloc(8);
    place.writeUInt32LE(offset, 4);
    directory.push(
      Buffer.concat([Buffer.from('PK\x01\x02'), fields([VERSION]), fields(about), attributes, place, path]),
    );
    parts.push(local);
    offset += local.length;
  }
  const index = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(index.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, index, end]);
}

/** Sums and sizes, the sixth to the eighth field of an entry, have four bytes, all others two. */
function fields(values: readonly number[]): Buffer {
  const bytes = values.map((value, n) => {
    const isWide = n >= 5 && n <= 7;
    const own = Buffer.alloc(isWide ? 4 : 2);
    if (isWide) own.writeUInt32LE(value);
    else own.writeUInt16LE(value);
    return own;
  });
  return Buffer.concat(bytes);
}
