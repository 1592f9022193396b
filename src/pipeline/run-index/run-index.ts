// A run directory -> its index: one pass over the record files, cached, read on as files come.
import { realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Config } from '../../config/schema.ts';
import { codeInWords, codeOf, SipfError } from '../../errors.ts';
import { canonicalJson, sha256 } from '../../hashing.ts';
import { type CacheOptions, cacheFolder } from '../../io/cache.ts';
import { labelRule } from '../../method/step-labels.ts';
import { journaledRecords } from '../../run/journal.ts';
import { type IndexRules, RecordAdder } from './add-records.ts';
import { REASONS } from './outcomes.ts';
import { PlacesByQuestion } from './places.ts';
import { fileName, isSame, type RecordFile, type RecordsKind, recordFilesOf } from './record-files.ts';
import { type End, type Place, scanLines } from './record-lines.ts';
import { deleteStale, INDEX, type IndexOf, storedTables, storeTables } from './stored.ts';
import { type FileTables, newFileTables, newRunTables, type RunTables, tablesOf } from './tables.ts';

/** Record files smaller than this are read again each time: their index is not stored. */
const SMALL = 1 << 24;
const MOST_FAULTS = 20;

/** Takes a record at its place. @throws SipfError 'bad-input' for one that is none. */
type Take = (value: unknown, place: Place) => void;

type RunIndexOptions = Pick<CacheOptions, 'cache' | 'signal'>;

/** What is known of a run's records without their texts. `refresh` reads what is new; between two calls nothing changes. */
export class RunIndex {
  readonly dir: string;
  readonly #rules: IndexRules;
  readonly #options: RunIndexOptions;
  #tables = newRunTables();
  /** Adds to the tables that are read into; null: nothing was added since they were loaded. */
  #adder: RecordAdder | null = null;
  #version = 0;
  /** The tables are those of files that were read whole. */
  #isBegun = false;
  #cacheFault: string | null = null;
  readonly #bytes = { read: 0, of: 0, unstored: 0 };
  readonly #places = new Map<FileTables, PlacesByQuestion>();

  /** `config`: the run's. Nothing is read before `refresh`. */
  constructor(dir: string, { labels, score }: Pick<Config, 'labels' | 'score'>, options: RunIndexOptions = {}) {
    this.dir = dir;
    this.#rules = { labels: labelRule(labels), score: { path: score.path, value: score.value } };
    this.#options = options;
  }

  get tables(): RunTables {
    return this.#tables;
  }

  /** Grows with every file that is read, or read again. */
  get version(): number {
    return this.#version;
  }

  /** Bytes of record files that are read, and that there are. */
  get bytes(): { readonly read: number; readonly of: number } {
    return { read: this.#bytes.read, of: this.#bytes.of };
  }

  /** Why the index is not kept in the cache folder; null: it is, or the run is small. */
  get cacheFault(): string | null {
    return this.#cacheFault;
  }

  /** What is wrong with the records, with file and line. */
  get faults(): readonly string[] {
    const { faults, moreFaults, files } = this.#tables;
    const isUnnamed = files.length > 0 && this.fileOf('0-questions', 0) === null;
    return [
      ...(isUnnamed
        ? [`${fileName(0, '0-questions')}: Expected the questions of the records, got no file there.`]
        : []),
      ...faults,
      ...(moreFaults === 0 ? [] : [`${moreFaults} more lines of record files are wrong, too.`]),
    ];
  }

  /**
   * Reads the record files that are new, and what came in a journal; all of them again where one that was read is another now.
   * @throws SipfError 'aborted'.
   */
  async refresh(): Promise<void> {
    const files = await recordFilesOf(this.dir);
    this.#bytes.of = files.reduce((total, { size }) => total + size, 0);
    const isAnew = !this.#isBegun || !isStart(this.#tables, files);
    // Nothing is known, or half a file is taken in, until all is read.
    this.#isBegun = false;
    const tables = isAnew ? await this.#begin(files) : this.#tables;
    for (const [place, file] of files.entries()) await this.#readAt(place, file, tables);
    if (isAnew) this.#show(tables);
    await this.#storeLarge(tables);
    this.#isBegun = true;
  }

  /** Where the records of a question are in a file, in its order. */
  placesOf(tables: FileTables, question: number): readonly number[] {
    let places = this.#places.get(tables);
    if (places === undefined) {
      places = new PlacesByQuestion(tables.places.question, this.#tables.questions.size);
      this.#places.set(tables, places);
    }
    return places.of(question);
  }

  /** null: it is not there, or not read yet. */
  fileOf(kind: RecordsKind, round: number): FileTables | null {
    return tablesOf(this.#tables, kind, round);
  }

  /** The stored tables of the files that are there, or empty ones. What was known stays until these are read. */
  async #begin(files: readonly RecordFile[]): Promise<RunTables> {
    this.#adder = null;
    const stored = this.#bytes.of < SMALL ? null : await storedTables(...(await this.#stored()));
    const tables = stored !== null && isStart(stored, files) ? stored : newRunTables();
    this.#bytes.read = tables.files.reduce((total, { file }) => total + file.size, 0);
    this.#bytes.unstored = 0;
    return tables;
  }

  #show(tables: RunTables): void {
    this.#tables = tables;
    this.#places.clear();
    this.#version += 1;
  }

  /** Reads a file that is new, or on in a journal. */
  async #readAt(place: number, file: RecordFile, tables: RunTables): Promise<void> {
    const known = tables.files[place];
    // What a stage at work has written so far is not stored: what was there before it is.
    if (known === undefined && file.isJournal) await this.#storeLarge(tables);
    const into = known ?? newFileTables(file);
    // A marker that came since tells more than a time does.
    into.file = file;
    if (known !== undefined && !(file.isJournal && file.size > known.end.at)) return;
    into.end = await this.#read(into, tables);
    if (known === undefined) tables.files.push(into);
    this.#places.delete(into);
    this.#version += 1;
  }

