// The index and a question -> its records, read at their places in the files and checked.
import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import { codeOf, SipfError } from '../../errors.ts';
import { check } from '../../io/check.ts';
import { textOf } from '../../io/jsonl.ts';
import { PreferencePair, Question, Sample, StepLabels, StepScores } from '../../records.ts';
import type { RecordsKind } from './record-files.ts';
import type { RunIndex } from './run-index.ts';
import type { FileTables } from './tables.ts';

/** A pair with its place among those of its round. */
export interface PlacedPair {
  readonly index: number;
  readonly pair: PreferencePair;
}

/** A question with its records up to a round; scores and pairs are that round's. */
export interface RecordGroup {
  readonly question: Question;
  readonly samples: readonly Sample[];
  readonly labels: readonly StepLabels[];
  readonly scores: readonly StepScores[];
}

/** Lines of a file, one after the other, as they are. */
export interface Lines {
  readonly path: string;
  /** 1-based, of the first one. */
  readonly first: number;
  readonly text: string;
  /** They are a part of one line, with commas between them. */
  readonly isOfJournal: boolean;
}

/**
 * Reads records by their places, synchronously: a question's are a few kilobytes. Files that it opened are closed with it.
 * @throws SipfError 'bad-input', from each method, for a record that is another than the index saw, or lacks a field, with file and line.
 */
export class RecordReader implements Disposable {
  readonly #index: RunIndex;
  readonly #open = new Map<FileTables, number>();

  constructor(index: RunIndex) {
    this.#index = index;
  }

  /** null: the run has no such question. */
  question(number: number): Question | null {
    return this.#records('0-questions', 0, number, Question)[0] ?? null;
  }

  /** null: the run has no such question. */
  group(number: number, round: number): RecordGroup | null {
    const question = this.question(number);
    if (question === null) return null;
    const rounds = Array.from({ length: round }, (_, i) => i + 1);
    return {
      question,
      samples: rounds.flatMap((k) => this.samples(k, number)),
      labels: rounds.flatMap((k) => this.labels(k, number)),
      scores: this.scores(round, number),
    };
  }

  /** New ones of a round. */
  samples(round: number, question: number): Sample[] {
    return this.#records('1-samples', round, question, Sample);
  }

  labels(round: number, question: number): StepLabels[] {
    return this.#records('2-step-labels', round, question, StepLabels);
  }

  scores(round: number, question: number): StepScores[] {
    return this.#records('4-scores', round, question, StepScores);
  }

  pairs(round: number, question: number): PlacedPair[] {
    const tables = this.#index.fileOf('5-pairs', round);
    if (tables === null) return [];
    return this.#index.placesOf(tables, question).map((index) => ({ index, pair: this.#pairAt(tables, index) }));
  }

  /** null: there are fewer. */
  pair(round: number, index: number): PreferencePair | null {
    const tables = this.#index.fileOf('5-pairs', round);
    return tables === null || index >= tables.places.at.length ? null : this.#pairAt(tables, index);
  }

  /** The lines of a question in a file, in parts. */
  lines(kind: RecordsKind, round: number, question: number): Lines[] {
    const tables = this.#index.fileOf(kind, round);
    if (tables === null) return [];
    return this.#index.placesOf(tables, question).map((place) => this.#linesAt(tables, place));
  }

  [Symbol.dispose](): void {
    for (const file of this.#open.values()) closeSync(file);
    this.#open.clear();
  }

  #pairAt(tables: FileTables, index: number): PreferencePair {
    return parseLines(this.#linesAt(tables, index), PreferencePair)[0]!;
  }

  #records<T>(kind: RecordsKind, round: number, question: number, schema: z.ZodType<T>): T[] {
    return this.lines(kind, round, question).flatMap((part) => parseLines(part, schema));
  }

  #linesAt(tables: FileTables, place: number): Lines {
    const { at, bytes, line } = tables.places;
    const found = Buffer.allocUnsafe(bytes.at(place));
    const { name, isJournal } = tables.file;
    const path = join(this.#index.dir, name);
    const first = line.at(place);
    if (this.#read(tables, path, found, at.at(place)) < found.length) throw changed(path, first);
    return { path, first, text: textOf(found, `${path}, line ${first}`), isOfJournal: isJournal };
  }

  /** How many bytes there were. */
  #read(tables: FileTables, path: string, into: Buffer, at: number): number {
    try {
      let file = this.#open.get(tables);
      if (file === undefined) {
        file = openSync(path, 'r');
        this.#open.set(tables, file);
      }
      return readSync(file, into, 0, into.length, at);
    } catch (error) {
      if (codeOf(error) === '') throw error;
      return -1;
    }
  }
}

/** The records of lines that were whole when they were read first. */
function parseLines<T>({ path, first, text, isOfJournal }: Lines, schema: z.ZodType<T>): T[] {
  const texts = isOfJournal ? [`[${text}]`] : text.split('\n');
  return texts.flatMap((part, i) => {
    const value = parsed(part, path, first + i);
    const values = isOfJournal && Array.isArray(value) ? value : [value];
    return values.map((record) => check(schema, record, `${path}, line ${first + i}`));
  });
}

function parsed(text: string, path: string, line: number): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw changed(path, line);
  }
}

/** The records are others than the index saw: it is to be refreshed. Code 'bad-input'. */
export class ChangedRecords extends SipfError {}

function changed(path: string, line: number): SipfError {
  const got = 'Expected the record that was there, got another: the file was changed. Ask again.';
  return new ChangedRecords('bad-input', `${path}, line ${line}: ${got}`);
}
