// Files of a command line as the workspace of one stage: records that somebody names, models, and one output.
import { dirname } from 'node:path';
import type { Backend, ModelSource, Policy, ProcessRewardModel } from '../backend.ts';
import { SipfError } from '../errors.ts';
import { nodeDisk, replaceFile } from '../io/files.ts';
import type { Checkpoint, PreferencePair, Question, Sample, StepLabels, StepScores } from '../records.ts';
import { Counts } from '../reports.ts';
import { collectUnits } from '../run/collect.ts';
import type { OnProgress } from '../run/events.ts';
import type { Models, Records, RecordsName, Store } from './workspace.ts';

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

export function fileRecords({ questions, samples, labels, scores, pairs, hashes }: FileRecords): Records {
  const of = <T>(records: ReadonlyMap<string, readonly T[]> | undefined, id: string) => records?.get(id) ?? [];
  return {
    async *groups() {
      for (const question of questions) {
        const { id } = question;
        yield { question, samples: of(samples, id), labels: of(labels, id), scores: of(scores, id) };
      }
    },
    pairs: async () => pairs ?? [],
    hashes: async (name) => hashes[name] ?? [],
    hash: async (name) => hashes[name]?.[0] ?? null,
  };
}

/** Who started the stage. */
export interface Listener {
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
  log(line: string): void;
  warn(message: string): void;
  /** What a training trains on, in words. */
  describeRows?: ((rows: Counts) => string) | undefined;
}

/**
 * Keeps units in a journal beside `out` until all are done.
 * @param nothing what to say where no record came.
 */
export function fileStore(out: string, listener: Listener, nothing = 'Expected records, got none.'): Store {
  const { signal, onProgress, describeRows } = listener;
  return {
    signal,
    path: () => out,
    nameOf: () => 'this training',
    once: ({ body }) => body(),
    async collect({ stage: { name: stage, iteration }, inputs, ...work }) {
      await nodeDisk.makeFolder(dirname(out));
      const journal = `${out}.journal`;
      const onUnit: Parameters<typeof collectUnits>[1]['onProgress'] = (progress) =>
        onProgress({ stage, iteration, ...progress });
      const counts = await collectUnits(work, { disk: nodeDisk, journal, out, inputs, signal, onProgress: onUnit });
      await nodeDisk.remove(journal);
      return counts;
    },
    async writeRecords(_stage, _file, records) {
      const lines: string[] = [];
      for await (const record of records) lines.push(`${JSON.stringify(record)}\n`);
      if (lines.length === 0) throw new SipfError('nothing-left', nothing);
      await nodeDisk.makeFolder(dirname(out));
      await replaceFile(nodeDisk, out, lines);
    },
    // Weights on the way to the scores: said, not written.
    async writeJson(_stage, _file, value) {
      listener.log(`Weights (--calibration takes them): ${JSON.stringify(value)}`);
    },
    onProgress,
    log({ type, data }) {
      if (type === 'counts' && describeRows !== undefined) listener.log(describeRows(Counts.parse(data)));
    },
    warn: (message) => listener.warn(message),
  };
}

/** Owns the models that are opened for their hashes, until a stage takes them. */
export class FileModels implements Models, AsyncDisposable {
  readonly #given: Backend | null;
  readonly #policies = new Map<Checkpoint, Policy>();
  readonly #prms = new Map<Checkpoint, ProcessRewardModel>();

  /** @param backend null: a stage without a model. */
  constructor(backend: Backend | null) {
    this.#given = backend;
  }

  /** Opens a policy; its checkpoint has its hash. */
  async policyAt(source: ModelSource): Promise<Checkpoint> {
    const opened = await this.#backend.openPolicy(source);
    const checkpoint = this.checkpoint(source, opened.hash);
    this.#policies.set(checkpoint, opened);
    return checkpoint;
  }

  /** Opens a process reward model; its checkpoint has its hash. */
  async prmAt(source: ModelSource): Promise<Checkpoint> {
    const opened = await this.#backend.openPrm(source);
    const checkpoint = this.checkpoint(source, opened.hash);
    this.#prms.set(checkpoint, opened);
    return checkpoint;
  }

  async openPolicy(checkpoint: Checkpoint): Promise<Policy> {
    const opened = this.#policies.get(checkpoint);
    this.#policies.delete(checkpoint);
    return opened ?? this.#backend.openPolicy(this.source(checkpoint));
  }

  async openPrm(checkpoint: Checkpoint): Promise<ProcessRewardModel> {
    const opened = this.#prms.get(checkpoint);
    this.#prms.delete(checkpoint);
    return opened ?? this.#backend.openPrm(this.source(checkpoint));
  }

  source({ model, adapter }: Checkpoint): ModelSource {
    return adapter === null ? { model } : { model, adapter };
  }

  checkpoint({ model, adapter }: ModelSource, hash: string): Checkpoint {
    return { model, adapter: adapter ?? null, hash };
  }

  train: Models['train'] = (...args) => this.#backend.train(...args);

  get #backend(): Backend {
    if (this.#given === null) throw new Error('Expected a backend for a stage with a model.');
    return this.#given;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const model of [...this.#policies.values(), ...this.#prms.values()]) await model[Symbol.asyncDispose]();
  }
}
