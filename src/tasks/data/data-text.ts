// The bytes of a JSONL file or a JSON array -> its values, each with its place for messages.
import { SipfError } from '../../errors.ts';
import { jsonText, parseJson } from '../../io/exact-json.ts';
import { itemsOf, type Row, textOf, valuesOf } from '../../io/jsonl.ts';

/** Bytes at the start of a file that show what it is. */
const HEAD = 1000;

/**
 * Values by their lines (blank ones passed over), or the items of an array.
 * @throws SipfError 'bad-input' naming file and line for what is no UTF-8 or no JSON.
 */
export async function readText(file: string, kind: string, bytes: Buffer): Promise<Row<unknown>[]> {
  if (kind === '.json') {
    const text = textOf(bytes, file);
    if (text.trimStart().startsWith('[')) return itemsOf(text, file, parseJson);
    refuseOneValue(file, text);
  } else refuseArray(file, bytes);
  const rows: Row<unknown>[] = [];
  for await (const row of valuesOf([bytes], { name: file, parse: parseJson })) rows.push(row);
  return rows;
}

/** An array where lines are read: its first line as broken JSON would explain nothing. */
function refuseArray(file: string, bytes: Buffer): void {
  if (!/^\s*\[\s*\{/.test(new TextDecoder().decode(bytes.subarray(0, HEAD)))) return;
  throw new SipfError(
    'bad-input',
    `Expected one JSON object a line in ${file}, got "[" at its start. If it is one JSON array, let its name end in .json.`,
  );
}

/** An object around the list that is wanted. */
function refuseOneValue(file: string, text: string): void {
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

/** A value as messages show it. */
export function short(value: unknown): string {
  const text = value === undefined ? 'nothing' : jsonText(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
