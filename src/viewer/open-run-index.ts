// A run directory -> the run that the server and the report ask, by the index of its records.
import { basename, join, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { SipfError } from '../errors.ts';
import type { CacheOptions } from '../io/cache.ts';
import { exists } from '../io/file-bytes.ts';
import { readRecords } from '../io/jsonl.ts';
import { ChangedRecords, type RecordGroup, RecordReader } from '../pipeline/run-index/read-records.ts';
import { type RunView, readTimedRun } from '../pipeline/run-reader.ts';
import { PairShift } from '../records.ts';
import type { Task } from '../task.ts';
import { type OpenTasks, openTasks } from '../tasks/index.ts';
import type {
  HumanLabel,
  LabelReply,
  PairReply,
  PairsReply,
  QuestionReply,
  QuestionsReply,
  RolloutsReply,
  RunHead,
  ScoresReply,
  TokensReply,
} from './api.ts';
import { HumanLabels } from './human-labels.ts';
import type { OpenRun, PairsAsk, QuestionsAsk } from './open-run.ts';
import { humanAgreement } from './queries/human-agreement.ts';
import { PathQueries } from './queries/path-queries.ts';
import { RunEvents } from './run-events.ts';
import { RunRecords } from './run-records.ts';
import { runSignature } from './run-signature.ts';
import { WorkNow } from './work-now.ts';

export interface OpenRunOptions extends Pick<CacheOptions, 'cache'> {
  /** A task by name, which checks steps; absent: the tasks of this package. */
  readonly tasks?: ((name: string) => Task) | undefined;
  /** When a label is given by hand. */
  readonly clock?: (() => Date) | undefined;
}

/**
 * Opens a run, finished or not, and begins to read its records.
 * @throws SipfError 'not-found' where there is none; 'bad-config' naming the file and each key that another version had.
 */
export async function openRun(dir: string, options: OpenRunOptions = {}): Promise<OpenRun> {
  const path = resolve(dir);
  const signature = await runSignature(path);
  const events = new RunEvents(path);
  await events.refresh();
  const run = new IndexedRun(await readTimedRun(path, events.seconds), events, signature, options);
  await run.head();
  return run;
}

class IndexedRun implements OpenRun {
  readonly dir: string;
  readonly #stop = new AbortController();
  readonly #cache: OpenRunOptions['cache'];
  readonly #clock: () => Date;
  readonly #tasks: OpenTasks;
  readonly #human: HumanLabels;
  readonly #events: RunEvents;
  readonly #now: WorkNow;
  #records: RunRecords;
  #view: RunView;
  #signature: string;
  #viewFault: string | null = null;
  /** Grows with what is no record: reports, events. */
  #changes = 0;
  /** Grows with labels by hand, and with records of another configuration. */
  #recordChanges = 0;
  #looking: Promise<void> = Promise.resolve();

  constructor(
    view: RunView,
    events: RunEvents,
    signature: string,
    { cache, tasks, clock = () => new Date() }: OpenRunOptions,
  ) {
    this.dir = view.dir;
    this.#view = view;
    this.#events = events;
    this.#signature = signature;
    this.#cache = cache;
    this.#clock = clock;
    this.#tasks = openTasks({ make: tasks });
    this.#human = new HumanLabels(view.dir);
    this.#now = new WorkNow(view.dir);
    this.#records = this.#recordsOf(view);
  }

  get task(): Task | null {
    return this.#records.task;
  }

  async head(): Promise<RunHead> {
    await this.#look();
    const { config, rounds, finished } = this.#view;
    const { method, task, model, seed, iterations } = config;
    const { index } = this.#records;
    const { read, of } = index.bytes;
    return {
      name: basename(this.dir),
      dir: this.dir,
      method,
      task: task.name,
      model: typeof model === 'string' ? model : 'made from nothing',
      seed,
      iterations,
      rounds: rounds.length,
      finished,
      version: this.#changes + this.#recordChanges + index.version,
      now: await this.#now.read(this.#events.now, config, index.tables.questions.size),
      indexed: { bytes: Math.min(read, of), of },
      faults: this.#allFaults(),
    };
  }

  async recordsVersion(): Promise<number> {
    await this.#look();
    return this.#recordChanges + this.#records.index.version;
  }

  async ready(): Promise<void> {
    await this.#look();
    await this.#records.settled();
  }

  view(): Promise<RunView> {
    return Promise.resolve(this.#view);
  }

  events(): Pick<RunEvents, 'seconds' | 'trainings'> {
    return this.#events;
  }

  questions(ask: QuestionsAsk): Promise<QuestionsReply> {
    return this.#answer(ask.round, () => this.#records.lists.reply(ask));
  }

  question(ask: { readonly round: number; readonly id: string }): Promise<QuestionReply> {
    return this.#answer(ask.round, () => this.#paths().question(ask));
  }

  rollouts(ask: { readonly round: number; readonly sample: string; readonly step: number }): Promise<RolloutsReply> {
    return this.#answer(ask.round, () => this.#paths().rollouts(ask));
  }

  tokens(ask: { readonly round: number; readonly sample: string }): Promise<TokensReply> {
    return this.#answer(ask.round, () => this.#paths().tokens(ask));
  }

  pairs(ask: PairsAsk): Promise<PairsReply> {
    return this.#answer(ask.round, () => this.#paths().pairs(ask));
  }

  async pair(ask: { readonly round: number; readonly index: number }): Promise<PairReply> {
    const reply = await this.#answer(ask.round, () => this.#paths().pair(ask));
    const logps = this.#view.rounds[ask.round]?.report?.logps ?? null;
    return { ...reply, logps, own: await this.#shiftOf(ask) };
  }

  async humanAgreement(round: number): Promise<ScoresReply['human']> {
    await this.#atRound(round);
    await this.#human.refresh();
    return humanAgreement(this.#paths().labelledByHand(round));
  }

  async *groups(round: number, isWanted: (questionId: string) => boolean): AsyncGenerator<RecordGroup> {
    await this.#atRound(round);
    const { index } = this.#records;
    const { tables } = index;
    using reader = new RecordReader(index);
    for (let number = 0; number < tables.questions.size; number += 1) {
      if (!isWanted(tables.questions.text(number))) continue;
      const group = reader.group(number, round);
      if (group !== null) yield group;
      // Others have their turn between two questions.
      await setImmediate();
      if (index.tables !== tables || index !== this.#records.index) throw changed(this.dir);
    }
  }

  async label(given: Omit<HumanLabel, 'time'>): Promise<LabelReply> {
    await this.#records.first;
    const steps = this.#paths().stepsOf(given.sampleId);
    if (!Number.isInteger(given.step) || given.step < 0 || given.step >= steps)
      throw new SipfError('not-found', `Expected a step of ${given.sampleId}, 0 to ${steps - 1}, got ${given.step}.`);
    const label = { ...given, time: this.#clock().toISOString() };
    await this.#human.add(label);
    this.#recordChanges += 1;
    return { label };
  }

  async humanLabels(): Promise<readonly HumanLabel[]> {
    await this.#human.refresh();
    return this.#human.all();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#looking.catch(() => undefined);
    await this.#records.settled().catch(() => undefined);
    await this.#tasks[Symbol.asyncDispose]();
  }

  /** null: the round did not measure this pair. */
  async #shiftOf({ round, index }: { readonly round: number; readonly index: number }): Promise<PairReply['own']> {
    const path = join(this.dir, `iteration-${round}`, '7-pair-logps.jsonl');
    if (!(await exists(path))) return null;
    for await (const { row, chosen, rejected } of readRecords(path, PairShift))
      if (row === index) return { chosen: [chosen.before, chosen.after], rejected: [rejected.before, rejected.after] };
    return null;
  }

  #paths(): PathQueries {
    const { index, truth } = this.#records;
    return new PathQueries({ index, config: this.#view.config, truth, human: this.#human });
  }

  /** One look at a time: each knows what the one before has seen. */
  #look(): Promise<void> {
    this.#looking = this.#looking.catch(() => undefined).then(() => this.#lookNow());
    return this.#looking;
  }

  async #lookNow(): Promise<void> {
    if (await this.#human.refresh()) this.#recordChanges += 1;
    const signature = await runSignature(this.dir);
    if (signature === this.#signature) return;
    this.#signature = signature;
    this.#changes += 1;
    try {
      await this.#events.refresh();
      this.#settle(await readTimedRun(this.dir, this.#events.seconds));
      this.#viewFault = null;
    } catch (error) {
      if (!(error instanceof SipfError)) throw error;
      this.#viewFault = error.message;
    }
    this.#records.refresh();
  }

  /** A run of another configuration may be in the place of the one that was opened. */
  #settle(view: RunView): void {
    this.#view = view;
    if (this.#records.isOf(view.config)) return;
    this.#recordChanges += this.#records.index.version + 1;
    this.#records = this.#recordsOf(view);
  }

  #recordsOf(view: RunView): RunRecords {
    return new RunRecords(view, { tasks: this.#tasks, cache: this.#cache, signal: this.#stop.signal });
  }

  #allFaults(): string[] {
    const others = this.#viewFault === null ? [] : [this.#viewFault];
    return [...this.#records.faults, ...this.#human.faults, ...others];
  }

  /** Asks once more where the files are others than the index knows: a stage has ended, and its journal is gone. */
  async #answer<T>(round: number, ask: () => T): Promise<T> {
    await this.#atRound(round);
    try {
      return ask();
    } catch (error) {
      if (!(error instanceof ChangedRecords)) throw error;
      await this.ready();
      return ask();
    }
  }

  /** Waits for the records of what was there first. */
  async #atRound(round: number): Promise<void> {
    await this.#records.first;
    const last = this.#view.rounds.length - 1;
    if (Number.isInteger(round) && round >= 0 && round <= last) return;
    throw new SipfError('not-found', `Expected a round of ${this.dir}, 0 to ${last}, got ${round}.`);
  }
}

function changed(dir: string): SipfError {
  return new SipfError('bad-input', `Expected the records of ${dir} as they were, got others. Ask again.`);
}
