// What the page asks of questions, paths and pairs -> their records, and what is known of steps.
import type { Config } from '../../config/schema.ts';
import { SipfError, shown } from '../../errors.ts';
import { tokensOf } from '../../method/drawn-tokens.ts';
import { latestLabels } from '../../method/step-labels.ts';
import { RIGHT } from '../../pipeline/run-index/outcomes.ts';
import { type PlacedPair, type RecordGroup, RecordReader } from '../../pipeline/run-index/read-records.ts';
import type { RunIndex } from '../../pipeline/run-index/run-index.ts';
import { NONE, PATH_FLAGS } from '../../pipeline/run-index/tables.ts';
import type { Sample } from '../../records.ts';
import type { PairReply, PairsReply, PathView, QuestionReply, RolloutsReply, TokensReply } from '../api.ts';
import type { HumanLabels } from '../human-labels.ts';
import type { PairsAsk } from '../open-run.ts';
import type { PathTruth } from './path-truth.ts';
import { pathViews, rolloutsOf } from './path-views.ts';
import { shortened } from './question-lists.ts';

interface Parts {
  readonly index: RunIndex;
  readonly config: Config;
  readonly truth: PathTruth;
  readonly human: HumanLabels;
}

type SampleAsk = { readonly round: number; readonly sample: string };

