// A stage's units -> one durable line each, and back after a kill. Also reads JSONL records. Leaves stages and their order to run.ts.
import { createReadStream } from 'node:fs';
import { z } from 'zod';
import { SipfError } from '../errors.ts';
import { type Disk, replaceFile } from '../io/files.ts';
import type { Counts } from '../reports.ts';
import { addCounts, type StageOutput } from './units.ts';

/** Lines of a file with their place: `end` is the offset after the line's newline, `whole` false for a last line without one. */
export async function* readLines(
  path: string,
): AsyncGenerator<{ text: string; number: number; end: number; whole: boolean }> {
  let rest: Buffer[] = [];
  let end = 0;
  let number = 0;
  for await (const chunk of createReadStream(path)) {
    let from = 0;
    const bytes = chunk as Buffer;
    for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, from)) {
      const line = Buffer.concat([...rest, bytes.subarray(from, at)]);
      rest = [];
      from = at + 1;
      number += 1;
      end += line.length + 1;
      yield { text: line.toString('utf8'), number, end, whole: true };
    }
    if (from < bytes.length) rest.push(bytes.subarray(from));
  }
  const last = Buffer.concat(rest);
  if (last.length > 0) yield { text: last.toString('utf8'), number: number + 1, end: end + last.length, whole: false };
}

/** Records of a JSONL file, one at a time. Throws 'bad-input' naming file, line and field; 'not-found' where there is no file. */
export async function* readRecords<T>(path: string, schema: z.ZodType<T>): AsyncGenerator<T> {
  try {
    for await (const { text, number } of readLines(path)) {
      if (text.trim() !== '') yield parseLine(text, number, path, schema);
    }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      throw new SipfError('not-found', `Expected a file at ${path}, got none. Check the path.`, { cause: error });
    }
    throw error;
  }
}

function parseLine<T>(text: string, number: number, path: string, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new SipfError(
      'bad-input',
      `Expected JSON in ${path} line ${number}, got ${text.slice(0, 60)}. Fix that line.`,
      { cause },
    );
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue === undefined || issue.path.length === 0 ? 'the record' : issue.path.join('.');
  throw new SipfError(
    'bad-input',
    `Expected a valid ${field} in ${path} line ${number}, got: ${issue?.message}. Fix that line.`,
  );
}

const Header = z.object({ journal: z.literal(1), inputs: z.string() });
const Unit = z.object({
  unit: z.number().int(),
  records: z.array(z.unknown()),
  counts: z.record(z.string(), z.number()),
});

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
    if (!exists || !(await journal.#restore(inputs))) {
      await replaceFile(disk, path, [header]);
      journal.#units = 0;
      journal.#counts = {};
    }
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

  /** All records, in the order of their units, as JSONL. */
  async *lines(): AsyncGenerator<string> {
    for await (const { text, number } of readLines(this.#path)) {
      if (number === 1) continue;
      const { records } = parseLine(text, number, this.#path, Unit);
      if (records.length > 0) yield `${records.map((record) => JSON.stringify(record)).join('\n')}\n`;
    }
  }

  async #restore(inputs: string): Promise<boolean> {
    let good = 0;
    let usable = false;
    for await (const { text, number, end, whole } of readLines(this.#path)) {
      if (!whole) {
        if (usable) await this.#disk.truncate(this.#path, good);
        return usable;
      }
      if (number === 1) {
        usable = parseLine(text, number, this.#path, Header).inputs === inputs;
        if (!usable) return false;
      } else {
        const { unit, counts } = parseLine(text, number, this.#path, Unit);
        if (unit !== this.#units) {
          throw new SipfError(
            'bad-input',
            `Expected unit ${this.#units} in ${this.#path} line ${number}, got ${unit}. Delete that file: the stage starts again.`,
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
