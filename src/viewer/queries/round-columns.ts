// The index and a round -> a column for each thing that a path or a question has in that round.
import { RIGHT } from '../../pipeline/run-index/outcomes.ts';
import { PlacesByQuestion } from '../../pipeline/run-index/places.ts';
import type { RunIndex } from '../../pipeline/run-index/run-index.ts';
import { PATH_FLAGS, ROUND_FLAGS } from '../../pipeline/run-index/tables.ts';

/** By question, over its paths up to the round. Scores are path scores of the round. */
export interface QuestionColumns {
  readonly paths: Uint32Array;
  readonly right: Uint32Array;
  readonly labelled: Uint32Array;
  readonly tokens: Float64Array;
  readonly scored: Uint32Array;
  readonly least: Float64Array;
  readonly largest: Float64Array;
  readonly total: Float64Array;
  /** Pairs of the round; paths that train alone are none. */
  readonly pairs: Uint32Array;
}

/** What a run's paths and questions are in one round; made anew when the index has read more. */
export class RoundColumns {
  readonly index: RunIndex;
  readonly round: number;
  /** Rows of the index that are paths of the round: samples, and kept rollouts that the round scored or paired. */
  readonly rows: Uint32Array;
  /** By row; NaN: none. Shorter than the index where paths came later. */
  readonly scores: ArrayLike<number>;
  /** By row: `ROUND_FLAGS`. */
  readonly flags: Uint8Array;
  readonly questions: QuestionColumns;
  readonly hasRollouts: boolean;
  #rowsOf: PlacesByQuestion | null = null;
  #quarters: readonly [number, number] | null = null;

  constructor(index: RunIndex, round: number) {
    this.index = index;
    this.round = round;
    const { ids } = index.tables;
    const scored = index.fileOf('4-scores', round)?.scores;
    this.scores = scored === undefined ? [] : scored.score.values.subarray(0, scored.score.length);
    this.flags = new Uint8Array(ids.size);
    for (const column of [scored?.flags, index.fileOf('5-pairs', round)?.scores.flags]) {
      const { length, values } = column ?? { length: 0, values: [] };
      for (let row = 0; row < length; row += 1) this.flags[row]! |= values[row]!;
    }
    this.rows = this.#rowsIn();
    this.hasRollouts = this.rows.some((row) => (index.tables.paths.flags.at(row) & PATH_FLAGS.rollout) !== 0);
    this.questions = this.#questionColumns();
  }

  /** Of a row; NaN: none. */
  score(row: number): number {
    return this.scores[row] ?? Number.NaN;
  }

  isPath(row: number): boolean {
    const { paths } = this.index.tables;
    if (paths.round.at(row) > this.round) return false;
    return (paths.flags.at(row) & PATH_FLAGS.rollout) === 0 || this.flags[row] !== 0;
  }

  /** Rows of all paths of a question, of other rounds, too. */
  rowsOf(question: number): readonly number[] {
    const { paths, questions } = this.index.tables;
    this.#rowsOf ??= new PlacesByQuestion(paths.question, questions.size);
    return this.#rowsOf.of(question);
  }

  /** The path scores that end the lowest quarter and begin the highest. NaN without scores. */
  quarters(): readonly [number, number] {
    this.#quarters ??= quartersOf(this.rows, this.scores);
    return this.#quarters;
  }

  #rowsIn(): Uint32Array {
    const { size } = this.index.tables.ids;
    const rows = new Uint32Array(size);
    let count = 0;
    for (let row = 0; row < size; row += 1) {
      if (!this.isPath(row)) continue;
      rows[count] = row;
      count += 1;
    }
    return rows.slice(0, count);
  }

  #questionColumns(): QuestionColumns {
    const { paths, questions } = this.index.tables;
    const columns = emptyColumns(questions.size);
    const [numbers, outcomes] = [paths.question.values, paths.outcome.values];
    const [labelled, tokens] = [paths.labelled.values, paths.tokens.values];
    for (const row of this.rows) {
      const own = numbers[row]!;
      columns.paths[own]! += 1;
      if (outcomes[row] === RIGHT) columns.right[own]! += 1;
      if (labelled[row]! <= this.round) columns.labelled[own]! += 1;
      columns.tokens[own]! += tokens[row]!;
      if ((this.flags[row]! & ROUND_FLAGS.scored) !== 0) addScore(columns, own, this.score(row));
    }
    this.#countPairs(columns.pairs);
    return columns;
  }

  #countPairs(counts: Uint32Array): void {
    const tables = this.index.fileOf('5-pairs', this.round);
    if (tables === null) return;
    const { places, pairs } = tables;
    for (let index = 0; index < pairs.isPair.length; index += 1)
      counts[places.question.at(index)]! += pairs.isPair.at(index);
  }
}

function emptyColumns(size: number): QuestionColumns {
  return {
    paths: new Uint32Array(size),
    right: new Uint32Array(size),
    labelled: new Uint32Array(size),
    tokens: new Float64Array(size),
    scored: new Uint32Array(size),
    least: new Float64Array(size).fill(Number.POSITIVE_INFINITY),
    largest: new Float64Array(size).fill(Number.NEGATIVE_INFINITY),
    total: new Float64Array(size),
    pairs: new Uint32Array(size),
  };
}

function addScore({ scored, least, largest, total }: QuestionColumns, question: number, score: number): void {
  scored[question]! += 1;
  total[question]! += score;
  if (score < least[question]!) least[question] = score;
  if (score > largest[question]!) largest[question] = score;
}

function quartersOf(rows: Uint32Array, scores: ArrayLike<number>): readonly [number, number] {
  const own = new Float64Array(rows.length);
  let count = 0;
  for (let place = 0; place < rows.length; place += 1) {
    const score = scores[rows[place]!] ?? Number.NaN;
    if (Number.isNaN(score)) continue;
    own[count] = score;
    count += 1;
  }
  const sorted = own.subarray(0, count).sort();
  const at = (place: number): number => sorted[place] ?? Number.NaN;
  return [at(Math.ceil(count / 4) - 1), at(Math.floor((3 * count) / 4))];
}
