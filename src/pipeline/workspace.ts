// What a stage works on and where: a run directory and the files of a command line are two workspaces of the same stages.
import type { z } from 'zod';
import type { Policy, ProcessRewardModel, TrainJob, TrainResult } from '../backend.ts';
import type { Config } from '../config/schema.ts';
import { canonicalJson, sha256, shareHeldOut } from '../hashing.ts';
import type { Method, Needs } from '../method/methods.ts';
import type { BuildPrompt } from '../method/prompt.ts';
import type { ScoreCalibration } from '../method/score-calibration.ts';
import type { ScorerName } from '../method/scorers.ts';
import type { ModelSource } from '../records.ts';
import { type Checkpoint, PreferencePair, type Question, Sample, StepLabels, StepScores } from '../records.ts';
import type { Counts, Trained } from '../reports.ts';
import type { UnitWork } from '../run/collect.ts';
import type { StageName } from '../run/marker.ts';
import type { StageOutput } from '../run/units.ts';
import type { Shot, Task } from '../task.ts';

/** The records that stages hand to each other, by the stage that writes them. */
export const RECORDS = {
  '1-samples': Sample,
  '2-step-labels': StepLabels,
  '4-scores': StepScores,
  '5-pairs': PreferencePair,
};
export type RecordsName = keyof typeof RECORDS;

/** A question with its records. */
export interface Group {
  readonly question: Question;
  readonly samples: readonly Sample[];
  readonly labels: readonly StepLabels[];
  readonly scores: readonly StepScores[];
}

/** Which records to read: samples of the rounds `from` .. `to`, labels of the same rounds, scores of round `to`. */
export interface Want {
  readonly from?: number;
  readonly to: number;
  readonly labels?: boolean;
  readonly scores?: boolean;
}

export type Inputs = Readonly<Record<string, unknown>>;

/** A stage's place in a workspace, and all that it depends on: options, hashes of records and models. */
export interface Place {
  readonly stage: StageName;
  readonly inputs: Inputs;
}

/** Something that runs once. */
export interface OnceWork<R> extends Place {
  /** File or folder names in the stage's folder. */
  readonly outputs: readonly string[];
  readonly result: z.ZodType<R>;
  readonly body: () => Promise<R>;
}

export interface WholeWork extends Place {
  readonly all: () => Promise<StageOutput<unknown>>;
  /** What a person should know where no record came of it and no later stage will say so. */
  readonly nothing: () => string;
}

export interface Prepared<R> {
  readonly records: readonly R[];
  readonly counts: Counts;
}

/** What a training gave, before a workspace names the model. */
export interface Training {
  readonly result: TrainResult;
  readonly examples: number;
  readonly counts: Counts;
}

export interface TrainWork extends Place {
  /** Folder in the stage's folder. */
  readonly output: string;
  /** Trains into the folder `out`. */
  readonly body: (out: string) => Promise<Training>;
}

/** Where stages read and write. Names, journals and markers are its own business. */
export interface Workspace {
  readonly signal: AbortSignal | undefined;
  /** Every question in order, with its records; empty lists where there are none. */
  groups(want: Want): AsyncIterable<Group>;
  /** The pairs of round `k`. */
  pairs(k: number): Promise<readonly PreferencePair[]>;
  /** Hashes of one stage's records of rounds 1 .. `k`. */
  hashes(name: RecordsName, k: number): Promise<readonly string[]>;
  /** Hash of one stage's records of round `k`. */
  hash(name: RecordsName, k: number): Promise<string | null>;

  source(checkpoint: Checkpoint): ModelSource;
  openPolicy(checkpoint: Checkpoint): Promise<Policy>;
  openPrm(checkpoint: Checkpoint): Promise<ProcessRewardModel>;
  /** Trains in the middle of `train`. `rows`: counts of what it trains on. */
  runTraining(job: TrainJob, stage: StageName, rows: Counts): Promise<TrainResult>;

  /** Runs units of work, each kept as soon as it is done, and writes their records. Returns the summed counts. */
  collect<U, C extends AsyncDisposable>(work: UnitWork<U, C> & Place): Promise<Counts>;
  /** The same for numbers on the way to a stage's output, which are read back. */
  prepare<U, C extends AsyncDisposable, R>(work: UnitWork<U, C> & Place, schema: z.ZodType<R>): Promise<Prepared<R>>;
  /** Writes records that come all at once. Returns what was counted. */
  write(work: WholeWork): Promise<Counts>;
  train(work: TrainWork): Promise<Trained>;
  once<R>(work: OnceWork<R>): Promise<R>;
  writeJson(stage: StageName, file: string, value: unknown): Promise<void>;
  warn(message: string, stage?: StageName): void;
  /** A stage's name in messages. */
  nameOf(stage: StageName): string;
}

/** What all stages of a run, or of a command, share. */
export interface Shared {
  /** `labels.heldOut` is the share that holds out a question: see `settled`. */
  readonly config: Config;
  readonly method: Method;
  readonly task: Task;
  readonly prompt: BuildPrompt;
  /** In order, without those that the prompt shows as worked examples. */
  readonly questions: readonly Question[];
  /** Hash of the questions and of the prompt format: part of every stage's inputs. */
  readonly data: string;
  /** null: the method scores nothing. */
  readonly scorer: ScorerName | null;
  /** What that scorer needs to be computed first. */
  readonly need: Needs;
  /** Score every path; false: those whose scores a later stage reads. */
  readonly scoresAll: boolean;
  /** Helper models; null: the policy itself. */
  readonly simulator: Checkpoint | null;
  readonly verifier: Checkpoint | null;
  readonly space: Workspace;
}

/** One round of stages. */
export interface Work extends Shared {
  readonly k: number;
  /** M_(k-1); where a command's model stands, it takes all three places. */
  readonly policy: Checkpoint;
  readonly base: Checkpoint;
  readonly sft: Checkpoint;
  readonly found: Found;
}

/** What the stages of a round hand to the next ones, and what they counted and cost. */
export interface Found {
  readonly counts: Record<string, Counts>;
  prm: Pick<Trained, 'checkpoint' | 'trainTokens'> | null;
  calibration: ScoreCalibration | null;
  /** The next policy. */
  trained: Trained | null;
}

export function stageOf(iteration: number, name: string): StageName {
  return { folder: `iteration-${iteration}`, name, iteration };
}

/** The configuration with `labels.heldOut` as it holds out some of these questions, however few they are. */
export function settled(config: Config, questions: readonly Question[]): Config {
  const ids = questions.map(({ id }) => id);
  return { ...config, labels: { ...config.labels, heldOut: shareHeldOut(ids, config.labels.heldOut) } };
}

interface DataArgs {
  readonly config: Config;
  readonly task: Task;
  readonly questions: readonly Question[];
  readonly shots: readonly Shot[];
}

/** What names the questions, the prompt before them, and how answers to them are graded. */
export function dataHash({ config, task, questions, shots }: DataArgs): string {
  const runsPrograms = (task.members ?? [task]).some(({ gradedBy }) => gradedBy === 'tests');
  const grading = runsPrograms ? { sandbox: config.sandbox } : {};
  return sha256(canonicalJson({ questions, prompt: config.prompt, shots, task: task.name, ...grading }));
}
