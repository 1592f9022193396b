// Bytes of JSONL, a .json array, Parquet or stdin -> records in order, each with its place.
import { createReadStream } from 'node:fs';
import { addAbortSignal, type Readable } from 'node:stream';
import { z } from 'zod';
import { codeOf, messageOf, SipfError, throwIfAborted } from '../errors.ts';
import { check } from './check.ts';
import { type ExactNumber, isExactNumber, jsonText, parseRecords } from './exact-json.ts';
import { parquetRows } from './parquet.ts';

/** A record's own id, given back exactly as it came; absent (or null): the 0-based line. */
export type RecordId = string | number | ExactNumber;
const ExactInteger = z.custom<ExactNumber>(
  (value) => isExactNumber(value) && /^-?\d+$/.test(value.toString()),
  'a number',
);
/** Of any size: 2^53 and above are ids, too. */
const WholeNumber = z.number().refine(Number.isInteger, 'a whole number');

export const RecordId: z.ZodOptional<z.ZodNullable<z.ZodType<RecordId>>> = z
  .union([z.string(), WholeNumber, ExactInteger])
  .nullish();

/** A number that no double holds. */
export const ExactNumberValue = z.custom<ExactNumber>(isExactNumber, 'a number');

/** A short text, or a number as its digits. */
export const TextOrNumber = z.union([z.string(), z.number().transform(String), ExactNumberValue.transform(String)]);

/** Of a record's fields, those whose numbers keep their digits: they are compared as texts, or given back. */
const EXACT_FIELDS: ReadonlySet<string> = new Set(['id', 'task_id', 'reference', 'answer']);

/** Any object: for records that may have several shapes. */
export const AnyRecord = z.record(z.string(), z.unknown());

export interface Row<T> {
  /** 0-based among the records: the default id. */
  readonly index: number;
  /** Where it is, for messages: `file.jsonl, line 3`. */
  readonly place: string;
  readonly value: T;
}

/** A line as bytes, without its line feed. */
export interface Line {
  readonly bytes: Buffer;
  /** 1-based. */
  readonly number: number;
  /** Offset of what follows it. */
  readonly end: number;
  /** False for a last line without a line feed. */
  readonly whole: boolean;
}

const LINE_FEED = 0x0a;
const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** Lines split at line feeds only: U+2028 and a lone carriage return may be inside a JSON text. */
export async function* linesOf(chunks: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Line> {
  let parts: Buffer[] = [];
  let number = 0;
  let end = 0;
  const line = (whole: boolean): Line => {
    const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    parts = [];
    number += 1;
    end += bytes.length + (whole ? 1 : 0);
    return { bytes, number, end, whole };
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let at = chunk.indexOf(LINE_FEED); at !== -1; at = chunk.indexOf(LINE_FEED, start)) {
      parts.push(chunk.subarray(start, at));
      yield line(true);
      start = at + 1;
    }
    if (start < chunk.length) parts.push(chunk.subarray(start));
  }
  if (parts.length > 0) yield line(false);
}

/**
 * A file's bytes as they come (`-`: those of stdin).
 * @throws SipfError 'not-found' where nothing is there, 'bad-input' where it cannot be read, 'aborted'.
 */
export async function* bytesOf(path: string, signal?: AbortSignal): AsyncGenerator<Buffer> {
  const stream: Readable = path === '-' ? process.stdin : createReadStream(path);
  try {
    // Waiting for input that does not come must not outlive a Ctrl-C.
    yield* (signal === undefined ? stream : addAbortSignal(signal, stream)) as AsyncIterable<Buffer>;
  } catch (error) {
    throwIfAborted(signal);
    throw readError(error, path);
  }
}

function readError(error: unknown, path: string): unknown {
  const code = codeOf(error);
  if (code === 'ENOENT')
    return new SipfError('not-found', `${path}: Expected a file, got nothing there. Check the path.`, { cause: error });
  if (code === 'EISDIR')
    return new SipfError('bad-input', `${path}: Expected a file, got a folder. Name the file in it.`);
  if (code === 'EACCES')
    return new SipfError('bad-input', `${path}: Expected a readable file, got no permission. Check its mode.`);
  return error;
}

/**
 * UTF-8 bytes as text, a byte order mark left out.
 * @throws SipfError 'bad-input' naming `place` for other bytes.
 */
export function textOf(bytes: Uint8Array, place: string): string {
  try {
    return UTF8.decode(bytes);
  } catch (cause) {
    throw new SipfError(
      'bad-input',
      `${place}: Expected UTF-8 text, got other bytes. Save the file as UTF-8 (a compressed file ends in .gz).`,
      { cause },
    );
  }
}

/**
 * `text` through `parse`.
 * @throws SipfError 'bad-input' naming `place` where it is no JSON.
 */
export function jsonOf(
  text: string,
  place: string,
  parse: (text: string) => unknown = JSON.parse,
  what: 'one JSON object' | 'a JSON array' = 'one JSON object',
): unknown {
  try {
    return parse(text);
  } catch (cause) {
    const start = text.length > 60 ? `${text.slice(0, 60)}...` : text;
    throw new SipfError(
      'bad-input',
      `${place}: Expected ${what}, got ${JSON.stringify(start)} (${messageOf(cause).slice(0, 120)}). Fix ${what === 'a JSON array' ? 'the file' : 'or delete that line'}.`,
      { cause },
    );
  }
}

export interface ReadOptions {
  /** The file, as messages say it. */
  readonly name: string;
  /** JSON text -> value; absent: JSON.parse. */
  readonly parse?: ((text: string) => unknown) | undefined;
  /** What becomes of a blank line before the last record; absent: it is passed over. */
  readonly blank?: 'refuse' | undefined;
}

