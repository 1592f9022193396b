// JSON text -> its value, and back, with every number in the digits it was written with.
import { isLosslessNumber, isSafeNumber, LosslessNumber, parse, stringify } from 'lossless-json';

/** A number as its JSON writes it, where a double would change its value or its text (`1.0` is a float to Python, `1` is none). */
export type ExactNumber = LosslessNumber;

/**
 * A number that may need more than a double: 16 digits, an exponent, a fraction of noughts, or minus nought. Texts may look so, too: they cost
 * time only. Numbers that do not look so are read exactly by JSON.parse, which is ten times as fast.
 */
const LONG_NUMBER = /(?:^|[\s:,[])-?(?:\d[\d.]{15}|\d[\d.]*[eE]|\d+\.0+(?!\d)|0(?![\d.]))/;

/**
 * As JSON.parse, but numbers that it would change are ExactNumber.
 * @throws SyntaxError as JSON.parse does.
 */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  return LONG_NUMBER.test(text) ? parse(text, undefined, OPTIONS) : value;
}

/** The number that a JSON text writes: a double where that changes nothing. */
export function exactNumber(text: string): number | ExactNumber {
  const number = Number(text);
  return String(number) === text || (!Number.isInteger(number) && isSafeNumber(text))
    ? number
    : new LosslessNumber(text);
}

/** As JSON.parse, but of a record (or of each of a list of records) the numbers in the fields `exact` keep their digits where a double does not. */
export function parseRecords(text: string, exact: ReadonlySet<string>): unknown {
  const plain: unknown = JSON.parse(text);
  if (!LONG_NUMBER.test(text)) return plain;
  const whole = parseJson(text);
  if (Array.isArray(plain)) return plain.map((one, i) => withExact(one, (whole as unknown[])[i], exact));
  return withExact(plain, whole, exact);
}

function withExact(plain: unknown, whole: unknown, fields: ReadonlySet<string>): unknown {
  if (plain === null || typeof plain !== 'object') return plain;
  const kept = Object.entries(whole as object).filter(
    ([key, value]) => fields.has(key) && isExactNumber(value) && !isSafeNumber(value.toString()),
  );
  return { ...plain, ...Object.fromEntries(kept) };
}

const OPTIONS = {
  parseNumber: exactNumber,
  onDuplicateKey: ({ newValue }: { newValue: unknown }): unknown => newValue,
};

/** It came from parseJson, and no double is it. */
export const isExactNumber = (value: unknown): value is ExactNumber => isLosslessNumber(value);

/** As JSON.stringify, with exact numbers and BigInts as their digits. */
export function jsonText(value: unknown): string {
  return stringify(value) ?? 'null';
}

/** A number's digits: shortest where a double holds it (`1.0` and `1E0` are `1`), else as written; null: no number. */
export function numberText(value: unknown): string | null {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') return String(value);
  if (!isLosslessNumber(value)) return null;
  const text = value.toString();
  return isSafeNumber(text) ? String(Number(text)) : text;
}
