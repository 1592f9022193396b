// A record of a file -> rows of the index. It checks the fields that it reads, and no others.
import { SipfError, shown } from '../../errors.ts';
import { type PathScoreRule, pathScore, progress } from '../../method/path-score.ts';
import { hardLabels, type LabelFacts, type LabelRule } from '../../method/step-labels.ts';
import type { StepTally } from '../../records.ts';
import { ERROR, outcomeNumber, RIGHT } from './outcomes.ts';
import type { RecordsKind } from './record-files.ts';
import type { Place } from './record-lines.ts';
import { END_OF_LABELS, type FileTables, NO_ROUND, NONE, PATH_FLAGS, ROUND_FLAGS, type RunTables } from './tables.ts';
import { hashesOf } from './text-table.ts';
import { TwinTable } from './twins.ts';

/** How labels and path scores are derived: from the run's configuration. */
export interface IndexRules {
  readonly labels: LabelRule;
  readonly score: PathScoreRule;
}

/** Takes in one record of a question. */
type Add = (record: Fields, question: number) => void;
type Fields = Readonly<Record<string, unknown>>;

/** Steps scores below this say that the step is wrong, as in the figures of a report. */
const THRESHOLD = 0.5;

/** Adds records to the tables of a run, file by file. */
export class RecordAdder {
  readonly #tables: RunTables;
  readonly #rules: IndexRules;
  readonly #twins: TwinTable;

  constructor(tables: RunTables, rules: IndexRules) {
    this.#tables = tables;
    this.#rules = rules;
    this.#twins = new TwinTable(tables.paths);
  }

  /** Takes the records of one file. @throws SipfError 'bad-input' (the taker) for a record without what is read of it. */
  takerOf(into: FileTables): (value: unknown, place: Place) => void {
    const { kind, round } = into.file;
    const add = kind === '0-questions' ? () => {} : this.#adders(round, into)[kind]();
    const { questions } = this.#tables;
    return (value, place) => {
      const record = fieldsOf(value);
      if (kind === '0-questions') this.#addQuestion(record);
      const id = textOf(record, kind === '0-questions' ? 'id' : 'questionId');
      const question = questions.find(id);
      if (question === -1) throw expected('a question of the run', id);
      add(record, question);
      // After it: what is refused has no place.
      addPlace(into, question, place, kind === '5-pairs');
    };
  }

  #adders(round: number, into: FileTables): Readonly<Record<Exclude<RecordsKind, '0-questions'>, () => Add>> {
    return {
      '1-samples': () => (record, question) => this.#addPath(record, question, round),
      '2-step-labels': () => (record, question) => this.#addLabels(record, question, round),
      '4-scores': () => {
        this.#extendFlags(into);
        into.scores.score.extend(this.#tables.ids.size, Number.NaN);
        const values = this.#rules.score.value === 'state' ? null : questionValues(this.#tables);
        return (record) => this.#addScores(record, into, values);
      },
      '5-pairs': () => {
        this.#extendFlags(into);
        return (record) => this.#addPair(record, into);
      },
    };
  }

