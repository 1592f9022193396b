// Paths as they come -> for each the first round where another path has the same steps.
import { NO_ROUND, PATH_FLAGS, type Paths } from './tables.ts';
import { spread } from './text-table.ts';

const FIRST_SLOTS = 256;

/**
 * Finds equal paths by 64 bits of their steps' hash: among a million paths two others look equal once in ten million runs. A question's page
 * compares the texts themselves.
 */
export class TwinTable {
  readonly #paths: Paths;
  /** Row + 1 of the first path with these steps; 0: none. */
  #slots = new Uint32Array(FIRST_SLOTS);
  #used = 0;

  /** With the paths that are there. */
  constructor(paths: Paths) {
    this.#paths = paths;
    for (let row = 0; row < paths.question.length; row += 1)
      if ((paths.flags.at(row) & PATH_FLAGS.rollout) === 0) this.#settle(row);
  }

  /** Sets `twin` of the new path `row`, and of the first one equal to it. */
  add(row: number): void {
    const first = this.#settle(row);
    if (first === row) return;
    const { twin, round } = this.#paths;
    twin.values[row] = round.at(first);
    if (twin.at(first) === NO_ROUND) twin.values[first] = round.at(row);
  }

  /** The first path that equals `row`, which may be itself. */
  #settle(row: number): number {
    if (2 * this.#used >= this.#slots.length) this.#grow();
    const slot = this.#slotOf(row);
    const known = this.#slots[slot]!;
    if (known !== 0) return known - 1;
    this.#slots[slot] = row + 1;
    this.#used += 1;
    return row;
  }

  #slotOf(row: number): number {
    const { question, low, high } = this.#paths;
    const mask = this.#slots.length - 1;
    for (let slot = spread(low.at(row) ^ question.at(row)) & mask; ; slot = (slot + 1) & mask) {
      const other = this.#slots[slot]! - 1;
      if (other === -1) return slot;
      const isEqual = low.at(other) === low.at(row) && high.at(other) === high.at(row);
      if (isEqual && question.at(other) === question.at(row)) return slot;
    }
  }

  #grow(): void {
    const rows = this.#slots.filter((known) => known !== 0);
    this.#slots = new Uint32Array(2 * this.#slots.length);
    for (const known of rows) this.#slots[this.#slotOf(known - 1)] = known;
  }
}
