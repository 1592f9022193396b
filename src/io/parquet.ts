// A Parquet file's bytes -> its rows, with exact integers, decimals and JSON columns.
import { type FileMetaData, parquetMetadata, parquetReadObjects } from 'hyparquet';
import { exactNumber, parseJson } from './exact-json.ts';

/**
 * Rows of an uncompressed or Snappy file.
 * @throws Error of hyparquet where it cannot read the file.
 */
export async function parquetRows(bytes: Uint8Array): Promise<Record<string, unknown>[]> {
  const file = new Uint8Array(bytes).buffer;
  const metadata = parquetMetadata(file);
  const scales = takeDecimals(metadata);
  const jsonFromBytes = (json: Uint8Array | undefined): unknown =>
    json === undefined ? undefined : parseJson(new TextDecoder().decode(json));
  const rows = await parquetReadObjects({ file, metadata, parsers: { jsonFromBytes } });
  for (const row of rows) {
    for (const [name, scale] of scales) row[name] = decimalOf(row[name], scale);
  }
  return rows;
}

/**
 * The scale of each decimal column. The columns are unmarked as such: hyparquet hands out their whole numbers then, where it would make doubles
 * of decimals. Decimals inside lists and groups, and of varying length, stay as hyparquet reads them.
 */
function takeDecimals({ schema }: FileMetaData): Map<string, number> {
  const scales = new Map<string, number>();
  let at = 1;
  while (at < schema.length) {
    const element = schema[at]!;
    if (
      element.converted_type === 'DECIMAL' &&
      element.type !== 'BYTE_ARRAY' &&
      element.repetition_type !== 'REPEATED'
    ) {
      scales.set(element.name, element.scale ?? 0);
      delete element.converted_type;
      delete element.logical_type;
    }
    at = afterSubtree(schema, at);
  }
  return scales;
}

/** The schema lists its tree depth first: where the element after the one at `at`, its children included, stands. */
function afterSubtree(schema: FileMetaData['schema'], at: number): number {
  let next = at + 1;
  for (let child = 0; child < (schema[at]?.num_children ?? 0); child++) next = afterSubtree(schema, next);
  return next;
}

/** A decimal's whole number (big-endian two's complement where it is bytes) -> its digits with a point; other values as they are. */
function decimalOf(value: unknown, scale: number): unknown {
  const whole =
    value instanceof Uint8Array
      ? BigInt.asIntN(value.length * 8, BigInt(`0x${Buffer.from(value).toString('hex') || '0'}`))
      : typeof value === 'number' || typeof value === 'bigint'
        ? BigInt(value)
        : null;
  if (whole === null || scale === 0) return whole ?? value;
  const digits = (whole < 0n ? -whole : whole).toString().padStart(scale + 1, '0');
  const fraction = digits.slice(-scale).replace(/0+$/, '');
  const text = `${whole < 0n ? '-' : ''}${digits.slice(0, -scale)}${fraction === '' ? '' : `.${fraction}`}`;
  return exactNumber(text);
}