/** Reads at the places that the index knows. */
export class PathQueries {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** @throws SipfError 'not-found' for a question without paths in this round. */
  question({ round, id }: { readonly round: number; readonly id: string }): QuestionReply {
    const { index } = this.#parts;
    using reader = new RecordReader(index);
    const number = index.tables.questions.find(id);
    const group = reader.group(number, round);
    const pairs = number === -1 ? [] : reader.pairs(round, number);
    const paths = group === null ? [] : this.#views(group, pairs);
    if (group === null || paths.length === 0) throw notFound(`a question with paths up to round ${round}`, id);
    return { question: group.question, paths, pairs, rounds: this.#roundsOf(number) };
  }

  /** @throws SipfError 'not-found' for an unknown sample or step. */
  rollouts({ step, ...ask }: SampleAsk & { readonly step: number }): RolloutsReply {
    const row = this.#rowOf(ask);
    using reader = new RecordReader(this.#parts.index);
    const sample = this.#sampleAt(reader, row);
    if (sample.steps[step] === undefined)
      throw notFound(`a step of ${ask.sample}, 0 to ${sample.steps.length - 1}`, step);
    const group = reader.group(this.#questionAt(row), ask.round);
    const record = latestLabels(group?.labels ?? []).get(ask.sample);
    return { rollouts: record === undefined ? [] : rolloutsOf(record, step) };
  }

  /** @throws SipfError 'not-found' for an unknown sample. */
  tokens(ask: SampleAsk): TokensReply {
    using reader = new RecordReader(this.#parts.index);
    return { tokens: tokensOf(this.#sampleAt(reader, this.#rowOf(ask))) };
  }

  /** How many steps a path of the run has. @throws SipfError 'not-found' for an unknown sample. */
  stepsOf(sample: string): number {
    using reader = new RecordReader(this.#parts.index);
    return this.#sampleAt(reader, this.#rowOf({ round: Number.POSITIVE_INFINITY, sample })).steps.length;
  }

  pairs({ round, offset, limit, alone }: PairsAsk): PairsReply {
    const { index } = this.#parts;
    const tables = index.fileOf('5-pairs', round);
    if (tables === null) return { total: 0, pairs: [] };
    const { places, pairs } = tables;
    const all = Uint32Array.from({ length: places.question.length }, (_, place) => place);
    const listed = alone === undefined ? all : all.filter((place) => (pairs.isPair.at(place) === 0) === alone);
    using reader = new RecordReader(index);
    return {
      total: listed.length,
      pairs: Array.from(listed.subarray(offset, offset + limit), (place) => {
        const question = places.question.at(place);
        const margin = pairs.margin.at(place);
        return {
          index: place,
          questionId: index.tables.questions.text(question),
          question: shortened(reader.question(question)?.question ?? ''),
          margin: Number.isNaN(margin) ? null : margin,
          shared: pairs.shared.at(place),
          rightChosen: this.#isRight(pairs.chosen.at(place)),
          rightRejected: this.#isRight(pairs.rejected.at(place)),
        };
      }),
    };
  }

  /** Without log-probabilities. @throws SipfError 'not-found' for an index beyond the pairs. */
  pair({ round, index: place }: { readonly round: number; readonly index: number }): Omit<PairReply, 'logps' | 'own'> {
    using reader = new RecordReader(this.#parts.index);
    const pair = reader.pair(round, place);
    if (pair === null) throw notFound(`a pair of round ${round} by its place`, place);
    const group = reader.group(this.#parts.index.tables.questions.find(pair.questionId), round);
    const views = group === null ? [] : this.#views(group, [{ index: place, pair }]);
    const viewOf = (id: string | undefined): PathView | null => views.find(({ sample }) => sample.id === id) ?? null;
    return {
      pair,
      question: group?.question ?? null,
      chosen: viewOf(pair.chosen.sampleId),
      rejected: viewOf(pair.rejected?.sampleId),
    };
  }

  /** The paths of a round that have labels by hand. */
  labelledByHand(round: number): PathView[] {
    const { index, human } = this.#parts;
    using reader = new RecordReader(index);
    const ids = new Set(human.all().map(({ sampleId }) => sampleId));
    const rows = [...ids].map((id) => index.tables.ids.find(id)).filter((row) => row !== -1);
    const questions = [...new Set(rows.map((row) => this.#questionAt(row)))];
    return questions.flatMap((number) => {
      const group = reader.group(number, round);
      const views = group === null ? [] : this.#views(group, reader.pairs(round, number));
      return views.filter(({ sample }) => ids.has(sample.id));
    });
  }

  #views(group: RecordGroup, pairs: readonly PlacedPair[]): PathView[] {
    const { config, truth, human } = this.#parts;
    return pathViews(group, pairs, {
      config,
      truthOf: (steps) => truth.of(group.question, steps),
      knowsSteps: (steps) => truth.knowsSteps(group.question, steps),
      humanLabel: (sampleId, step) => human.of(sampleId, step),
    });
  }

  #roundsOf(question: number): number[] {
    const { index } = this.#parts;
    const samples = index.tables.files.filter(({ file }) => file.kind === '1-samples');
    return samples.filter((tables) => index.placesOf(tables, question).length > 0).map(({ file }) => file.round);
  }

  #rowOf({ round, sample }: SampleAsk): number {
    const { ids, paths } = this.#parts.index.tables;
    const row = ids.find(sample);
    if (row === -1 || paths.round.at(row) > round) throw notFound('the id of a sample of this run', sample);
    return row;
  }

  #questionAt(row: number): number {
    return this.#parts.index.tables.paths.question.at(row);
  }

  #sampleAt(reader: RecordReader, row: number): Sample {
    const { ids, paths } = this.#parts.index.tables;
    const [id, round, question] = [ids.text(row), paths.round.at(row), this.#questionAt(row)];
    const isRollout = (paths.flags.at(row) & PATH_FLAGS.rollout) !== 0;
    const samples = isRollout
      ? reader.labels(round, question).flatMap(({ rollouts = [] }) => rollouts)
      : reader.samples(round, question);
    const found = samples.find((sample) => sample.id === id);
    if (found === undefined) throw notFound('a sample where the index has it', id);
    return found;
  }

  /** null: unknown. */
  #isRight(row: number): boolean | null {
    return row === NONE ? null : this.#parts.index.tables.paths.outcome.at(row) === RIGHT;
  }
}

function notFound(what: string, got: unknown): SipfError {
  return new SipfError('not-found', `Expected ${what}, got ${shown(got)}.`);
}
