// A run directory -> its index: one pass over the record files, cached, read on as files come.
import { realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Config } from '../../config/schema.ts';
import { codeInWords, codeOf, SipfError } from '../../errors.ts';
import { canonicalJson, sha256 } from '../../hashing.ts';
import { type CacheOptions, cacheFolder } from '../../io/cache.ts';
import { labelRule } from '../../method/step-labels.ts';
import { type IndexRules, RecordAdder } from './add-records.ts';
import { REASONS } from './outcomes.ts';
import { PlacesByQuestion } from './places.ts';
import { fileName, isSame, type RecordFile, type RecordsKind, recordFilesOf } from './record-files.ts';
import { scanLines } from './record-lines.ts';
import { deleteStale, INDEX, type IndexOf, storedTables, storeTables } from './stored.ts';
import { type FileTables, newFileTables, newRunTables, type RunTables, tablesOf } from './tables.ts';

/** Record files smaller than this are read again each time: their index is not stored. */
const SMALL = 1 << 24;
const MOST_FAULTS = 20;

type RunIndexOptions = Pick<CacheOptions, 'cache' | 'signal'>;

/** What is known of a run's records without their texts. `refresh` reads what is new; between two calls nothing changes. */
export class RunIndex {
  readonly dir: string;
  readonly #rules: IndexRules;
  readonly #options: RunIndexOptions;
  #tables = newRunTables();
  /** null: nothing was added to the tables since they were loaded. */
  #adder: RecordAdder | null = null;
  #version = 0;
  #isLoaded = false;
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
   * Reads the record files that are new; all of them again where one that was read is another now.
   * @throws SipfError 'aborted'.
   */
  async refresh(): Promise<void> {
    const files = await recordFilesOf(this.dir);
    this.#bytes.of = files.reduce((total, { size }) => total + size, 0);
    if (!this.#isLoaded) await this.#load();
    if (!this.#isStartOf(files)) this.#reset();
    // A marker that came since tells more than a time does.
    for (const [place, tables] of this.#tables.files.entries()) tables.file = files[place]!;
    try {
      for (const file of files.slice(this.#tables.files.length)) await this.#read(file);
    } catch (error) {
      // Half a file was taken in.
      this.#reset();
      throw error;
    }
    if (this.#bytes.unstored >= SMALL) await this.#store();
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

  /** Files come in the order of their making: what was read is the start of what is there. */
  #isStartOf(files: readonly RecordFile[]): boolean {
    return this.#tables.files.every(({ file }, place) => {
      const now = files[place];
      return now !== undefined && isSame(file, now);
    });
  }

  #reset(): void {
    this.#tables = newRunTables();
    this.#adder = null;
    this.#places.clear();
    this.#bytes.read = 0;
    this.#version += 1;
  }

  async #load(): Promise<void> {
    this.#isLoaded = true;
    const stored = this.#bytes.of < SMALL ? null : await storedTables(...(await this.#stored()));
    if (stored === null) return;
    this.#tables = stored;
    this.#adder = null;
    this.#bytes.read = stored.files.reduce((total, { file }) => total + file.size, 0);
    this.#version += 1;
  }

  async #read(file: RecordFile): Promise<void> {
    const into = newFileTables(file);
    const { signal } = this.#options;
    const path = join(this.dir, file.name);
    this.#adder ??= new RecordAdder(this.#tables, this.#rules);
    try {
      await scanLines(path, {
        take: this.#adder.takerOf(into),
        onFault: (message, line) => this.#fault(`${file.name}, line ${line}: ${message}`),
        onBytes: (bytes) => {
          this.#bytes.read += bytes;
          this.#bytes.unstored += bytes;
        },
        signal,
      });
    } catch (error) {
      const code = codeOf(error);
      if (code === '') throw error;
      this.#fault(`${file.name}: Expected a file that can be read, got ${codeInWords(code)}.`);
    }
    this.#tables.files.push(into);
    this.#version += 1;
  }

  #fault(message: string): void {
    if (this.#tables.faults.length < MOST_FAULTS) this.#tables.faults.push(message);
    else this.#tables.moreFaults += 1;
  }

  /** A cache that cannot be written costs time, no answer. */
  async #store(): Promise<void> {
    try {
      const [path, of] = await this.#stored();
      await storeTables(path, this.#tables, of);
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
