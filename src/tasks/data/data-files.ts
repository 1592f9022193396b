// The user's file or folder -> the records of one split, each with its place for messages.
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { messageOf, SipfError, whyUnread } from '../../errors.ts';
import type { Row } from '../../io/jsonl.ts';
import { parquetRows } from '../../io/parquet.ts';
import { SPLITS, type Split } from '../../task.ts';
import { readText, short } from './data-text.ts';

/** One record as read; numbers that a double would change are exact (`numberText` reads any). */
export interface DataRecord {
  readonly value: Readonly<Record<string, unknown>>;
  /** 0-based line of a JSONL file, else position in the array or table; counted on over several files. */
  readonly index: number;
  /** `train.jsonl, line 3`, as messages say it. */
  readonly place: string;
}

/** Files that hold a split, and which part of their records it is: several splits may be cut from one file. */
export interface SplitFiles {
  readonly files: readonly string[];
  /** What the files hold, as ids say it: train, valid, test, or an own file's name. */
  readonly holds: string;
  readonly part: 'all' | Split;
  /** Of a part: 2, train and valid share the files; 3, test does, too. */
  readonly ways: 2 | 3;
}

export interface Layout {
  /** Task name; also the folder looked into where one folder serves several tasks. */
  readonly name: string;
  /** Names under which the whole data set is known (a pure test set). */
  readonly wholeSet: readonly string[];
  /** A test set only: train and valid are errors. */
  readonly testOnly: boolean;
  /** The user's own questions: no test set is published, so that a lone train file is cut in three. */
  readonly ownData?: boolean;
  /** Records themselves say their split (by their number): all files are read for each. */
  readonly splitInRecords?: boolean;
  /** Split files are also in folders below, one a subject. */
  readonly nested?: boolean;
  /** Folder of the hub's repository that holds the files, also in a local copy. */
  readonly folder?: string;
}

const DATA = '\\.(?:jsonl|json|jsonl\\.gz|json\\.gz|parquet)$';
const DATA_FILE = new RegExp(DATA, 'i');
const splitFile = (names: string): RegExp => new RegExp(`^(?:${names})(?:[-_.][\\w-]+)?${DATA}`, 'i');

const SPLIT_FILE: Readonly<Record<Split, RegExp>> = {
  train: splitFile('train'),
  valid: splitFile('valid|validation|dev'),
  test: splitFile('test'),
};

const ANY_SPLIT_FILE = splitFile('train|valid|validation|dev|test|prompt');

/** By its name, one of the kinds of file that are read. */
export function isDataFile(name: string): boolean {
  return DATA_FILE.test(name);
}

/** `.jsonl.gz` and `.JSONL` are `.jsonl`. */
function kindOfFile(name: string): string {
  return extname(name.replace(GZIPPED, '')).toLowerCase();
}

const GZIPPED = /\.gz$/i;

/** Of several spellings of one split, those of the first kind present: shards of one format, never the same data twice. */
function namesOf(names: readonly string[], pattern: RegExp): string[] {
  const found = names.filter((name) => pattern.test(basename(name)));
  const kinds = ['.jsonl', '.json', '.parquet'].flatMap((kind) => {
    const files = found.filter((name) => kindOfFile(name) === kind);
    return [files.filter((name) => !GZIPPED.test(name)), files.filter((name) => GZIPPED.test(name))];
  });
  return (kinds.find((files) => files.length > 0) ?? []).sort();
}

