// A stage's units -> one durable line each, and back after a kill.
import { join } from 'node:path';
import { z } from 'zod';
import { SipfError } from '../errors.ts';
import { check } from '../io/check.ts';
import { withFile } from '../io/file-bytes.ts';
import { type Disk, replaceFile } from '../io/files.ts';
import { bytesOf, jsonOf, type Line, linesOf, textOf } from '../io/jsonl.ts';
import type { Counts } from '../reports.ts';
import type { StageName } from './marker.ts';
import { addCounts, type StageOutput } from './units.ts';

const Header = z.object({ journal: z.literal(1), inputs: z.string() });
const Unit = z.object({
  unit: z.number().int(),
  records: z.array(z.unknown()),
  counts: z.record(z.string(), z.number()),
});

/** Where the journal of a stage is below `dir`. */
export function journalPath(dir: string, { folder, name }: StageName): string {
  return join(dir, folder, 'done', `${name}.journal.jsonl`);
}

/** Bytes of a first line, and more. */
const FIRST_LINE = 256;

/** The hash of what the stage of a journal reads: journals of one hash are one, which grew. null: that is not written yet. */
export async function journalInputs(path: string): Promise<string | null> {
  const text = await withFile(path, async (file) => {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(FIRST_LINE), 0, FIRST_LINE, 0);
    return buffer.toString('utf8', 0, bytesRead);
  });
  const [, line] = /^(.*)\n/.exec(text) ?? [];
  return line === undefined ? null : check(Header, jsonOf(line, path), `${path}, line 1`).inputs;
}

/** A record of a journal, and where it is in its line. */
export interface JournaledRecord {
  readonly record: unknown;
  /** In bytes. */
  readonly at: number;
  readonly bytes: number;
}

/**
 * The records of a line of a journal, which `Journal.add` wrote by JSON.stringify: so their places follow. The first line has none.
 * @throws SipfError 'bad-input' for what is no line of a journal.
 */
export function journaledRecords(line: unknown): JournaledRecord[] {
  if (Header.safeParse(line).success) return [];
  const { unit, records } = check(Unit, line, 'A line of a journal');
  let at = `{"unit":${unit},"records":[`.length;
  return records.map((record) => {
    const bytes = Buffer.byteLength(JSON.stringify(record));
    const from = at;
    // A comma is between two.
    at += bytes + 1;
    return { record, at: from, bytes };
  });
}

/** Units done so far, each one line that is on the disk before the next unit starts. A torn last line is dropped: that unit runs again whole. */
export class Journal {
  readonly #disk: Disk;
  readonly #path: string;
  #units = 0;
  #counts: Counts = {};

  private constructor(disk: Disk, path: string) {
    this.#disk = disk;
    this.#path = path;
  }

  /** `inputs` is the hash of what the stage reads: a journal of other inputs is dropped. */
  static async open(disk: Disk, path: string, inputs: string, exists: boolean): Promise<Journal> {
    const journal = new Journal(disk, path);
    const header = `${JSON.stringify({ journal: 1, inputs })}\n`;
    if (!exists || !(await journal.#restore(inputs))) await replaceFile(disk, path, [header]);
    return journal;
  }

  get units(): number {
    return this.#units;
  }

  get counts(): Counts {
    return this.#counts;
  }

  async add({ records, counts }: StageOutput<unknown>): Promise<void> {
    await this.#disk.append(this.#path, `${JSON.stringify({ unit: this.#units, records, counts })}\n`, true);
    this.#units += 1;
    this.#counts = addCounts(this.#counts, counts);
  }

  /** All records, in the order of their units. */
  async *records(): AsyncGenerator<unknown> {
    for await (const line of linesOf(bytesOf(this.#path))) if (line.number > 1) yield* this.#parse(line, Unit).records;
  }

  /** All records, in the order of their units, as JSONL. */
  async *lines(): AsyncGenerator<string> {
    for await (const record of this.records()) yield `${JSON.stringify(record)}\n`;
  }

  #parse<T>({ bytes, number }: Line, schema: z.ZodType<T>): T {
    const place = `${this.#path}, line ${number}`;
    return check(schema, jsonOf(textOf(bytes, place), place), place);
  }

  async #restore(inputs: string): Promise<boolean> {
    let good = 0;
    let usable = false;
    for await (const line of linesOf(bytesOf(this.#path))) {
      const { number, end, whole } = line;
      if (!whole) {
        if (usable) await this.#disk.truncate(this.#path, good);
        return usable;
      }
      if (number === 1) {
        usable = this.#parse(line, Header).inputs === inputs;
        if (!usable) return false;
      } else {
        const { unit, counts } = this.#parse(line, Unit);
        if (unit !== this.#units) {
          throw new SipfError(
            'bad-input',
            `${this.#path}, line ${number}: Expected unit ${this.#units}, got ${unit}. Delete that file: the stage starts again.`,
          );
        }
        this.#units += 1;
        this.#counts = addCounts(this.#counts, counts);
      }
      good = end;
    }
    return usable;
  }
}
