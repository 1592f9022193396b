// The question of each place in a file -> the places of a question.
import type { Column } from './columns.ts';

/** Places by question, each in the order of the file. */
export class PlacesByQuestion {
  readonly #starts: Uint32Array;
  readonly #places: Uint32Array;

  constructor({ values, length }: Column, questions: number) {
    const starts = new Uint32Array(questions + 1);
    for (let place = 0; place < length; place += 1) starts[values[place]! + 1]! += 1;
    for (let question = 0; question < questions; question += 1) starts[question + 1]! += starts[question]!;
    const next = starts.slice();
    this.#starts = starts;
    this.#places = new Uint32Array(length);
    for (let place = 0; place < length; place += 1) {
      const question = values[place]!;
      this.#places[next[question]!] = place;
      next[question]! += 1;
    }
  }

  of(question: number): number[] {
    const [from, to] = [this.#starts[question] ?? 0, this.#starts[question + 1] ?? 0];
    return [...this.#places.subarray(from, to)];
  }
}