/** Which of a folder's (or repository's) files hold `split`; null: none. Names are in `folder` and may contain folders. */
export function chooseFiles(folder: string, names: readonly string[], split: Split, layout: Layout): SplitFiles | null {
  const paths = (files: readonly string[]): string[] => files.map((name) => join(folder, name));
  const [train = [], valid = [], test = []] = SPLITS.map((one) => namesOf(names, SPLIT_FILE[one]));
  const holds = wholeName(layout);
  if (holds !== null) {
    // An unpacked copy beside the gzipped file is the same data.
    const [whole] = names
      .filter((name) => layout.wholeSet.includes(basename(name).replace(GZIPPED, '')))
      .sort((a, b) => Number(GZIPPED.test(a)) - Number(GZIPPED.test(b)));
    const parts = layout.testOnly ? [...train, ...valid, ...test] : namesOf(names, ANY_SPLIT_FILE);
    const files = whole === undefined ? parts : [whole];
    return files.length === 0 ? null : wholeFiles(paths(files), holds);
  }
  const own = { train, valid, test }[split];
  if (own.length > 0 && (split !== 'train' || valid.length > 0)) return wholeFiles(paths(own), split);
  if (train.length === 0 || valid.length > 0) return null;
  const ways = layout.ownData === true && test.length === 0 ? 3 : 2;
  return split === 'test' && ways === 2 ? null : { files: paths(train), holds: 'train', part: split, ways };
}

/** What files of such a set hold, all of which are read for any split; null: they hold splits. */
function wholeName({ name, testOnly, splitInRecords = false }: Layout): string | null {
  if (splitInRecords) return name;
  return testOnly ? 'test' : null;
}

function wholeFiles(files: readonly string[], holds: string): SplitFiles {
  return { files, holds, part: 'all', ways: 2 };
}

/** What is wanted of `data`. */
export interface Wanted {
  readonly split: Split;
  /** All of a file that is given by itself, of any split. */
  readonly whole?: boolean | undefined;
}

/**
 * The files at `data` (a file, a folder, or a folder with one folder a task) with a split.
 * @throws SipfError 'not-found' where there are none, 'bad-input' where the file has another split or format.
 */
export async function locateSplit(data: string, { split, whole }: Wanted, layout: Layout): Promise<SplitFiles> {
  const kind = await kindOf(data);
  if (kind === 'file') return fileSplit(data, { split, whole }, layout);
  const folders = [join(data, layout.name), join(data, layout.name.replaceAll('-', '_')), data];
  for (const folder of folders) {
    const names = await listFolder(folder, layout);
    const chosen = chooseFiles(folder, names, split, layout);
    if (chosen !== null) return chosen;
  }
  const expected = [...layout.wholeSet, ...(layout.testOnly ? [] : [`${split}.jsonl`])].join(' or ');
  throw new SipfError(
    'not-found',
    `Expected ${expected} in ${data} (or in ${join(data, layout.name)}), got ${await contents(data)}. Name the file itself with --data.`,
  );
}

/** What a folder holds, for messages. */
async function contents(folder: string): Promise<string> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => !name.startsWith('.')).sort();
  if (names.length === 0) return 'an empty folder';
  return `${names.slice(0, 6).join(', ')}${names.length > 6 ? ` and ${names.length - 6} more` : ''}`;
}

/** The split that a file's name says: `train.jsonl`, `test-00000.parquet`. */
export function splitInName(file: string): Split | undefined {
  return SPLITS.find((one) => SPLIT_FILE[one].test(basename(file)));
}

/** A single file holds the split that its name says; train and valid are cut from a train file, all three from a file with another name. */
function fileSplit(file: string, { split, whole }: Wanted, layout: Layout): SplitFiles {
  refuseOtherFormats(file);
  const named = splitInName(file);
  const ofSet = wholeName(layout);
  if (ofSet !== null) return wholeFiles([file], ofSet);
  const unpacked = file.replace(GZIPPED, '');
  const holds = named ?? basename(unpacked, extname(unpacked)).replace(/[^\w.-]/g, '_');
  if (whole === true || (named === split && split !== 'train')) return wholeFiles([file], holds);
  const ways = named === undefined || (named === 'train' && layout.ownData === true) ? 3 : 2;
  if (ways === 3 || (named === 'train' && split !== 'test')) return { files: [file], holds, part: split, ways };
  throw new SipfError(
    'bad-input',
    `Expected the ${split} split, got ${file}, which holds ${named} by its name. Name a ${split} file or a folder with --data, or another --split.`,
  );
}

