// Texts -> numbers 0, 1, 2, ... in the order in which they come, and back. Exact.
import { type Column, newTable, type Table } from './columns.ts';

export const TEXT_KINDS = { codes: 'u16', ends: 'u32', hashes: 'u32' } as const;
type TextColumns = Table<keyof typeof TEXT_KINDS>;

const FIRST_SLOTS = 256;

/** A set of texts in a few arrays: a million ids are no million objects. */
export class TextTable {
  /** What is stored of it. `codes`: UTF-16 code units of all texts. */
  readonly columns: TextColumns;
  /** Number + 1 of the text whose hash leads here; 0: none. */
  #slots: Uint32Array;
  /** Found last: records come in the order of the texts, mostly. */
  #last = 0;

  constructor(columns: TextColumns = newTable(TEXT_KINDS)) {
    this.columns = columns;
    this.#slots = slotsFor(columns.hashes);
  }

  get size(): number {
    return this.columns.ends.length;
  }

  /** -1: it is not there. */
  find(text: string): number {
    if (!this.#isText(this.#last, text)) {
      const isNext = this.#isText(this.#last + 1, text);
      const found = isNext ? this.#last + 1 : this.#slots[this.#slotOf(text, hashOf(text))]! - 1;
      if (found === -1) return -1;
      this.#last = found;
    }
    return this.#last;
  }

  /** The number of `text`, which is `size` before the call where it is new. */
  add(text: string): number {
    const hash = hashOf(text);
    const slot = this.#slotOf(text, hash);
    const known = this.#slots[slot]!;
    if (known !== 0) return known - 1;
    const { codes, ends, hashes } = this.columns;
    const from = codes.length;
    codes.extend(from + text.length, 0);
    const { values } = codes;
    for (let i = 0; i < text.length; i += 1) values[from + i] = text.charCodeAt(i);
    ends.push(codes.length);
    hashes.push(hash);
    if (2 * this.size > this.#slots.length) this.#slots = slotsFor(hashes);
    else this.#slots[slot] = this.size;
    return this.size - 1;
  }

  text(number: number): string {
    const { codes, ends } = this.columns;
    const end = ends.at(number);
    let text = '';
    for (let i = number === 0 ? 0 : ends.at(number - 1); i < end; i += 1) text += String.fromCharCode(codes.at(i));
    return text;
  }

  /** The slot that holds `text`, or the free one where it belongs. */
  #slotOf(text: string, hash: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const known = this.#slots[slot]!;
      if (known === 0 || (this.columns.hashes.at(known - 1) === hash && this.#isText(known - 1, text))) return slot;
    }
  }

  #isText(number: number, text: string): boolean {
    const { ends, codes } = this.columns;
    if (number >= ends.length) return false;
    const from = number === 0 ? 0 : ends.at(number - 1);
    if (ends.at(number) - from !== text.length) return false;
    const { values } = codes;
    // From the end: ids differ there.
    for (let i = text.length - 1; i >= 0; i -= 1) if (values[from + i] !== text.charCodeAt(i)) return false;
    return true;
  }
}

function slotsFor(hashes: Column): Uint32Array {
  let length = FIRST_SLOTS;
  while (length < 4 * hashes.length) length *= 2;
  const slots = new Uint32Array(length);
  for (let number = 0; number < hashes.length; number += 1) {
    let slot = hashes.at(number) & (length - 1);
    while (slots[slot] !== 0) slot = (slot + 1) & (length - 1);
    slots[slot] = number + 1;
  }
  return slots;
}

/** 32 bits of a text, spread well in the low ones (FNV-1a by code unit, then the end of MurmurHash3). */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return spread(hash);
}

/** Two such hashes of a list of texts, by two factors. */
export function hashesOf(texts: readonly string[]): readonly [number, number] {
  let [low, high] = [0x811c9dc5, 0x811c9dc5];
  for (const text of texts) {
    for (let i = 0; i < text.length; i += 1) {
      const unit = text.charCodeAt(i);
      low = Math.imul(low ^ unit, 0x01000193);
      high = Math.imul(high ^ unit, 0x9e3779b1);
    }
    // Ends a text: no code unit is so large.
    low = Math.imul(low ^ 0x10000, 0x01000193);
    high = Math.imul(high ^ 0x10000, 0x9e3779b1);
  }
  return [spread(low), spread(high)];
}

/** 32 bits from 32 bits: close ones become far ones. */
export function spread(bits: number): number {
  let hash = bits;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
