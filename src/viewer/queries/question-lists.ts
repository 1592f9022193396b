// What the page asks of a run's questions -> a part of a list that is filtered and sorted.
import { RecordReader } from '../../pipeline/run-index/read-records.ts';
import type { RunIndex } from '../../pipeline/run-index/run-index.ts';
import type { PathFilter, QuestionRow, QuestionsReply } from '../api.ts';
import type { QuestionsAsk } from '../open-run.ts';
import type { PathTruth } from './path-truth.ts';
import { type QuestionOrder, questionOrder } from './question-order.ts';
import { RoundColumns } from './round-columns.ts';
import { SlowSearch } from './slow-search.ts';
import { textSearch } from './text-search.ts';

/** Milliseconds that one request may search texts. */
const BUDGET = 80;
/** Orders, and searches, that are kept for the next part of their lists. */
const KEPT = 8;
/** Characters of a question in a list. */
const SHOWN = 200;

/** Lists of the questions of one run. */
export class QuestionLists {
  readonly #index: RunIndex;
  readonly #truth: PathTruth;
  readonly #clock: () => number;
  #version = -1;
  readonly #columns = new Map<string, RoundColumns>();
  readonly #orders = new Map<string, QuestionOrder>();
  readonly #searches = new Map<string, SlowSearch>();

  /** @param clock milliseconds. */
  constructor(index: RunIndex, truth: PathTruth, clock: () => number) {
    this.#index = index;
    this.#truth = truth;
    this.#clock = clock;
  }

  /** Nothing changes in the index while it works. @throws SipfError 'bad-input' for records that are others than the index saw. */
  reply(ask: QuestionsAsk): QuestionsReply {
    this.#forgetOld();
    const { text, list } = ask;
    return (text ?? '') === '' && list !== 'false-step' ? this.#fromOrder(ask) : this.#fromSearch(ask);
  }

  columns(round: number): RoundColumns {
    this.#forgetOld();
    return kept(this.#columns, String(round), () => new RoundColumns(this.#index, round));
  }

  #fromOrder(ask: QuestionsAsk): QuestionsReply {
    const { questions, counts } = this.#order(ask);
    const from = startOf(ask);
    const part = questions.subarray(from, from + ask.limit);
    return {
      total: questions.length,
      questions: this.#rows(ask.round, part, (place) => counts[part[place]!]!),
      next: null,
    };
  }

  #fromSearch(ask: QuestionsAsk): QuestionsReply {
    const search = this.#search(ask);
    const end = this.#clock() + BUDGET;
    const from = startOf(ask);
    // Where only the count is asked for, all of it is.
    const wanted = ask.limit === 0 ? Number.POSITIVE_INFINITY : from + ask.limit;
    search.continue(wanted, () => this.#clock() > end);
    const { questions, counts } = search.found;
    const part = questions.slice(from, from + ask.limit);
    const given = from + part.length;
    return {
      total: search.isDone ? questions.length : null,
      questions: this.#rows(ask.round, part, (place) => counts[from + place]!),
      next: search.isDone && given >= questions.length ? null : String(given),
    };
  }

  #order({ round, sort, descending, ...ask }: QuestionsAsk): QuestionOrder {
    const filter = columnFilter(ask);
    const key = JSON.stringify([round, sort, descending, filter]);
    return kept(this.#orders, key, () => questionOrder(this.columns(round), { filter, sort, descending }));
  }

  #search(ask: QuestionsAsk): SlowSearch {
    const { round, sort, descending, list } = ask;
    const text = ask.text ?? '';
    const key = JSON.stringify([round, sort, descending, columnFilter(ask), text]);
    const checks = {
      text: text === '' ? null : textSearch(text),
      truth: list === 'false-step' ? this.#truth : null,
    };
    return kept(this.#searches, key, () => new SlowSearch(this.#order(ask), checks));
  }

  #rows(round: number, numbers: Iterable<number>, fits: (place: number) => number): QuestionRow[] {
    const { questions } = this.columns(round);
    using reader = new RecordReader(this.#index);
    return Array.from(numbers, (number, place): QuestionRow => {
      const record = reader.question(number);
      return {
        id: this.#index.tables.questions.text(number),
        question: shortened(record?.question ?? ''),
        answer: record?.answer ?? '',
        fits: fits(place),
        paths: questions.paths[number]!,
        right: questions.right[number]!,
        scores: questions.scored[number] === 0 ? null : [questions.least[number]!, questions.largest[number]!],
        labelled: questions.labelled[number]!,
        pairs: questions.pairs[number]!,
      };
    });
  }

  #forgetOld(): void {
    if (this.#version === this.#index.version) return;
    this.#version = this.#index.version;
    for (const map of [this.#columns, this.#orders, this.#searches]) map.clear();
  }
}

/** What the index itself can tell, each field in its place. */
function columnFilter(ask: PathFilter): PathFilter {
  const { drawnIn, outcome, reason, scoreFrom, scoreTo, tokensFrom, tokensTo, truncated, duplicate, list } = ask;
  const all = { drawnIn, outcome, reason, scoreFrom, scoreTo, tokensFrom, tokensTo, truncated, duplicate, list };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** `from` counts what was given before. */
function startOf({ from, offset }: QuestionsAsk): number {
  const given = Number(from ?? 0);
  return (Number.isSafeInteger(given) && given > 0 ? given : 0) + offset;
}

/** The value of `key`, made where it is not there; the ones used longest ago go. */
function kept<T>(map: Map<string, T>, key: string, make: () => T): T {
  const value = map.get(key) ?? make();
  map.delete(key);
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= KEPT) break;
    map.delete(oldest);
  }
  return value;
}

/** The first characters of a text, no half of a pair of surrogates. */
export function shortened(text: string): string {
  return text.length <= SHOWN ? text : [...text.slice(0, 2 * SHOWN)].slice(0, SHOWN).join('');
}
