// Units' counters -> a stage's counters; streams of records -> units, and groups by question.
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

/** Cuts a stream into lists of `size`. */
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

/** Neighbouring records of one question as one group. */
export async function* byQuestion<T extends { readonly questionId: string }>(
  records: AsyncIterable<T> | Iterable<T>,
): AsyncGenerator<{ questionId: string; records: T[] }> {
  let group: { questionId: string; records: T[] } | null = null;
  for await (const record of records) {
    if (group !== null && group.questionId !== record.questionId) {
      yield group;
      group = null;
    }
    group ??= { questionId: record.questionId, records: [] };
    group.records.push(record);
  }
  if (group !== null) yield group;
}

/**
 * Groups several record streams by question: one entry for every id of `order`, with an empty group where a stream has none of it.
 * Each stream must hold its questions in that order, so no stream is in memory as a whole.
 */
export async function* joinQuestions<T extends { readonly questionId: string }>(
  order: readonly string[],
  streams: readonly (AsyncIterable<T> | Iterable<T>)[],
): AsyncGenerator<{ questionId: string; groups: T[][] }> {
  const readers = streams.map((stream) => byQuestion(stream)[Symbol.asyncIterator]());
  try {
    const heads = await Promise.all(readers.map((reader) => reader.next()));
    for (const questionId of order) {
      const groups = await Promise.all(
        readers.map(async (reader, index) => {
          const head = heads[index];
          if (head === undefined || head.done === true || head.value.questionId !== questionId) return [];
          heads[index] = await reader.next();
          return head.value.records;
        }),
      );
      yield { questionId, groups };
    }
    for (const head of heads) {
      if (head.done === true) continue;
      throw new Error(`Expected records in the order of the questions, got ${head.value.questionId} out of place.`);
    }
  } finally {
    await Promise.all(readers.map((reader) => reader.return(undefined)));
  }
}
