// Files of a command line as the workspace of one stage: records that somebody names, and one output.
import { dirname, join } from 'node:path';
import type { Backend, Policy, ProcessRewardModel } from '../backend.ts';
import { SipfError } from '../errors.ts';
import { nodeDisk, replaceFile } from '../io/files.ts';
import { readAllRows } from '../io/jsonl.ts';
import type { Checkpoint, ModelSource, PreferencePair, Question, Sample, StepLabels, StepScores } from '../records.ts';
import type { Counts } from '../reports.ts';
import { collectUnits, type UnitWork } from '../run/collect.ts';
import type { OnProgress } from '../run/events.ts';
import type { Group, Place, RecordsName, Training, Workspace } from './workspace.ts';

/** Records by question id, and what names the files that they are from. */
export interface FileRecords {
  /** In the order of the work. */
  readonly questions: readonly Question[];
  readonly samples?: ReadonlyMap<string, readonly Sample[]>;
  readonly labels?: ReadonlyMap<string, readonly StepLabels[]>;
  readonly scores?: ReadonlyMap<string, readonly StepScores[]>;
  readonly pairs?: readonly PreferencePair[];
  readonly hashes: Readonly<Partial<Record<RecordsName, readonly string[]>>>;
}

/** Who started the stage. */
export interface Listener {
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
  log(line: string): void;
  warn(message: string): void;
  /** Says what a stop leaves behind. */
  resumes(advice: string): void;
  /** What a training trains on, in words. */
  describeRows?: ((rows: Counts) => string) | undefined;
}

export interface FileWorkspaceArgs {
  readonly records: FileRecords;
  /** The file of records, or the folder of the model. */
  readonly out: string;
  /** null: a stage without a model. */
  readonly backend: Backend | null;
  readonly listener: Listener;
}

/** Owns the models that are opened for their hashes, until a stage takes them. */
export class FileWorkspace implements Workspace, AsyncDisposable {
  readonly signal: AbortSignal;
  /** What came of the stage, where it trained. */
  training: Training | null = null;
  readonly #args: FileWorkspaceArgs;
  readonly #policies = new Map<Checkpoint, Policy>();
  readonly #prms = new Map<Checkpoint, ProcessRewardModel>();
  readonly #prepared: string[] = [];

  constructor(args: FileWorkspaceArgs) {
    this.#args = args;
    this.signal = args.listener.signal;
  }

  /** Opens a policy; its checkpoint has its hash. */
  async policyAt(source: ModelSource): Promise<Checkpoint> {
    const opened = await this.#backend().openPolicy(source);
    const checkpoint = checkpointAt(source, opened.hash);
    this.#policies.set(checkpoint, opened);
    return checkpoint;
  }

  /** Opens a process reward model; its checkpoint has its hash. */
  async prmAt(source: ModelSource): Promise<Checkpoint> {
    const opened = await this.#backend().openPrm(source);
    const checkpoint = checkpointAt(source, opened.hash);
    this.#prms.set(checkpoint, opened);
    return checkpoint;
  }

  async openPolicy(checkpoint: Checkpoint): Promise<Policy> {
    const opened = this.#policies.get(checkpoint);
    this.#policies.delete(checkpoint);
    return opened ?? this.#backend().openPolicy(this.source(checkpoint));
  }

  async openPrm(checkpoint: Checkpoint): Promise<ProcessRewardModel> {
    const opened = this.#prms.get(checkpoint);
    this.#prms.delete(checkpoint);
    return opened ?? this.#backend().openPrm(this.source(checkpoint));
  }

  source({ model, adapter }: Checkpoint): ModelSource {
    return adapter === null ? { model } : { model, adapter };
  }

  async *groups(): AsyncGenerator<Group> {
    const { questions, samples, labels, scores } = this.#args.records;
    for (const question of questions) {
      const of = <T>(records: ReadonlyMap<string, readonly T[]> | undefined) => records?.get(question.id) ?? [];
      yield { question, samples: of(samples), labels: of(labels), scores: of(scores) };
    }
  }

