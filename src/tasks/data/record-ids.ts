// Records whose ids are texts, numbers or missing -> one text id each, all different.
import { SipfError } from '../../errors.ts';
import { numberText } from '../../io/exact-json.ts';
import type { DataRecord } from './data-files.ts';
import { short } from './data-text.ts';

/**
 * The record's own id, in the first of `fields` that is there: a text as it is, a number as its digits; `{}` where it has none (or null).
 * @throws SipfError 'bad-input' naming place and field.
 */
export function ownId({ value, place }: DataRecord, ...fields: readonly string[]): { id?: string } {
  const field = fields.find((name) => value[name] !== undefined && value[name] !== null);
  if (field === undefined) return {};
  const given = value[field];
  const id = typeof given === 'string' ? given : numberText(given);
  if (id !== null && id.trim() !== '') return { id };
  throw new SipfError(
    'bad-input',
    `Expected a text or a number in ${place}, field "${field}", got ${short(given)}. Change it, or leave the field out.`,
  );
}

/**
 * An id for each record: its own, else the one of its place (with as many # as it takes to differ from every own id).
 * @throws SipfError 'bad-input' naming both places where two own ids are one text: 1 and "1" are.
 */
export function settleIds<T extends { readonly place: string }>(
  own: readonly (string | undefined)[],
  records: readonly T[],
  ofPlace: (record: T, position: number) => string,
): string[] {
  const first = new Map<string, string>();
  for (const [position, id] of own.entries()) {
    if (id === undefined) continue;
    const place = records[position]?.place ?? '';
    const earlier = first.get(id);
    if (earlier !== undefined)
      throw new SipfError(
        'bad-input',
        `Expected an id of its own in ${place}, field id, got ${short(id)} again (first in ${earlier}). Change one; 1 and "1" are one id.`,
      );
    first.set(id, place);
  }
  return records.map((record, position) => {
    let id = own[position] ?? ofPlace(record, position);
    while (own[position] === undefined && first.has(id)) id += '#';
    return id;
  });
}