  #addQuestion(record: Fields): void {
    const { questions } = this.#tables;
    const id = textOf(record, 'id');
    textOf(record, 'question');
    if (questions.find(id) !== -1) throw expected('a new id', id);
    questions.add(id);
  }

  #addPath(record: Fields, question: number, round: number): void {
    const { ids, paths } = this.#tables;
    const id = textOf(record, 'id');
    const steps = listOf(record, 'steps');
    const tokens = numberOf(record, 'tokens');
    const { kind, reason } = fieldsOf(record['outcome']);
    const outcome = outcomeNumber(kind, reason);
    if (outcome === -1) throw expected('an outcome', kind === 'wrong' ? reason : kind);
    if (!steps.every((step): step is string => typeof step === 'string')) throw expected('steps as texts', steps);
    const row = ids.size;
    if (ids.add(id) !== row) throw expected('a new id', id);
    paths.question.push(question);
    paths.round.push(round);
    paths.outcome.push(outcome);
    paths.flags.push(flagsOf(record));
    paths.tokens.push(tokens);
    paths.labelled.push(NO_ROUND);
    paths.hard.push(NONE);
    const [low, high] = hashesOf(steps);
    paths.low.push(low);
    paths.high.push(high);
    paths.twin.push(NO_ROUND);
    // A rollout that is a path repeats none; one that repeats its own path is none.
    if (record['source'] !== 'rollout') this.#twins.add(row);
  }

  #addLabels(record: Fields, question: number, round: number): void {
    const { paths, hard } = this.#tables;
    const row = this.#rowOf(record);
    const facts = labelFactsOf(record);
    if (paths.labelled.at(row) === NO_ROUND) paths.labelled.values[row] = round;
    const labels = hardLabelsOf(facts, this.#rules.labels);
    paths.hard.values[row] = labels === null ? NONE : hard.hard.length;
    for (const label of labels ?? []) hard.hard.push(Number(label));
    if (labels !== null) hard.hard.push(END_OF_LABELS);
    const rollouts = record['rollouts'];
    if (Array.isArray(rollouts)) for (const rollout of rollouts) this.#addPath(fieldsOf(rollout), question, round);
  }

  #addScores(record: Fields, { scores }: FileTables, values: Float64Array | null): void {
    const row = this.#rowOf(record);
    const steps = record['scores'];
    if (steps === null) {
      scores.flags.values[row] = scores.flags.at(row) | ROUND_FLAGS.tooLong;
      return;
    }
    if (!isNumbers(steps) || steps.length === 0) throw expected('scores of steps, or null', steps);
    const { path } = this.#rules.score;
    scores.score.values[row] = pathScore(values === null ? steps : this.#progress(steps, row, values), path);
    const disagrees = this.#disagrees(steps, row) ? ROUND_FLAGS.disagree : 0;
    scores.flags.values[row] = scores.flags.at(row) | ROUND_FLAGS.scored | disagrees;
  }

  #progress(steps: readonly number[], row: number, values: Float64Array): number[] {
    const value = values[this.#tables.paths.question.at(row)] ?? Number.NaN;
    return progress(steps, Number.isNaN(value) ? null : value);
  }

  /** Whether a step's score and its hard label say different things. */
  #disagrees(scores: readonly number[], row: number): boolean {
    const { paths, hard } = this.#tables;
    const from = paths.hard.at(row);
    if (from === NONE) return false;
    for (let j = 0; j < scores.length; j += 1) {
      const label = hard.hard.at(from + j);
      if (label === END_OF_LABELS) return false;
      if (scores[j]! >= THRESHOLD !== (label === 1)) return true;
    }
    return false;
  }

  #addPair(record: Fields, { pairs, scores }: FileTables): void {
    const [chosen, rejected] = [fieldsOf(record['chosen']), record['rejected']];
    const other = rejected === null ? null : fieldsOf(rejected);
    const rows = [chosen, other].map((side) => (side === null ? -1 : this.#tables.ids.find(textOf(side, 'sampleId'))));
    const [better, worse] = [chosen['score'], other?.['score']];
    pairs.chosen.push(rows[0] === -1 ? NONE : rows[0]!);
    pairs.rejected.push(rows[1] === -1 ? NONE : rows[1]!);
    pairs.margin.push(typeof better === 'number' && typeof worse === 'number' ? better - worse : Number.NaN);
    pairs.shared.push(typeof record['shared'] === 'number' ? record['shared'] : 0);
    pairs.isPair.push(other === null ? 0 : 1);
    for (const row of rows) if (row >= 0) scores.flags.values[row] = ROUND_FLAGS.paired;
  }

  #rowOf(record: Fields): number {
    const id = textOf(record, 'sampleId');
    const row = this.#tables.ids.find(id);
    if (row === -1) throw expected('a path of the samples', id);
    return row;
  }

  #extendFlags({ scores }: FileTables): void {
    scores.flags.extend(this.#tables.ids.size, 0);
  }
}

