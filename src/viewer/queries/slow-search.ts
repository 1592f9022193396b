// An order of questions and a check of their texts -> those that fit, found piece by piece.
import { RecordReader } from '../../pipeline/run-index/read-records.ts';
import { PATH_FLAGS } from '../../pipeline/run-index/tables.ts';
import type { Question, Sample } from '../../records.ts';
import type { PathTruth } from './path-truth.ts';
import type { QuestionOrder } from './question-order.ts';
import type { TextSearch } from './text-search.ts';

/** What a path's texts must have; null: that is not asked. */
export interface SlowChecks {
  readonly text: TextSearch | null;
  /** For right paths with a false step. */
  readonly truth: PathTruth | null;
}

/** A search that keeps what it found and continues where it stopped. */
export class SlowSearch {
  readonly #order: QuestionOrder;
  readonly #checks: SlowChecks;
  readonly #found: number[] = [];
  readonly #counts: number[] = [];
  #next = 0;

  constructor(order: QuestionOrder, checks: SlowChecks) {
    this.#order = order;
    this.#checks = checks;
  }

  /** Numbers of the questions found so far, in order, and how many paths of each fit. */
  get found(): { readonly questions: readonly number[]; readonly counts: readonly number[] } {
    return { questions: this.#found, counts: this.#counts };
  }

  get isDone(): boolean {
    return this.#next === this.#order.questions.length;
  }

  /** Looks on until `wanted` questions are found in all, the time is over, or no question is left. */
  continue(wanted: number, isOver: () => boolean): void {
    using reader = new RecordReader(this.#order.columns.index);
    while (this.#found.length < wanted && !this.isDone && !isOver()) {
      const question = this.#order.questions[this.#next]!;
      this.#next += 1;
      const count = this.#count(reader, question);
      if (count === 0) continue;
      this.#found.push(question);
      this.#counts.push(count);
    }
  }

  /** Paths of a question that fit. */
  #count(reader: RecordReader, question: number): number {
    const { columns, fits } = this.#order;
    const { text, truth } = this.#checks;
    const rows = columns.rowsOf(question).filter((row) => columns.isPath(row) && fits(row));
    const wanted = truth === null ? rows : rows.filter((row) => truth.hasFalseStep(row) !== false);
    const isKnown = truth === null || wanted.every((row) => truth.hasFalseStep(row) !== null);
    if (wanted.length === 0 || (text === null && isKnown)) return wanted.length;
    const record = this.#questionRecord(reader, question);
    const everyPath = text === null || text.inQuestion(record);
    if (everyPath && isKnown) return wanted.length;
    const isWanted = new Set(wanted);
    return this.#paths(reader, question, everyPath ? null : text).filter(
      ([row, sample]) =>
        isWanted.has(row) && (everyPath || text.inPath(sample)) && this.#hasFalseStep(row, record, sample),
    ).length;
  }

  #hasFalseStep(row: number, question: Question, { steps }: Sample): boolean {
    const { truth } = this.#checks;
    return truth === null || (truth.hasFalseStep(row) ?? truth.check(row, question, steps));
  }

  #questionRecord(reader: RecordReader, number: number): Question {
    const question = reader.question(number);
    if (question === null) throw new Error('Expected only questions that the run names.');
    return question;
  }

  /** The paths of a question with their rows, files apart whose lines cannot have the text. */
  #paths(reader: RecordReader, question: number, text: TextSearch | null): [number, Sample][] {
    const { round, hasRollouts, index } = this.#order.columns;
    const { ids, paths } = index.tables;
    const found: [number, Sample][] = [];
    const kinds = hasRollouts ? (['1-samples', '2-step-labels'] as const) : (['1-samples'] as const);
    for (let k = 1; k <= round; k += 1) {
      for (const kind of kinds) {
        const lines = reader.lines(kind, k, question);
        if (text !== null && !lines.some((part) => text.mayBeIn(part.text))) continue;
        const records = kind === '1-samples' ? reader.samples(k, question) : rolloutsIn(reader, k, question);
        for (const sample of records) {
          const row = ids.find(sample.id);
          // A second path of that id is none of the index.
          const isRollout = (paths.flags.at(row) & PATH_FLAGS.rollout) !== 0;
          if (row !== -1 && paths.round.at(row) === k && isRollout === (kind !== '1-samples'))
            found.push([row, sample]);
        }
      }
    }
    return found;
  }
}

function rolloutsIn(reader: RecordReader, round: number, question: number): Sample[] {
  return reader.labels(round, question).flatMap(({ rollouts = [] }) => rollouts);
}
