// A run directory -> what happened there, for people and dashboards. It only reads.
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { parseConfig } from '../config/load.ts';
import { absoluteFrom } from '../config/paths.ts';
import type { Config } from '../config/schema.ts';
import { SipfError } from '../errors.ts';
import { readTextFile } from '../io/file-bytes.ts';
import { readRecords } from '../io/jsonl.ts';
import { METHODS, roundsOf } from '../method/methods.ts';
import { latestLabels } from '../method/step-labels.ts';
import { Answer, PreferencePair, Question, Sample, StepLabels, type StepScores } from '../records.ts';
import { EvalReport, FinalReport, Trained } from '../reports.ts';
import { stageSeconds } from '../run/events.ts';
import { parseJson, readJson } from '../run/marker.ts';
import { isRun, noRunAt, StoredConfig } from '../run/no-run.ts';
import { addressBelow } from '../storage/address.ts';
import { openStorage } from '../storage/storage.ts';
import { RecordReader } from './run-index/read-records.ts';
import { RunIndex } from './run-index/run-index.ts';

/** One row of the table of rounds. Parts are null where that stage has not run (yet). */
export interface RoundSummary {
  readonly iteration: number;
  readonly report: EvalReport | null;
  readonly policy: Trained | null;
  readonly prm: Trained | null;
  readonly stages: readonly string[];
  /** Seconds between the first start and the last end in events.jsonl; null where unknown. */
  readonly seconds: number | null;
}

/** One question of one round with all its paths so far. */
export interface QuestionView {
  readonly question: Question;
  readonly paths: readonly {
    readonly sample: Sample;
    readonly labels: StepLabels | null;
    readonly scores: StepScores | null;
  }[];
  readonly pairs: readonly PreferencePair[];
}

export interface RunView {
  readonly dir: string;
  /** Local paths made absolute. */
  readonly config: Config;
  readonly versions: Readonly<Record<string, string>>;
  readonly finished: boolean;
  readonly rounds: readonly RoundSummary[];
  readonly final: FinalReport | null;
  /** What is wrong with lines of its record files, each with its place. `question` and `questionIds` pass over them. */
  faults(): Promise<readonly string[]>;
  /** Question ids that have paths in round `k`, in order. */
  questionIds(k: number): Promise<string[]>;
  /** null: no such question. */
  question(k: number, id: string): Promise<QuestionView | null>;
  /** The train questions, in order. */
  questions(): AsyncIterable<Question>;
  /** New paths of round `k`, and new labels. */
  samples(k: number): AsyncIterable<Sample>;
  labels(k: number): AsyncIterable<StepLabels>;
  pairs(k: number): AsyncIterable<PreferencePair>;
  /** Greedy answers of round `k`'s evaluation. */
  answers(k: number): AsyncIterable<Answer>;
  /** Greedy answers of a policy of the final evaluation. */
  finalAnswers(policy: FinalReport['rows'][number]['name']): AsyncIterable<Answer>;
}

/**
 * The configuration of an existing run with its local paths made absolute; null where `dir` holds no run.
 * @throws SipfError 'bad-config' naming the file and each key that another version had.
 * @example
 * const config = await configOfRun('runs/first');
 */
export async function configOfRun(dir: string): Promise<Config | null> {
  const stored = await readJson(join(dir, 'config.json'), StoredConfig);
  return stored === null ? null : configIn(dir, stored);
}

/**
 * The configuration of the run that a storage has, for the run directory `dir`; null: no run is there.
 * @throws SipfError as `configOfRun` does, and of the storage.
 */
export async function configOfStorage(address: string, dir: string): Promise<Config | null> {
  using storage = await openStorage(address);
  const text = await storage.readText('config.json');
  return text === null ? null : configIn(dir, parseJson(text, StoredConfig, addressBelow(address, 'config.json')));
}

function configIn(dir: string, { config, engine }: z.infer<typeof StoredConfig>): Config {
  try {
    return absoluteFrom(resolve(dir), parseConfig({ ...config, engine }));
  } catch (cause) {
    if (!(cause instanceof SipfError)) throw cause;
    const place = join(dir, 'config.json');
    throw new SipfError(cause.code, `${place} does not fit this version of sipf. ${cause.message}`, { cause });
  }
}

/**
 * Reads a run, finished or not.
 * @throws SipfError 'not-found' where there is none; 'bad-config' naming the file and each key that another version had.
 * @example
 * const run = await readRun('runs/first');
 * for await (const { chosen, rejected } of run.pairs(1)) console.log(chosen.steps, rejected);
 */
export async function readRun(dir: string): Promise<RunView> {
  return readTimedRun(dir, stageSeconds((await readTextFile(join(dir, 'events.jsonl'))) ?? ''));
}

