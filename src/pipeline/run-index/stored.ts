// The tables of a run <-> one file in the cache folder, with a version and a hash of its content.
import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isFolder, readExactly, withFile } from '../../io/file-bytes.ts';
import { nodeDisk, writeFileAtomically } from '../../io/files.ts';
import { bytesOfColumn, bytesPerNumber, type Column, columnIn, type Kind, type Table, tableOf } from './columns.ts';
import {
  HARD_KINDS,
  newRunTables,
  PAIR_KINDS,
  PATH_KINDS,
  PLACE_KINDS,
  type RunTables,
  SCORE_KINDS,
  START,
} from './tables.ts';
import { TEXT_KINDS, TextTable } from './text-table.ts';

/** A change of the tables, or of what is written into them, makes it another. */
const VERSION = 2;
/** How the names of these files end. */
export const INDEX = '.index';
const ALIGNED = 8;
const HASH_BYTES = 32;

const Header = z.object({
  version: z.literal(VERSION),
  /** The run directory. */
  dir: z.string(),
  /** What the run's configuration says of labels and scores. */
  rules: z.string(),
  files: z.array(
    z.object({
      kind: z.enum(['0-questions', '1-samples', '2-step-labels', '4-scores', '5-pairs']),
      round: z.number().int(),
      name: z.string(),
      size: z.number(),
      mtimeMs: z.number(),
      hash: z.string().nullable(),
      /** A journal is not stored. */
      isJournal: z.literal(false),
    }),
  ),
  faults: z.array(z.string()),
  moreFaults: z.number(),
  /** How long the columns are, in the order of `columnsOf`. */
  lengths: z.array(z.number().int().min(0)),
});
type Header = z.infer<typeof Header>;

/** What a stored index is of. */
export interface IndexOf {
  /** As the system resolves it. */
  readonly dir: string;
  readonly rules: string;
}

/**
 * Writes the tables; a reader sees the old file or the new one.
 * @throws SipfError 'write-failed' where the disk refuses.
 */
export async function storeTables(path: string, tables: RunTables, of: IndexOf): Promise<void> {
  const columns = columnsOf(tables);
  const { faults, moreFaults } = tables;
  const files = tables.files.map(({ file }) => ({ ...file, isJournal: false as const }));
  const lengths = columns.map(({ length }) => length);
  const header: Header = { version: VERSION, ...of, files, faults, moreFaults, lengths };
  await writeFileAtomically(
    path,
    hashed([headerBytes(header), ...columns.map((column) => padded(bytesOfColumn(column)))]),
  );
}

/** The tables in a file of this version and of these rules; null: there is none, or it is damaged. */
export async function storedTables(path: string, { rules }: IndexOf): Promise<RunTables | null> {
  if ((await stat(path).catch(() => null)) === null) return null;
  const bytes = await withFile(path, (handle, size) => readExactly(handle, path, 0, size)).catch(() => null);
  if (bytes === null || !isWhole(bytes)) return null;
  const end = 4 + headerLength(bytes);
  const header = headerIn(bytes.subarray(4, end));
  return header?.rules === rules ? tablesIn(bytes.buffer as ArrayBuffer, alignedLength(end), header) : null;
}

/**
 * Deletes the indexes in a folder whose run directories are gone, and those of other versions.
 * @throws SipfError 'write-failed' where the disk refuses.
 */
export async function deleteStale(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.endsWith(INDEX)) continue;
    const path = join(folder, name);
    const header = await headerOf(path).catch(() => null);
    if (header === null || !(await isFolder(header.dir))) await nodeDisk.remove(path);
  }
}

/** @throws SipfError for a file that cannot be read or is shorter. */
function headerOf(path: string): Promise<Header | null> {
  return withFile(path, async (handle, size) => {
    const length = headerLength(await readExactly(handle, path, 0, 4));
    return length > size ? null : headerIn(await readExactly(handle, path, 4, length));
  });
}

function headerLength(bytes: Uint8Array): number {
  return new DataView(bytes.buffer).getUint32(0, true);
}

/** null: another version's. */
function headerIn(bytes: Uint8Array): Header | null {
  try {
    return Header.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    return null;
  }
}

function tablesIn(bytes: ArrayBuffer, from: number, { files, faults, moreFaults, lengths }: Header): RunTables {
  let [at, place] = [from, 0];
  const next = (kind: Kind): Column => {
    const length = lengths[place] ?? 0;
    const column = columnIn(bytes, kind, at, length);
    at = alignedLength(at + length * bytesPerNumber(kind));
    place += 1;
    return column;
  };
  const table = <Name extends string>(kinds: Readonly<Record<Name, Kind>>): Table<Name> => tableOf(kinds, next);
  return {
    ...newRunTables(),
    // In the order of `columnsOf`.
    questions: new TextTable(table(TEXT_KINDS)),
    ids: new TextTable(table(TEXT_KINDS)),
    paths: table(PATH_KINDS),
    hard: table(HARD_KINDS),
    files: files.map((file) => ({
      file,
      end: START,
      places: table(PLACE_KINDS),
      scores: table(SCORE_KINDS),
      pairs: table(PAIR_KINDS),
    })),
    faults,
    moreFaults,
  };
}

function columnsOf({ questions, ids, paths, hard, files }: RunTables): Column[] {
  const ofFiles = files.flatMap(({ places, scores, pairs }) => [places, scores, pairs]);
  const tables = [questions.columns, ids.columns, paths, hard, ...ofFiles];
  return tables.flatMap((table) => Object.values<Column>(table));
}

function headerBytes(header: Header): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(alignedLength(4 + text.length));
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, 4);
  return bytes;
}

function* hashed(parts: readonly Uint8Array[]): Generator<Uint8Array> {
  const hash = createHash('sha256');
  for (const part of parts) {
    hash.update(part);
    yield part;
  }
  yield hash.digest();
}

function isWhole(bytes: Uint8Array): boolean {
  if (bytes.length < ALIGNED + HASH_BYTES) return false;
  const end = bytes.length - HASH_BYTES;
  const hash = createHash('sha256').update(bytes.subarray(0, end)).digest();
  return hash.equals(bytes.subarray(end));
}

function padded(bytes: Uint8Array): Uint8Array {
  if (bytes.length % ALIGNED === 0) return bytes;
  const whole = new Uint8Array(alignedLength(bytes.length));
  whole.set(bytes);
  return whole;
}

function alignedLength(bytes: number): number {
  return Math.ceil(bytes / ALIGNED) * ALIGNED;
}
