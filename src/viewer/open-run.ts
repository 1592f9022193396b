// What the index of one run answers, and what the server and the report ask of it. Types alone.
import type { RecordGroup } from '../pipeline/run-index/read-records.ts';
import type { RunView } from '../pipeline/run-reader.ts';
import type { Task } from '../task.ts';
import type {
  HumanLabel,
  LabelReply,
  PairReply,
  PairsReply,
  PathFilter,
  QuestionReply,
  QuestionsReply,
  RolloutsReply,
  RunHead,
  ScoresReply,
  TokensReply,
} from './api.ts';
import type { RunEvents } from './run-events.ts';

/** A part of a list. */
export interface Page {
  readonly offset: number;
  readonly limit: number;
}

/** `score`: the mean path score. `spread`: largest less least. `right`: the share of right paths. `tokens`: a path, on average. */
export type QuestionSort = 'file' | 'score' | 'spread' | 'right' | 'paths' | 'tokens';

export interface PairsAsk extends Page {
  readonly round: number;
  /** true: only chosen paths that train alone; false: only pairs; absent: both. */
  readonly alone?: boolean;
}

export interface QuestionsAsk extends PathFilter, Page {
  readonly round: number;
  readonly sort: QuestionSort;
  readonly descending: boolean;
  /** Where a search continues: `next` of the answer before. */
  readonly from?: string;
}

/**
 * A run whose records can be asked for. Each answer is of the files as `head` found them last. Answers wait until the records that were there
 * when the run was opened are read; those that came later are read behind them.
 */
export interface OpenRun extends AsyncDisposable {
  readonly dir: string;
  /** null: this machine cannot open it, and steps are not checked. */
  readonly task: Task | null;
  /** Looks at what is new, and does not wait until it is read. */
  head(): Promise<RunHead>;
  /** Looks at what is new. Grows with what figures of records rest on, labels by hand too; not with events and reports. */
  recordsVersion(): Promise<number>;
  /** Looks at what is new, and waits until all of it is read. */
  ready(): Promise<void>;
  /** As `readRun` gives it. */
  view(): Promise<RunView>;
  /** What its events have told. */
  events(): Pick<RunEvents, 'seconds' | 'trainings'>;
  questions(ask: QuestionsAsk): Promise<QuestionsReply>;
  /** @throws SipfError 'not-found' for a question without paths in this round. */
  question(ask: { readonly round: number; readonly id: string }): Promise<QuestionReply>;
  /** @throws SipfError 'not-found' for an unknown sample or step. */
  rollouts(ask: { readonly round: number; readonly sample: string; readonly step: number }): Promise<RolloutsReply>;
  /** @throws SipfError 'not-found' for an unknown sample. */
  tokens(ask: { readonly round: number; readonly sample: string }): Promise<TokensReply>;
  pairs(ask: PairsAsk): Promise<PairsReply>;
  /** @throws SipfError 'not-found' for an index beyond the pairs. */
  pair(ask: { readonly round: number; readonly index: number }): Promise<PairReply>;
  /** The questions that `isWanted` accepts, in the order of the run, each read on its own. */
  groups(round: number, isWanted: (questionId: string) => boolean): AsyncIterable<RecordGroup>;
  /** Appends a label by hand. @throws SipfError 'not-found' for an unknown sample or step. */
  label(given: Omit<HumanLabel, 'time'>): Promise<LabelReply>;
  /** The last label of each step that has one, those taken back apart. */
  humanLabels(): Promise<readonly HumanLabel[]>;
  /** How often a round's scores, tallies and exact checks say what these labels do. */
  humanAgreement(round: number): Promise<ScoresReply['human']>;
}