/**
 * As `readRun`, for who has read the events. `stages`: seconds by `iteration/stage`.
 * @throws SipfError as `readRun` does.
 */
export async function readTimedRun(dir: string, stages: ReadonlyMap<string, number>): Promise<RunView> {
  const stored = (await isRun(dir)) ? await readJson(join(dir, 'config.json'), StoredConfig) : null;
  if (stored === null) throw await noRunAt(dir);
  const config = configIn(dir, stored);
  const seconds = secondsByIteration(stages);
  const rounds: RoundSummary[] = [];
  for (let k = 0; existsSync(join(dir, `iteration-${k}`)); k += 1)
    rounds.push(await summary(dir, k, seconds.get(k) ?? null));
  const final = await readJson(join(dir, 'final', 'eval.json'), FinalReport);
  const expected = roundsOf(METHODS[config.method], config.iterations);
  const index = openedOnce(dir, config);
  const graded = rounds.length > expected && rounds[expected]?.report !== null;
  return {
    dir,
    config,
    versions: stored.versions,
    finished: graded && (final !== null || config.evaluate.final.length === 0),
    rounds,
    final,
    faults: async () => (await index()).faults,
    questionIds: async (k) => questionIds(await index(), k),
    question: async (k, id) => questionView(await index(), k, id),
    questions: () => recordsIn(dir, 0, '0-questions.jsonl', Question),
    samples: (k) => recordsIn(dir, k, '1-samples.jsonl', Sample),
    labels: (k) => recordsIn(dir, k, '2-step-labels.jsonl', StepLabels),
    pairs: (k) => recordsIn(dir, k, '5-pairs.jsonl', PreferencePair),
    answers: (k) => recordsIn(dir, k, '7-answers.jsonl', Answer),
    finalAnswers: (policy) => recordsAt(join(dir, 'final', `${policy}-answers.jsonl`), Answer),
  };
}

async function summary(dir: string, k: number, seconds: number | null): Promise<RoundSummary> {
  const folder = join(dir, `iteration-${k}`);
  const names = await readdir(join(folder, 'done')).catch(() => []);
  const stages = names
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length))
    .sort();
  const trained = async (name: string) =>
    (await readJson(join(folder, 'done', `${name}.json`), z.object({ result: Trained })))?.result ?? null;
  return {
    iteration: k,
    report: await readJson(join(folder, '7-eval.json'), EvalReport),
    policy: await trained('6-policy'),
    prm: await trained('3-prm'),
    stages,
    seconds,
  };
}

/** The index of a run's records, made when it is asked for first. */
function openedOnce(dir: string, config: Config): () => Promise<RunIndex> {
  let opened: Promise<RunIndex> | null = null;
  const open = async (): Promise<RunIndex> => {
    const index = new RunIndex(dir, config);
    await index.refresh();
    return index;
  };
  return () => {
    opened ??= open();
    return opened;
  };
}

function questionIds(index: RunIndex, k: number): string[] {
  const { length, values } = index.fileOf('1-samples', k)?.places.question ?? { length: 0, values: [] };
  return [...new Set(values.slice(0, length))].map((question) => index.tables.questions.text(question));
}

function questionView(index: RunIndex, k: number, id: string): QuestionView | null {
  const number = index.tables.questions.find(id);
  using reader = new RecordReader(index);
  const group = reader.group(number, k);
  if (group === null) return null;
  const labels = latestLabels(group.labels);
  const scores = new Map(group.scores.map((record) => [record.sampleId, record]));
  const paths = group.samples.map((sample) => ({
    sample,
    labels: labels.get(sample.id) ?? null,
    scores: scores.get(sample.id) ?? null,
  }));
  return { question: group.question, paths, pairs: reader.pairs(k, number).map(({ pair }) => pair) };
}

/** Records of a file of round `k`; none where that stage has not run. */
function recordsIn<T>(dir: string, k: number, file: string, schema: z.ZodType<T>): AsyncGenerator<T> {
  return recordsAt(join(dir, `iteration-${k}`, file), schema);
}

async function* recordsAt<T>(path: string, schema: z.ZodType<T>): AsyncGenerator<T> {
  if (existsSync(path)) yield* readRecords(path, schema);
}

/** Time spent in stages, by round. The control and the final evaluation are no round's: their stages have no number. */
function secondsByIteration(stages: ReadonlyMap<string, number>): Map<number, number> {
  const spent = new Map<number, number>();
  for (const [key, seconds] of stages) {
    const iteration = /^(\d+)\/\d-/.exec(key)?.[1];
    if (iteration !== undefined) spent.set(Number(iteration), (spent.get(Number(iteration)) ?? 0) + seconds);
  }
  return spent;
}
