// A stage's units -> one durable line each, and back after a kill.
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { SipfError } from '../errors.ts';
import { check } from '../io/check.ts';
import { withFile } from '../io/file-bytes.ts';
import { type Disk, replaceFile } from '../io/files.ts';
import { bytesOf, jsonOf, type Line, linesOf, textOf } from '../io/jsonl.ts';
import type { StageName } from './marker.ts';
import type { StageOutput } from './units.ts';

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

/** Where a unit is in a journal, in bytes. */
interface UnitPlace {
  readonly at: number;
  readonly line: number;
  readonly bytes: number;
}

/** Units done so far, each one line that is on the disk when `add` returns, in the order in which they ended. A torn last line is dropped: that unit runs again whole. */
export class Journal {
  readonly #disk: Disk;
  readonly #path: string;
  /** By number. */
  readonly #units = new Map<number, UnitPlace>();
  /** Bytes of what is there. */
  #end = 0;
  readonly #waiting: { readonly unit: number; readonly line: string }[] = [];
  #added: Promise<void> = Promise.resolve();

  private constructor(disk: Disk, path: string) {
    this.#disk = disk;
    this.#path = path;
  }

  /** `inputs` is the hash of what the stage reads: a journal of other inputs is dropped. */
  static async open(disk: Disk, path: string, inputs: string, exists: boolean): Promise<Journal> {
    const journal = new Journal(disk, path);
    const header = `${JSON.stringify({ journal: 1, inputs })}\n`;
    if (exists && (await journal.#restore(inputs))) return journal;
    await replaceFile(disk, path, [header]);
    journal.#end = Buffer.byteLength(header);
    return journal;
  }

  /** How many are done. */
  get units(): number {
    return this.#units.size;
  }

  has(unit: number): boolean {
    return this.#units.has(unit);
  }

  /** Adds a unit: the next one, or that of a number. What comes while the disk is busy is written together. */
  async add({ records, counts }: StageOutput<unknown>, unit = this.units): Promise<void> {
    this.#waiting.push({ unit, line: `${JSON.stringify({ unit, records, counts })}\n` });
    // Behind half a line nothing may be added.
    this.#added = this.#added.then(() => this.#append());
    await this.#added;
  }

  async #append(): Promise<void> {
    const units = this.#waiting.splice(0);
    if (units.length === 0) return;
    await this.#disk.append(this.#path, units.map(({ line }) => line).join(''), true);
    for (const { unit, line } of units) this.#keep(unit, Buffer.byteLength(line));
  }

  #keep(unit: number, bytes: number): void {
    this.#units.set(unit, { at: this.#end, line: this.units + 2, bytes });
    this.#end += bytes;
  }

  /** All units, in the order of their numbers. */
  async *outputs(): AsyncGenerator<StageOutput<unknown>> {
    const file = await open(this.#path);
    try {
      for (const unit of [...this.#units.keys()].sort((a, b) => a - b)) {
        const { at, line, bytes } = this.#units.get(unit)!;
        const { buffer } = await file.read(Buffer.alloc(bytes), 0, bytes, at);
        yield this.#parse({ bytes: buffer, number: line }, Unit);
      }
    } finally {
      await file.close();
    }
  }

  #parse<T>({ bytes, number }: Pick<Line, 'bytes' | 'number'>, schema: z.ZodType<T>): T {
    const place = `${this.#path}, line ${number}`;
    return check(schema, jsonOf(textOf(bytes, place), place), place);
  }

  async #restore(inputs: string): Promise<boolean> {
    for await (const line of linesOf(bytesOf(this.#path))) {
      const { number, end, whole } = line;
      if (!whole) {
        if (number > 1) await this.#disk.truncate(this.#path, this.#end);
        return number > 1;
      }
      if (number === 1) {
        if (this.#parse(line, Header).inputs !== inputs) return false;
        this.#end = end;
      } else {
        const { unit } = this.#parse(line, Unit);
        if (this.has(unit)) {
          throw new SipfError(
            'bad-input',
            `${this.#path}, line ${number}: Expected another unit than ${unit}, which is in a line before. Delete that file: the stage starts again.`,
          );
        }
        this.#keep(unit, end - this.#end);
      }
    }
    return this.#end > 0;
  }
}
