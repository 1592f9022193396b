// A JSONL file, a .json array or stdin -> its records in order, each parsed by a schema, with errors that name file, line and field. Leaves writing out.
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { addAbortSignal, type Readable } from 'node:stream';
import { z } from 'zod';
import { messageOf, SipfError, throwIfAborted } from '../errors.ts';
import { type ExactNumber, isExactNumber, jsonText, parseRecords } from './exact-json.ts';
import { renameHint } from './field-names.ts';

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
  /** Where it stands, for messages: `file.jsonl, line 3`. */
  readonly place: string;
  readonly value: T;
}

const LINE_FEED = 0x0a;

/**
 * Reads `path` (`-`: stdin) record by record. CRLF, a byte order mark and blank lines at the end are fine; a name ending in `.json` may hold one array.
 * Throws SipfError 'not-found' or 'bad-input' naming file, 1-based line and field.
 */
export async function* readRows<T>(path: string, schema: z.ZodType<T>, signal?: AbortSignal): AsyncGenerator<Row<T>> {
  const name = path === '-' ? '<stdin>' : path;
  if (/\.(?:gz|zst|xz|bz2|zip|parquet)$/i.test(path)) {
    throw new SipfError(
      'bad-input',
      `${path}: Expected JSONL or a .json array as plain text, got a packed file. Unpack it first (of data sets, --data reads .gz and .parquet).`,
    );
  }
  if (path.endsWith('.json')) {
    const text = await readWhole(path);
    if (text.trimStart().startsWith('[')) {
      yield* arrayRows(name, text, schema);
      return;
    }
  }
  let index = 0;
  for await (const { number, text } of readLines(path, name, signal)) {
    const place = `${name}, line ${number}`;
    yield { index, place, value: check(schema, parseAt(text, place), place) };
    index += 1;
  }
}

/** All rows at once, for what must be seen whole. */
export async function readAllRows<T>(path: string, schema: z.ZodType<T>, signal?: AbortSignal): Promise<Row<T>[]> {
  const rows: Row<T>[] = [];
  for await (const row of readRows(path, schema, signal)) rows.push(row);
  return rows;
}

/** Groups rows by `size`, so that a model sees several at once while memory stays bounded. */
export async function* inBatches<T>(rows: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let batch: T[] = [];
  for await (const row of rows) {
    batch.push(row);
    if (batch.length === size) {
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}

function* arrayRows<T>(name: string, text: string, schema: z.ZodType<T>): Generator<Row<T>> {
  const items = parseAt(text, name) as unknown[];
  for (const [index, item] of items.entries()) {
    const place = `${name}, item ${index + 1}`;
    yield { index, place, value: check(schema, item, place) };
  }
}

async function readWhole(path: string): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (error) {
    throw readError(error, path);
  }
}

/** Lines split at line feeds only: U+2028 and a lone carriage return may stand inside a JSON text. */
async function* readLines(
  path: string,
  name: string,
  signal?: AbortSignal,
): AsyncGenerator<{ number: number; text: string }> {
  let blankLine = 0;
  for await (const { number, text } of decodedLines(path, name, signal)) {
    if (text.trim() === '') {
      blankLine ||= number;
      continue;
    }
    if (blankLine > 0) {
      throw new SipfError(
        'bad-input',
        `${name}, line ${blankLine}: Expected one JSON object, got a blank line. Delete that line.`,
      );
    }
    yield { number, text };
  }
}

async function* decodedLines(
  path: string,
  name: string,
  signal?: AbortSignal,
): AsyncGenerator<{ number: number; text: string }> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let number = 0;
  for await (const bytes of byteLines(path, signal)) {
    number += 1;
    let text: string;
    try {
      text = decoder.decode(bytes);
    } catch (error) {
      throw new SipfError(
        'bad-input',
        `${name}, line ${number}: Expected UTF-8 text, got other bytes. Save the file as UTF-8.`,
        {
          cause: error,
        },
      );
    }
    if (number === 1 && text.startsWith('\uFEFF')) text = text.slice(1);
    yield { number, text: text.endsWith('\r') ? text.slice(0, -1) : text };
  }
}

