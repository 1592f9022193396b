// Files of a command line as a workspace: records that somebody names, models, and one output.
import { dirname, join } from 'node:path';
import type { Backend } from '../backend.ts';
import { SipfError } from '../errors.ts';
import { nodeDisk, replaceFile } from '../io/files.ts';
import type { PreferencePair, Question, Sample, StepLabels, StepScores } from '../records.ts';
import { Counts } from '../reports.ts';
import { collectUnits } from '../run/collect.ts';
import type { OnProgress } from '../run/events.ts';
import { recordsFile } from '../run/marker.ts';
import { type Models, modelsNamed, type Records, type RecordsName, type Store } from './workspace.ts';

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

export interface Listener {
  readonly signal: AbortSignal;
  readonly onProgress: OnProgress;
  log(line: string): void;
  warn(message: string): void;
  /** What a training trains on, in words. */
  describeRows?: ((rows: Counts) => string) | undefined;
}

interface FileStoreArgs {
  /** The file of records, or the folder of the model. */
  readonly out: string;
  /** What a training reads besides its records is kept with its checkpoints until it has finished. */
  readonly isModel: boolean;
  /** What to say where no record came. */
  readonly nothing?: string | undefined;
}

/**
 * Keeps units in a journal beside their file until all are done.
 * @throws SipfError 'nothing-left', from its methods, where no record came.
 */
export function fileStore({ out, isModel, nothing }: FileStoreArgs, listener: Listener): Store {
  const { signal, onProgress, describeRows } = listener;
  const kept: string[] = [];
  const pathOf = (file: string) => (isModel && file.endsWith('.jsonl') ? join(out, 'checkpoint', file) : out);
  return {
    signal,
    path: (_folder, file = '') => pathOf(file),
    nameOf: () => 'this training',
    async once({ body }) {
      const result = await body();
      for (const path of kept) await nodeDisk.remove(path);
      return result;
    },
    async collect(work) {
      const path = pathOf(recordsFile(work.stage));
      const journal = `${path}.journal`;
      await nodeDisk.makeFolder(dirname(path));
      const counts = await collectUnits(work, { disk: nodeDisk, journal, out: path, signal, onProgress });
      if (isModel) kept.push(path, journal);
      else await nodeDisk.remove(journal);
      return counts;
    },
    async writeRecords(_stage, _file, records) {
      const lines: string[] = [];
      for await (const record of records) lines.push(`${JSON.stringify(record)}\n`);
      if (lines.length === 0) throw new SipfError('nothing-left', nothing ?? 'Expected records, got none.');
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

/** A model on a command line, named by its paths. `backend` null: a stage without a model. */
export function fileModels(backend: Backend | null): Models {
  const given = () => {
    if (backend === null) throw new Error('Expected a backend for a stage with a model.');
    return backend;
  };
  return modelsNamed(given, {
    source: ({ model, adapter }) => (adapter === null ? { model } : { model, adapter }),
    checkpoint: ({ model, adapter = null }, hash) => ({ model, adapter, hash }),
  });
}
