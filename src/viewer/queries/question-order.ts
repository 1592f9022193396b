// A filter and a sort -> the questions that fit, in order, and how many of their paths do.
import type { PathFilter } from '../api.ts';
import type { QuestionSort } from '../open-run.ts';
import { type FitsRow, pathChecks } from './path-filter.ts';
import type { RoundColumns } from './round-columns.ts';

export interface QuestionOrder {
  readonly columns: RoundColumns;
  /** By what the index knows, texts apart. */
  readonly fits: (row: number) => boolean;
  /** Numbers of the questions, in order. */
  readonly questions: Uint32Array;
  /** Paths that fit, by question number. */
  readonly counts: Uint32Array;
}

interface OrderAsk {
  readonly filter: PathFilter;
  readonly sort: QuestionSort;
  readonly descending: boolean;
}

/** Questions with a path that fits. Those without what they are sorted by come last, either way round. */
export function questionOrder(columns: RoundColumns, { filter, sort, descending }: OrderAsk): QuestionOrder {
  const checks = pathChecks(filter, columns);
  const fits: FitsRow = (row) => checks.every((check) => check(row));
  const counts = checks.length === 0 ? columns.questions.paths : countsOf(columns, checks);
  const questions = passing(
    new Uint32Array(counts.length).map((_, question) => question),
    (question) => counts[question] !== 0,
  );
  // They are in the order of the file.
  if (sort === 'file') return { columns, fits, counts, questions: descending ? questions.reverse() : questions };
  return { columns, fits, counts, questions: sorted(questions, keyOf(sort, columns), descending) };
}

/** Paths that pass all checks, by question. One check after the other: each is a loop of its own, over what is left. */
function countsOf({ index, rows }: RoundColumns, checks: readonly FitsRow[]): Uint32Array {
  const { question } = index.tables.paths;
  const counts = new Uint32Array(index.tables.questions.size);
  const numbers = question.values;
  for (const row of checks.reduce(passing, rows)) counts[numbers[row]!]! += 1;
  return counts;
}

function passing(numbers: Uint32Array, check: (number: number) => boolean): Uint32Array {
  const passed = new Uint32Array(numbers.length);
  let count = 0;
  for (let place = 0; place < numbers.length; place += 1) {
    if (!check(numbers[place]!)) continue;
    passed[count] = numbers[place]!;
    count += 1;
  }
  return passed.subarray(0, count);
}

/** NaN: it has none. */
function keyOf(sort: Exclude<QuestionSort, 'file'>, { questions }: RoundColumns): (question: number) => number {
  const { paths, right, tokens, scored, total, least, largest } = questions;
  switch (sort) {
    case 'score':
      return (question) => total[question]! / scored[question]!;
    case 'spread':
      return (question) => (scored[question] === 0 ? Number.NaN : largest[question]! - least[question]!);
    case 'right':
      return (question) => right[question]! / paths[question]!;
    case 'paths':
      return (question) => paths[question]!;
    case 'tokens':
      return (question) => tokens[question]! / paths[question]!;
  }
}

/** Equal ones stay in the order of the file, whichever way round. */
function sorted(questions: Uint32Array, keyOf: (question: number) => number, descending: boolean): Uint32Array {
  const sign = descending ? -1 : 1;
  const keys = Float64Array.from(questions, (question) => {
    const key = keyOf(question);
    return Number.isNaN(key) ? Number.POSITIVE_INFINITY : sign * key;
  });
  const places = Uint32Array.from(questions, (_, place) => place).sort((a, b) => compare(keys[a]!, keys[b]!));
  return places.map((place) => questions[place]!);
}

/** Infinities, too. */
function compare(a: number, b: number): number {
  return a < b ? -1 : Number(a > b);
}
