// The bytes of a JSONL file or a JSON array -> its values, each with its place for messages.
import { messageOf, SipfError } from '../../errors.ts';
import { jsonText, parseJson } from '../../io/exact-json.ts';

/** One value of a file. */
export interface Read {
  readonly value: unknown;
  readonly index: number;
  readonly place: string;
}

const LINE_FEED = 0x0a;

/** Throws SipfError 'bad-input' naming file and line for what is no UTF-8 or no JSON. */
export function readText(file: string, kind: string, bytes: Buffer): Read[] {
  const text = decode(file, bytes);
  if (kind === '.json' && text.trimStart().startsWith('[')) {
    const items = parse(text, file, 'the file');
    return (items as unknown[]).map((value, index) => ({ value, index, place: `${file} item ${index + 1}` }));
  }
  refuseOneValue(file, kind, text);
  return text.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return [];
    const place = `${file} line ${index + 1}`;
    return [{ value: parse(line, place, 'or delete that line'), index, place }];
  });
}

/** A file that is one JSON value, where lines are read: its first line as broken JSON would explain nothing. */
function refuseOneValue(file: string, kind: string, text: string): void {
  if (/^\s*\[\s*\{/.test(text)) {
    throw new SipfError(
      'bad-input',
      `Expected one JSON object a line in ${file}, got "[" at its start. If it is one JSON array, let its name end in .json.`,
    );
  }
  if (kind !== '.json') return;
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    return;
  }
  const field = Object.entries(value ?? {}).find(([, inner]) => Array.isArray(inner) && isRecord(inner[0]))?.[0];
  if (field === undefined) return;
  throw new SipfError(
    'bad-input',
    `Expected a JSON array in ${file}, got an object with a list of objects in its field "${field}". Save that list alone.`,
  );
}

function isRecord(value: unknown): boolean {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function decode(file: string, bytes: Buffer): string {
  const decodes = (part: Buffer) => new TextDecoder('utf-8', { fatal: true }).decode(part);
  try {
    return decodes(bytes);
  } catch (cause) {
    let line = 0;
    for (let end = 0, start = 0; start <= bytes.length; start = end + 1) {
      end = bytes.indexOf(LINE_FEED, start);
      if (end < 0) end = bytes.length;
      line += 1;
      try {
        decodes(bytes.subarray(start, end));
      } catch {
        break;
      }
    }
    throw new SipfError(
      'bad-input',
      `Expected UTF-8 text in ${file} line ${line}, got other bytes. Save it as UTF-8 (a compressed file ends in .gz).`,
      { cause },
    );
  }
}

function parse(text: string, place: string, fix: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    throw new SipfError(
      'bad-input',
      `Expected JSON in ${place}, got ${short(text.trim())} (${messageOf(cause).slice(0, 120)}). Fix ${fix}.`,
      { cause },
    );
  }
}

/** A value as messages show it. */
export function short(value: unknown): string {
  const text = value === undefined ? 'nothing' : jsonText(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
