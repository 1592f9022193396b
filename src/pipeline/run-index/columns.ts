// Numbers that are appended -> typed arrays that grow, each with a name when they are stored.

const KINDS = { u8: Uint8Array, u16: Uint16Array, u32: Uint32Array, f64: Float64Array };
export type Kind = keyof typeof KINDS;
type Numbers = InstanceType<(typeof KINDS)[Kind]>;

const FIRST_LENGTH = 64;

/** A list of numbers of one kind. */
export class Column {
  readonly kind: Kind;
  length: number;
  #values: Numbers;

  constructor(kind: Kind, values: Numbers = new KINDS[kind](FIRST_LENGTH), length = 0) {
    this.kind = kind;
    this.#values = values;
    this.length = length;
  }

  /** At least `length` numbers; the next `push` that finds no room moves them. */
  get values(): Numbers {
    return this.#values;
  }

  push(value: number): void {
    if (this.length === this.#values.length) this.#grow(this.length + 1);
    this.#values[this.length] = value;
    this.length += 1;
  }

  /** Makes it `length` long; what is new is `fill`. */
  extend(length: number, fill: number): void {
    if (length > this.#values.length) this.#grow(length);
    this.#values.fill(fill, this.length, length);
    this.length = length;
  }

  /** NaN beyond the end. */
  at(index: number): number {
    return index < this.length ? this.#values[index]! : Number.NaN;
  }

  #grow(least: number): void {
    const grown = new KINDS[this.kind](Math.max(FIRST_LENGTH, least, this.#values.length * 2));
    grown.set(this.#values);
    this.#values = grown;
  }
}

/** Columns by name: a table whose rows are the places in them. */
export type Table<Name extends string> = Readonly<Record<Name, Column>>;

export function newTable<Name extends string>(kinds: Readonly<Record<Name, Kind>>): Table<Name> {
  return tableOf(kinds, (kind) => new Column(kind));
}

/** A table with a column for each of `kinds`. */
export function tableOf<Name extends string>(
  kinds: Readonly<Record<Name, Kind>>,
  columnOf: (kind: Kind, name: Name) => Column,
): Table<Name> {
  const names = Object.keys(kinds) as Name[];
  return Object.fromEntries(names.map((name) => [name, columnOf(kinds[name], name)])) as Record<Name, Column>;
}

/** A column as it is stored: its numbers as bytes. */
export function bytesOfColumn({ values, length }: Column): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, length * values.BYTES_PER_ELEMENT);
}

/** The column that `length` numbers of `bytes` from `at` on are; the bytes are shared. `at` is a multiple of 8. */
export function columnIn(bytes: ArrayBuffer, kind: Kind, at: number, length: number): Column {
  return new Column(kind, new KINDS[kind](bytes, at, length), length);
}

export function bytesPerNumber(kind: Kind): number {
  return KINDS[kind].BYTES_PER_ELEMENT;
}