  async pairs(): Promise<readonly PreferencePair[]> {
    return this.#args.records.pairs ?? [];
  }

  async hashes(name: RecordsName): Promise<readonly string[]> {
    return this.#args.records.hashes[name] ?? [];
  }

  async hash(name: RecordsName): Promise<string | null> {
    return this.#args.records.hashes[name]?.[0] ?? null;
  }

  collect: Workspace['collect'] = async (work) => {
    const { out, listener } = this.#args;
    listener.resumes('Finished work is kept beside --out: the same command continues.');
    const counts = await this.#collectInto(out, work);
    await nodeDisk.remove(`${out}.journal`);
    return counts;
  };

  /** Kept in the folder of the training's checkpoints until it has finished. */
  prepare: Workspace['prepare'] = async (work, schema) => {
    const { out, listener } = this.#args;
    listener.resumes('Finished work is kept in --out: the same command continues.');
    const file = join(out, 'checkpoint', `${work.stage.name}.jsonl`);
    const counts = await this.#collectInto(file, work);
    const rows = await readAllRows(file, schema, this.signal);
    this.#prepared.push(file, `${file}.journal`);
    return { records: rows.map(({ value }) => value), counts };
  };

  async #collectInto<U, C extends AsyncDisposable>(out: string, work: UnitWork<U, C> & Place): Promise<Counts> {
    const { name: stage, iteration } = work.stage;
    await nodeDisk.makeFolder(dirname(out));
    return collectUnits(work, {
      disk: nodeDisk,
      journal: `${out}.journal`,
      out,
      inputs: work.inputs,
      signal: this.signal,
      onProgress: (progress) => this.#args.listener.onProgress({ stage, iteration, ...progress }),
    });
  }

  write: Workspace['write'] = async ({ all, nothing }) => {
    const { out } = this.#args;
    const { records, counts } = await all();
    if (records.length === 0) throw new SipfError('nothing-left', nothing());
    await nodeDisk.makeFolder(dirname(out));
    await replaceFile(
      nodeDisk,
      out,
      records.map((record) => `${JSON.stringify(record)}\n`),
    );
    return counts;
  };

  runTraining: Workspace['runTraining'] = (job, { name: stage, iteration }, rows) => {
    const { listener } = this.#args;
    if (listener.describeRows) listener.log(listener.describeRows(rows));
    listener.resumes('A checkpoint, where there is one, is kept in --out: the same command continues from it.');
    const onStep: Parameters<Backend['train']>[1] = ({ step, steps: total, loss }) =>
      listener.onProgress({
        stage,
        iteration,
        done: step + 1,
        total,
        unit: 'steps',
        detail: `loss ${loss.toFixed(4)}`,
      });
    return this.#backend().train(job, onStep, { signal: this.signal });
  };

  train: Workspace['train'] = async ({ body }) => {
    this.training = await body(this.#args.out);
    for (const file of this.#prepared) await nodeDisk.remove(file);
    const { result, examples, counts } = this.training;
    const steps = result.steps.length;
    const checkpoint = checkpointAt(result.source, result.hash);
    return { checkpoint, steps, trainTokens: result.tokens, examples, dropped: result.dropped.length, counts };
  };

  once: Workspace['once'] = ({ body }) => body();

  /** Weights on the way to the scores: said, not written. */
  async writeJson(_stage: unknown, _file: string, value: unknown): Promise<void> {
    this.#args.listener.log(`Weights (--calibration takes them): ${JSON.stringify(value)}`);
  }

  warn(message: string): void {
    this.#args.listener.warn(message);
  }

  nameOf(): string {
    return 'this training';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const model of [...this.#policies.values(), ...this.#prms.values()]) await model[Symbol.asyncDispose]();
  }

  #backend(): Backend {
    const { backend } = this.#args;
    if (backend === null) throw new Error('Expected a backend for a stage with a model.');
    return backend;
  }
}

/** A model on a command line. Its hash is '' where only a training needs it. */
export function checkpointAt({ model, adapter }: ModelSource, hash = ''): Checkpoint {
  return { model, adapter: adapter ?? null, hash };
}
