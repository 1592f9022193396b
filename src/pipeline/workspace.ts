// What a stage works on, and where: a run directory and files are two workspaces of one stage.
import type { Backend, Policy, ProcessRewardModel } from '../backend.ts';
import type { Config } from '../config/schema.ts';
import { canonicalHash, shareHeldOut } from '../hashing.ts';
import type { Method, Needs } from '../method/methods.ts';
import type { Probe } from '../method/probe.ts';
import type { BuildPrompt } from '../method/prompt.ts';
import type { ScoreCalibration } from '../method/score-calibration.ts';
import type { ScorerName } from '../method/scorers.ts';
import type { Checkpoint, ModelSource, PreferencePair, Question, Sample, StepLabels, StepScores } from '../records.ts';
import type { Counts, Trained } from '../reports.ts';
import type { StageName } from '../run/marker.ts';
import type { Run } from '../run/run.ts';
import type { Shot, Task } from '../task.ts';

/** The records that stages hand to each other, by the stage that writes them. */
export type RecordsName = '1-samples' | '2-step-labels' | '4-scores' | '5-pairs';

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

export interface Records {
  /** Every question in order, with its records; empty lists where there are none. */
  groups(want: Want): AsyncIterable<Group>;
  pairs(k: number): Promise<readonly PreferencePair[]>;
  /** Hashes of one stage's records of rounds 1 .. `k`. */
  hashes(name: RecordsName, k: number): Promise<readonly string[]>;
  hash(name: RecordsName, k: number): Promise<string | null>;
}

/** Opens models by the names that records have for them. */
export interface Models extends Pick<Backend, 'train'> {
  source(checkpoint: Checkpoint): ModelSource;
  checkpoint(source: ModelSource, hash: string): Checkpoint;
  openPolicy(checkpoint: Checkpoint): Promise<Policy>;
  openPrm(checkpoint: Checkpoint): Promise<ProcessRewardModel>;
}

/** Models of a backend, under a workspace's names for them. */
export function modelsNamed(backend: () => Backend, names: Pick<Models, 'source' | 'checkpoint'>): Models {
  return {
    ...names,
    openPolicy: (checkpoint) => backend().openPolicy(names.source(checkpoint)),
    openPrm: (checkpoint) => backend().openPrm(names.source(checkpoint)),
    train: (job, onStep, options) => backend().train(job, onStep, options),
  };
}

/** Keeps what stages write, and listens to them. */
export type Store = Pick<
  Run,
  'signal' | 'path' | 'nameOf' | 'once' | 'collect' | 'writeRecords' | 'writeJson' | 'onProgress' | 'log' | 'warn'
>;

/** Where stages read and write: a run directory, or the files of a command line. */
export interface Workspace {
  readonly store: Store;
  readonly records: Records;
  readonly models: Models;
}

/** What all stages of a run, or of a command, share. */
export interface Shared extends Workspace {
  /** `labels.heldOut` is the share that holds out a question: see `settled`. */
  readonly config: Config;
  readonly method: Method;
  readonly task: Task;
  readonly prompt: BuildPrompt;
  /** What the simulator reads: its own chat template, where prompts are a chat. */
  readonly simulatorPrompt: BuildPrompt;
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
}

export interface Work extends Shared {
  readonly k: number;
  /** M_(k-1); where a command's model stands, it takes all three places. */
  readonly policy: Checkpoint;
  readonly base: Checkpoint;
  readonly sft: Checkpoint;
  /** The process reward model of the round before; null: none was trained. */
  readonly earlierPrm: Checkpoint | null;
  readonly found: Found;
}

/** What the stages of a round hand to the next ones, and what they counted and cost. */
export interface Found {
  readonly counts: Record<string, Counts>;
  prm: Trained | null;
  calibration: ScoreCalibration | null;
  probe: Probe | null;
  trained: Trained | null;
  /** Of the first and of the last optimizer step, where this process has trained. */
  losses: readonly (number | null)[];
}

export function stageOf(iteration: number, name: string): StageName {
  return { folder: `iteration-${iteration}`, name, iteration };
}

/** Where the control trains. */
export const CONTROL: StageName = { folder: 'final', name: 'continued-sft', iteration: 0 };

/** The configuration with `labels.heldOut` as it holds out some of these questions, however few they are. */
export function settled(config: Config, questions: readonly Question[]): Config {
  const ids = questions.map(({ id }) => id);
  return { ...config, labels: { ...config.labels, heldOut: shareHeldOut(ids, config.labels.heldOut) } };
}

/** What names the questions, the prompt before them, and how answers to them are graded. */
export function dataHash(
  { config, task, questions }: Pick<Shared, 'config' | 'task' | 'questions'>,
  shots: readonly Shot[],
): string {
  const runsPrograms = (task.members ?? [task]).some(({ gradedBy }) => gradedBy === 'tests');
  const grading = runsPrograms ? { sandbox: config.sandbox } : {};
  return canonicalHash({ questions, prompt: config.prompt, shots, task: task.name, ...grading });
}