/** Behind the last place where the record follows it, else a new one. */
function addPlace({ places }: FileTables, question: number, { at, bytes, line }: Place, isAlone: boolean): void {
  const last = places.question.length - 1;
  const end = places.at.at(last) + places.bytes.at(last) + 1;
  if (!isAlone && last >= 0 && places.question.at(last) === question && end === at && !isLong(places.bytes.at(last))) {
    places.bytes.values[last] = at + bytes - places.at.at(last);
    return;
  }
  places.question.push(question);
  places.at.push(at);
  places.bytes.push(bytes);
  places.line.push(line);
}

/** A place is read at once. */
const MOST_AT_ONCE = 1 << 28;
const isLong = (bytes: number): boolean => bytes > MOST_AT_ONCE;

/** V(question) by question: see `questionValue`. NaN where no sample was graded. */
function questionValues({ questions, paths }: RunTables): Float64Array {
  const graded = new Float64Array(questions.size);
  const right = new Float64Array(questions.size);
  for (let row = 0; row < paths.question.length; row += 1) {
    const outcome = paths.outcome.at(row);
    const isDrawn = (paths.flags.at(row) & (PATH_FLAGS.drawn | PATH_FLAGS.hinted)) === PATH_FLAGS.drawn;
    if (!isDrawn || outcome === ERROR) continue;
    graded[paths.question.at(row)]! += 1;
    if (outcome === RIGHT) right[paths.question.at(row)]! += 1;
  }
  return right.map((count, question) => count / graded[question]!);
}

function flagsOf({ finishReason, hinted, source }: Fields): number {
  return (
    (finishReason === 'length' ? PATH_FLAGS.truncated : 0) |
    (hinted === true ? PATH_FLAGS.hinted : 0) |
    (source === 'gold' ? PATH_FLAGS.gold : 0) |
    (source === 'rollout' ? PATH_FLAGS.rollout : 0) |
    (source === 'policy' ? PATH_FLAGS.drawn : 0)
  );
}

/** null: these tallies stopped too early for the run's rule. */
export function hardLabelsOf(record: LabelFacts, rule: LabelRule): boolean[] | null {
  try {
    return hardLabels(record, rule);
  } catch (error) {
    if (error instanceof SipfError) return null;
    throw error;
  }
}

function labelFactsOf(record: Fields): LabelFacts {
  const [steps, answerLogps] = [listOf(record, 'steps'), record['answerLogps']];
  if (steps.length === 0 || !steps.every(isTally)) throw expected('steps with tallies', steps);
  if (answerLogps !== undefined && !isNumbers(answerLogps)) throw expected('numbers in "answerLogps"', answerLogps);
  const facts = { sampleId: textOf(record, 'sampleId'), steps, outcomeRight: record['outcomeRight'] === true };
  return answerLogps === undefined ? facts : { ...facts, answerLogps };
}

function isTally(value: unknown): value is StepTally {
  if (!isObject(value)) return false;
  const { correct, run, stop, impliedBy } = value;
  const isCounted = typeof correct === 'number' && typeof run === 'number';
  return (
    isCounted && (stop === 'full' || stop === 'first-success') && (impliedBy === null || typeof impliedBy === 'number')
  );
}

function fieldsOf(value: unknown): Fields {
  if (!isObject(value)) throw expected('an object', value);
  return value;
}

function isObject(value: unknown): value is Fields {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'number');
}

function textOf(record: Fields, field: string): string {
  const value = record[field];
  if (typeof value !== 'string') throw expected(`a text in "${field}"`, value);
  return value;
}

function numberOf(record: Fields, field: string): number {
  const value = record[field];
  if (typeof value !== 'number') throw expected(`a number in "${field}"`, value);
  return value;
}

function listOf(record: Fields, field: string): unknown[] {
  const value = record[field];
  if (!Array.isArray(value)) throw expected(`a list in "${field}"`, value);
  return value;
}

function expected(what: string, got: unknown): SipfError {
  return new SipfError('bad-input', `Expected ${what}, got ${shown(got)}.`);
}
