// Units' counters -> a stage's counters; streams of records -> units, and records by question.
import type { Counts } from '../reports.ts';

/** What one unit of a stage gives: records to keep and figures to add up. */
export interface StageOutput<R> {
  readonly records: readonly R[];
  readonly counts: Counts;
}

export function addCounts(a: Counts, b: Counts): Counts {
  const sum: Record<string, number> = { ...a };
  for (const [name, value] of Object.entries(b)) sum[name] = (sum[name] ?? 0) + value;
  return sum;
}

/** A counter that is filled in place while a unit runs. */
export function countInto(counts: Record<string, number>, name: string, by = 1): void {
  counts[name] = (counts[name] ?? 0) + by;
}

export async function* inUnits<T>(items: AsyncIterable<T> | Iterable<T>, size: number): AsyncGenerator<T[]> {
  let unit: T[] = [];
  for await (const item of items) {
    unit.push(item);
    if (unit.length === size) {
      yield unit;
      unit = [];
    }
  }
  if (unit.length > 0) yield unit;
}

/** A stream of records, read question by question, so that it is never in memory as a whole. */
export class QuestionStream<T extends { readonly questionId: string }> implements AsyncDisposable {
  readonly #records: AsyncIterator<T>;
  #next: IteratorResult<T> | null = null;

  constructor(records: AsyncIterable<T>) {
    this.#records = records[Symbol.asyncIterator]();
  }

  /** The records of the stream's next question where that is `questionId`; else none. */
  async take(questionId: string): Promise<T[]> {
    const taken: T[] = [];
    this.#next ??= await this.#records.next();
    while (this.#next.done !== true && this.#next.value.questionId === questionId) {
      taken.push(this.#next.value);
      this.#next = await this.#records.next();
    }
    return taken;
  }

  /** @throws Error where a record is left, which was out of place. */
  async end(): Promise<void> {
    const { done, value } = this.#next ?? (await this.#records.next());
    if (done !== true)
      throw new Error(`Expected records in the order of the questions, got ${value.questionId} out of place.`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#records.return?.();
  }
}
