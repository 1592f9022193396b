// Rows of plain values -> a JSONL file, or a Parquet file with lists and groups, by its name.
import type { SchemaElement } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { SipfError } from '../errors.ts';
import { writeFileAtomically } from './files.ts';

export type PlainRow = Readonly<Record<string, unknown>>;

/** Endings of files of rows. */
const ROWS_FILE = /\.(jsonl|parquet)$/i;

/** @throws SipfError 'bad-input' where the name says neither format. */
export function checkRowsFile(file: string): void {
  if (ROWS_FILE.test(file)) return;
  throw new SipfError('bad-input', `Expected a file that ends in .jsonl or .parquet, got ${file}. Name one.`);
}

/**
 * Writes rows that all have the same kinds of values, atomically.
 * @throws SipfError 'bad-input' for another ending; 'write-failed' where the disk refuses.
 */
export async function writeRows(file: string, rows: readonly PlainRow[]): Promise<void> {
  checkRowsFile(file);
  if (!file.toLowerCase().endsWith('.parquet'))
    return writeFileAtomically(
      file,
      rows.map((row) => `${JSON.stringify(row)}\n`),
    );
  await writeFileAtomically(file, [new Uint8Array(parquetOf(rows))]);
}

function parquetOf(rows: readonly PlainRow[]): ArrayBuffer {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const columnData = names.map((name) => ({ name, data: rows.map((row) => row[name] ?? null) }));
  const schema: SchemaElement[] = [
    { name: 'root', num_children: names.length },
    ...columnData.flatMap(({ name, data }) => elementsOf(name, data)),
  ];
  return parquetWriteBuffer({ columnData, schema });
}

/** The schema of a column, depth first, as its values have it. */
function elementsOf(name: string, values: readonly unknown[]): SchemaElement[] {
  const stated = values.filter((value) => value !== null && value !== undefined);
  const repetition_type = 'OPTIONAL';
  if (stated.some(Array.isArray)) {
    const items = elementsOf('element', stated.flat());
    const list: SchemaElement[] = [
      { name, converted_type: 'LIST', repetition_type, num_children: 1 },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    ];
    return [...list, ...items];
  }
  if (stated.some((value) => typeof value === 'object')) {
    const groups = stated.map((value): PlainRow => ({ ...Object(value) }));
    const keys = [...new Set(groups.flatMap((group) => Object.keys(group)))];
    const inner = keys.flatMap((key) =>
      elementsOf(
        key,
        groups.map((group) => group[key] ?? null),
      ),
    );
    return [{ name, repetition_type, num_children: keys.length }, ...inner];
  }
  if (stated.some((value) => typeof value === 'boolean')) return [{ name, type: 'BOOLEAN', repetition_type }];
  if (stated.some((value) => typeof value === 'number'))
    return [{ name, type: stated.every(isInt32) ? 'INT32' : 'DOUBLE', repetition_type }];
  return [{ name, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type }];
}

const isInt32 = (value: unknown): boolean => typeof value === 'number' && value === (value | 0);