/**
 * The values of the lines of `chunks`; `index` counts lines from 0.
 * @throws SipfError 'bad-input' naming file and line for what is no UTF-8 or no JSON.
 */
export async function* valuesOf(
  chunks: AsyncIterable<Buffer> | Iterable<Buffer>,
  { name, parse, blank }: ReadOptions,
): AsyncGenerator<Row<unknown>> {
  let blankLine = 0;
  for await (const { bytes, number } of linesOf(chunks)) {
    const place = `${name}, line ${number}`;
    const text = textOf(bytes, place);
    if (text.trim() === '') blankLine ||= number;
    else if (blank === 'refuse' && blankLine > 0) throw blankError(name, blankLine);
    else yield { index: number - 1, place, value: jsonOf(text, place, parse) };
  }
}

function blankError(name: string, line: number): SipfError {
  const got = 'Expected one JSON object, got a blank line. Delete that line.';
  return new SipfError('bad-input', `${name}, line ${line}: ${got}`);
}

/**
 * Reads a file of this program's own records, one at a time.
 * @throws SipfError 'not-found' where there is no file, 'bad-input' naming file, line and field.
 * @example
 * for await (const sample of readRecords('runs/first/iteration-1/1-samples.jsonl', Sample)) console.log(sample.steps);
 */
export async function* readRecords<T>(path: string, schema: z.ZodType<T>): AsyncGenerator<T> {
  for await (const { value, place } of valuesOf(bytesOf(path), { name: path })) yield check(schema, value, place);
}

/**
 * Reads a user's file `path` (`-`: stdin) record by record. CRLF, a byte order mark and blank lines at the end are fine; a name that ends
 * in `.json` may hold one array, one that ends in `.parquet` a table. Numbers keep their digits in the fields that are compared as texts or given back.
 * @throws SipfError 'not-found' or 'bad-input' naming file, 1-based line and field.
 */
export async function* readRows<T>(path: string, schema: z.ZodType<T>, signal?: AbortSignal): AsyncGenerator<Row<T>> {
  const name = path === '-' ? '<stdin>' : path;
  if (/\.(?:gz|zst|xz|bz2|zip)$/i.test(path)) {
    throw new SipfError(
      'bad-input',
      `${path}: Expected JSONL or a .json array as plain text, or .parquet, got a packed file. Unpack it first (of data sets, --data reads .gz).`,
    );
  }
  const parse = (text: string) => parseRecords(text, EXACT_FIELDS);
  const array = await arrayIn(path, parse, signal);
  let index = 0;
  for await (const { value, place } of array ?? valuesOf(bytesOf(path, signal), { name, parse, blank: 'refuse' })) {
    yield { index, place, value: check(schema, value, place) };
    index += 1;
  }
}

/** The rows of a file that holds one array or table; null: it holds lines. */
async function arrayIn(
  path: string,
  parse: (text: string) => unknown,
  signal: AbortSignal | undefined,
): Promise<Row<unknown>[] | null> {
  const kind = /\.(json|parquet)$/i.exec(path)?.[1]?.toLowerCase();
  if (kind === undefined) return null;
  const chunks: Buffer[] = [];
  for await (const chunk of bytesOf(path, signal)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  if (kind === 'parquet') return tableIn(bytes, path, parse);
  const text = textOf(bytes, path);
  return text.trimStart().startsWith('[') ? itemsOf(text, path, parse) : null;
}

/** The rows of a table, as their JSON has them. */
async function tableIn(bytes: Buffer, path: string, parse: (text: string) => unknown): Promise<Row<unknown>[]> {
  const rows = await parquetRows(bytes).catch((cause: unknown) => {
    const got = `${path}: Expected a Parquet file, got ${messageOf(cause).slice(0, 120)}. Check the file.`;
    throw new SipfError('bad-input', got, { cause });
  });
  return rows.map((row, index) => ({ index, place: `${path}, row ${index + 1}`, value: parse(jsonText(row)) }));
}

/**
 * The items of a text that is one array.
 * @throws SipfError 'bad-input' naming the file where it is no JSON.
 */
export function itemsOf(text: string, name: string, parse: (text: string) => unknown): Row<unknown>[] {
  const items = jsonOf(text, name, parse, 'a JSON array') as unknown[];
  return items.map((value, index) => ({ index, place: `${name}, item ${index + 1}`, value }));
}

/** All rows at once, for what must be seen whole. */
export async function readAllRows<T>(path: string, schema: z.ZodType<T>, signal?: AbortSignal): Promise<Row<T>[]> {
  const rows: Row<T>[] = [];
  for await (const row of readRows(path, schema, signal)) rows.push(row);
  return rows;
}

/**
 * `call` on all rows; where it refuses them, on one after the other, so that the error names the first one it refuses.
 * @throws SipfError of `call`, with the row's place before its message.
 */
export async function namingRow<T, R>(
  rows: readonly Row<T>[],
  call: (rows: readonly Row<T>[]) => Promise<R>,
): Promise<R> {
  try {
    return await call(rows);
  } catch (error) {
    if (!(error instanceof SipfError) || error.code !== 'bad-input') throw error;
    for (const row of rows) {
      await call([row]).catch((own: unknown) => {
        const named = own instanceof SipfError && !own.message.startsWith(row.place);
        throw named ? new SipfError(own.code, `${row.place}: ${own.message}`, { cause: own }) : own;
      });
    }
    throw error;
  }
}
