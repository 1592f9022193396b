// What a server can, as `sipf doctor --engine` prints it.

/** A line of what a server can. */
export interface Fact {
  readonly name: string;
  readonly value: string;
}
