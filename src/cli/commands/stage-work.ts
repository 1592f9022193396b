// A command's configuration, questions and models -> the work of a stage, and a report of it.
import type { Config } from '../../config/schema.ts';
import { SipfError } from '../../errors.ts';
import { METHODS, methodIn, needs, scorerOf } from '../../method/methods.ts';
import type { Probe } from '../../method/probe.ts';
import type { BuildPrompt } from '../../method/prompt.ts';
import type { ScoreCalibration } from '../../method/score-calibration.ts';
import type { ScorerName } from '../../method/scorers.ts';
import type { Listener } from '../../pipeline/file-workspace.ts';
import type { Configured } from '../../pipeline/prompts.ts';
import { dataHash, settled, type Work, type Workspace } from '../../pipeline/workspace.ts';
import type { Checkpoint, Question } from '../../records.ts';
import { openSandbox } from '../../sandboxes/open.ts';
import type { Shot, Task } from '../../task.ts';
import { type OpenTasks, openTasks } from '../../tasks/index.ts';
import { progressLines } from '../progress.ts';
import type { Terminal } from '../terminal.ts';

/** Opens the task that a configuration names; disposing it disposes what the task holds. */
export function openConfigured(config: Config): Configured & AsyncDisposable {
  const tasks = openTasks({ sandbox: () => openSandbox(config.sandbox) });
  return {
    config,
    task: tasks.named(config.task.name),
    [Symbol.asyncDispose]: () => tasks[Symbol.asyncDispose](),
  };
}

/**
 * The task of a command that grades one at a time.
 * @throws SipfError 'unsupported' where it is a mixture.
 */
export function openOne(tasks: OpenTasks, name: string, command: string): Task {
  const task = tasks.named(name);
  if (task.members === undefined) return task;
  throw new SipfError(
    'unsupported',
    `Expected one task for sipf ${command}, got the mixture ${task.name}. Name its tasks one after the other.`,
  );
}

interface WorkArgs extends Configured, Workspace {
  /** All questions, and those that the prompt does not show. */
  readonly questions: readonly Question[];
  readonly asked: readonly Question[];
  readonly prompt: BuildPrompt;
  readonly shots: readonly Shot[];
  /** null: a stage without one. */
  readonly policy: Checkpoint | null;
  readonly k: number;
  /** Of the score stage; else as configured. */
  readonly scoring?: {
    readonly scorer: ScorerName;
    readonly prm: Checkpoint | null;
    readonly calibration: ScoreCalibration | null;
    readonly probe: Probe | null;
  };
}

/** A stage's work as a run has it in round `k`. */
export function workOf({ questions, asked, shots, scoring, ...given }: WorkArgs): Work {
  const config = settled(given.config, asked);
  const { task } = given;
  const policy = given.policy ?? { model: '', adapter: null, hash: '' };
  const method = methodIn(METHODS[config.method], given.k);
  const scorer = scoring?.scorer ?? scorerOf(method, config.score.scorer);
  return {
    ...given,
    config,
    method,
    questions: asked,
    data: dataHash({ config, task, questions }, shots),
    scorer,
    need: needs(scorer),
    simulatorPrompt: given.prompt,
    scoresAll: true,
    simulator: null,
    verifier: null,
    policy,
    base: policy,
    sft: policy,
    earlierPrm: null,
    found: {
      counts: {},
      prm: scoring?.prm
        ? { checkpoint: scoring.prm, steps: 0, trainTokens: 0, examples: 0, dropped: 0, counts: {} }
        : null,
      calibration: scoring?.calibration ?? null,
      probe: scoring?.probe ?? null,
      trained: null,
      losses: [],
    },
  };
}

/** A command as the listener of its stage: one line of progress. Disposing it ends that line. */
export function listenerOf(
  terminal: Terminal,
  title: string,
  describeRows?: Listener['describeRows'],
): Listener & Disposable {
  const { onProgress, end } = progressLines(terminal.progress, () => title);
  const { signal, log, warn } = terminal;
  return { signal, onProgress, log, warn, describeRows, [Symbol.dispose]: end };
}

/** What a stop leaves behind, for `resumes`. */
export const KEPT = 'Finished work is kept beside --out: the same command continues.';
export const CHECKPOINT = 'A checkpoint, where there is one, is kept in --out: the same command continues from it.';

/** Prints what came of a stage, in one line: with --json an object. */
export async function reportWork(
  { found }: Work,
  writes: string,
  { out, json }: { readonly out: string; readonly json?: boolean },
  terminal: Terminal,
): Promise<void> {
  const trained = found.trained ?? found.prm;
  const counts = found.counts[writes];
  if (counts !== undefined) {
    const words = Object.entries(counts).map(([name, value]) => `${name} ${String(value)}`);
    await terminal.print(json ? JSON.stringify({ out, counts }) : `${out}: ${words.join(', ')}`);
  } else if (trained !== null) {
    const { checkpoint, examples, dropped, steps, trainTokens: tokens } = trained;
    const [firstLoss = null, lastLoss = null] = found.losses;
    const row = { ...checkpoint, examples, dropped, steps, tokens, firstLoss, lastLoss };
    const loss = `loss ${firstLoss?.toFixed(4) ?? '-'} -> ${lastLoss?.toFixed(4) ?? '-'}`;
    const { adapter, model } = checkpoint;
    const line = `${adapter ?? model}: ${steps} optimizer steps on ${examples - dropped} rows, ${tokens} tokens, ${loss}`;
    await terminal.print(json ? JSON.stringify(row) : line);
  }
}