  /** Where it ended. */
  async #read(into: FileTables, tables: RunTables): Promise<End> {
    const { signal } = this.#options;
    const { name, isJournal } = into.file;
    this.#adder ??= new RecordAdder(tables, this.#rules);
    const take = this.#adder.takerOf(into);
    const onFault = (message: string, line: number) => addFault(tables, `${name}, line ${line}: ${message}`);
    try {
      return await scanLines(join(this.dir, name), {
        take: isJournal ? unitTaker(take, onFault) : take,
        onFault,
        onBytes: (bytes) => {
          this.#bytes.read += bytes;
          this.#bytes.unstored += bytes;
        },
        from: into.end,
        isGrowing: isJournal,
        signal,
      });
    } catch (error) {
      const code = codeOf(error);
      // What was stopped is not read: no fault of the file.
      if (error instanceof SipfError || code === '') throw error;
      addFault(tables, `${name}: Expected a file that can be read, got ${codeInWords(code)}.`);
      return into.end;
    }
  }

  /** Where much was read. A cache that cannot be written costs time, no answer. */
  async #storeLarge(tables: RunTables): Promise<void> {
    if (this.#bytes.unstored < SMALL || tables.files.some(({ file }) => file.isJournal)) return;
    try {
      const [path, of] = await this.#stored();
      await storeTables(path, tables, of);
      await deleteStale(dirname(path));
      this.#cacheFault = null;
    } catch (error) {
      if (!(error instanceof SipfError) || error.code !== 'write-failed') throw error;
      this.#cacheFault = `The index of this run is not kept. ${error.message}`;
    }
    this.#bytes.unstored = 0;
  }

  /** Its place in the cache folder. Rules are what the stored numbers mean: a version that has other reasons makes the index again. */
  async #stored(): Promise<[path: string, of: IndexOf]> {
    const dir = await realpath(this.dir);
    const path = join(cacheFolder(this.#options), 'runs', `${sha256(dir).slice(0, 32)}${INDEX}`);
    return [path, { dir, rules: canonicalJson({ ...this.#rules, reasons: REASONS }) }];
  }
}

/** Files come in the order of their making: what was read is the start of what is there. */
function isStart({ files }: RunTables, now: readonly RecordFile[]): boolean {
  return files.every(({ file }, place) => {
    const own = now[place];
    return own !== undefined && isSame(file, own);
  });
}

/** Takes a line of a journal: each record of it, at its place. */
function unitTaker(take: Take, onFault: (message: string, line: number) => void): Take {
  return (value, { at: start, line }) => {
    for (const { record, at, bytes } of journaledRecords(value)) {
      try {
        take(record, { at: start + at, bytes, line });
      } catch (error) {
        if (!(error instanceof SipfError)) throw error;
        onFault(error.message, line);
      }
    }
  };
}

function addFault(tables: RunTables, message: string): void {
  if (tables.faults.length < MOST_FAULTS) tables.faults.push(message);
  else tables.moreFaults += 1;
}