async function* byteLines(path: string, signal?: AbortSignal): AsyncGenerator<Buffer> {
  const stream: AsyncIterable<Buffer> = abortable(path === '-' ? process.stdin : createReadStream(path), signal);
  let parts: Buffer[] = [];
  try {
    for await (const chunk of stream) {
      let start = 0;
      for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
        parts.push(chunk.subarray(start, end));
        yield parts.length === 1 ? parts[0]! : Buffer.concat(parts);
        parts = [];
        start = end + 1;
      }
      if (start < chunk.length) parts.push(chunk.subarray(start));
    }
  } catch (error) {
    throwIfAborted(signal);
    throw readError(error, path);
  }
  if (parts.length > 0) yield Buffer.concat(parts);
}

/** Waiting for input that does not come must not outlive a Ctrl-C. */
function abortable(stream: Readable, signal: AbortSignal | undefined): Readable {
  return signal === undefined ? stream : addAbortSignal(signal, stream);
}

function readError(error: unknown, path: string): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT')
    return new SipfError('not-found', `${path}: Expected a file, got nothing there. Check the path.`);
  if (code === 'EISDIR')
    return new SipfError('bad-input', `${path}: Expected a file, got a folder. Name the file in it.`);
  if (code === 'EACCES')
    return new SipfError('bad-input', `${path}: Expected a readable file, got no permission. Check its mode.`);
  if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') {
    return new SipfError('bad-input', `${path}: Expected UTF-8 text, got other bytes. Save the file as UTF-8.`);
  }
  return error;
}

function parseAt(text: string, place: string): unknown {
  try {
    return parseRecords(text, EXACT_FIELDS);
  } catch (error) {
    const start = text.length > 60 ? `${text.slice(0, 60)}...` : text;
    throw new SipfError(
      'bad-input',
      `${place}: Expected one JSON object, got ${JSON.stringify(start)} (${messageOf(error)}). Fix or delete that line.`,
      { cause: error },
    );
  }
}

/** `value` through `schema`; throws SipfError 'bad-input' naming `place` and the first wrong field. */
export function check<T>(schema: z.ZodType<T>, value: unknown, place: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = deepest(parsed.error.issues[0]!);
  const field = issue.path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : text === '' ? String(key) : `${text}.${String(key)}`),
    '',
  );
  const got = describe(at(value, issue.path));
  const where = field === '' ? place : `${place}, field "${field}"`;
  const fix = missingHint(value, issue) || ' Fix that line.';
  throw new SipfError('bad-input', `${where}: Expected ${expectation(issue)}, got ${got}.${fix}`);
}

/** How to rename the field that is most likely meant, where a record lacks one. */
function missingHint(value: unknown, { path }: z.core.$ZodIssue): string {
  const [field] = path;
  if (path.length !== 1 || typeof field !== 'string' || value === null || typeof value !== 'object') return '';
  return at(value, path) === undefined ? renameHint(value as Readonly<Record<string, unknown>>, field) : '';
}

/** Of a failed union, the issue of the branch that came furthest; a plain mismatch stays as it is. */
function deepest(issue: z.core.$ZodIssue): z.core.$ZodIssue {
  if (issue.code !== 'invalid_union') return issue;
  let best: z.core.$ZodIssue | null = null;
  for (const branch of issue.errors) {
    const first = branch[0];
    if (first && first.path.length > (best?.path.length ?? 0)) best = first;
  }
  return best ? deepest({ ...best, path: [...issue.path, ...best.path] }) : issue;
}

function expectation(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') return article(issue.expected === 'int' ? 'integer' : issue.expected);
  if (issue.code === 'invalid_union') {
    const kinds = issue.errors.flatMap((branch) => branch.slice(0, 1).map(expectation));
    return kinds.length > 0 ? [...new Set(kinds)].join(' or ') : issue.message;
  }
  if (issue.code === 'too_small')
    return issue.origin === 'array' ? `at least ${issue.minimum} items` : `at least ${issue.minimum}`;
  if (issue.code === 'too_big') return `at most ${issue.maximum}`;
  return issue.message.replace(/^Invalid input: expected /, '').replace(/\.$/, '');
}

function article(kind: string): string {
  return /^[aeiou]/.test(kind) ? `an ${kind}` : `a ${kind}`;
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | null | undefined)?.[key], value);
}

function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty array' : 'an array';
  if (typeof value === 'object' && !isExactNumber(value)) return 'an object';
  const text = jsonText(value);
  return text.length > 40 ? `${text.slice(0, 40)}...` : text;
}

/** `call` on all rows; where it refuses them, on one after the other, so that the error names the first one it refuses. */
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