/** Tables and archives that people have at hand: their first line as broken JSON would explain nothing. */
const OTHER_FORMAT =
  /\.(csv|tsv|xlsx?|ods|arrow|feather|pkl|npz?|ya?ml|toml|xml|html?|docx?|pdf|zip|tar|7z|rar|bz2|xz|zst|db|sqlite)$/i;

function refuseOtherFormats(file: string): void {
  const kind = OTHER_FORMAT.exec(file.replace(GZIPPED, ''))?.[1]?.toLowerCase();
  if (kind === undefined) return;
  throw new SipfError(
    'bad-input',
    `Expected JSONL (.jsonl), a JSON array (.json), either gzipped (.gz), or Parquet (.parquet), got ${file}, a .${kind} file. Save it as JSONL: one {"question": ..., "answer": ...} a line.`,
  );
}

async function kindOf(path: string): Promise<'file' | 'folder'> {
  try {
    return (await stat(path)).isDirectory() ? 'folder' : 'file';
  } catch (cause) {
    throw new SipfError(
      'not-found',
      `Expected a data file or folder at ${path}, got ${whyUnread(cause)}. Check the path of --data.`,
      { cause },
    );
  }
}

/** File names in a folder and in its `main`, `data` and `layout.folder` (as hub repositories have them); empty where it is not there. */
async function listFolder(folder: string, { folder: inHub = 'main', nested = false }: Layout): Promise<string[]> {
  const lists = await Promise.all(
    ['', inHub, 'main', 'data'].map(async (inner) => {
      const entries = await readdir(join(folder, inner), { withFileTypes: true }).catch(() => []);
      return entries.filter((entry) => !entry.isDirectory()).map((entry) => join(inner, entry.name));
    }),
  );
  const found = lists.find((names) => names.some(isDataFile));
  if (found !== undefined || !nested) return found ?? [];
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const below = await Promise.all(
    folders.sort().map(async (inner) => (await readdir(join(folder, inner))).map((name) => join(inner, name))),
  );
  return below.flat().filter(isDataFile);
}

/**
 * All records of `files`, in order.
 * @throws SipfError 'not-found' for a file that cannot be read, 'bad-input' naming file and line for what is no JSON object.
 */
export async function readRecords(files: readonly string[]): Promise<DataRecord[]> {
  const records: DataRecord[] = [];
  for (const file of files) {
    const start = (records.at(-1)?.index ?? -1) + 1;
    const bytes = await readBytes(file);
    const kind = kindOfFile(file);
    const values = kind === '.parquet' ? await readParquet(file, bytes) : await readText(file, kind, bytes);
    for (const { value, index, place } of values) {
      if (value === null || typeof value !== 'object' || Array.isArray(value)) {
        throw new SipfError('bad-input', `Expected a JSON object in ${place}, got ${short(value)}. Fix or delete it.`);
      }
      records.push({ value: value as Record<string, unknown>, index: start + index, place });
    }
  }
  return records;
}

async function readBytes(file: string): Promise<Buffer> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    throw new SipfError(
      'not-found',
      `Expected a readable data file at ${file}, got ${whyUnread(cause)}. Check the path of --data.`,
      { cause },
    );
  }
  if (!GZIPPED.test(file)) return bytes;
  try {
    return await promisify(gunzip)(bytes);
  } catch (cause) {
    throw new SipfError(
      'bad-input',
      `Expected a gzip file at ${file}, got: ${messageOf(cause)}. Fetch it again, or name the unpacked file.`,
      { cause },
    );
  }
}

async function readParquet(file: string, bytes: Buffer): Promise<Row<unknown>[]> {
  try {
    const rows = await parquetRows(bytes);
    return rows.map((value, index) => ({ value, index, place: `${file}, row ${index + 1}` }));
  } catch (cause) {
    throw new SipfError(
      'bad-input',
      `Expected a Parquet file (uncompressed or Snappy) at ${file}, got: ${messageOf(cause)}. Fetch it again, or convert it to JSONL.`,
      { cause },
    );
  }
}
