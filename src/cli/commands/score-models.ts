// The options of `sipf score` -> its configuration, the name of its scorer, and the models and weights that this one reads.
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { ModelSource } from '../../backend.ts';
import type { Config } from '../../config/schema.ts';
import { messageOf, SipfError } from '../../errors.ts';
import { check } from '../../io/jsonl.ts';
import { METHODS } from '../../method/methods.ts';
import { StepCalibration } from '../../method/step-calibration.ts';
import type { FileWorkspace } from '../../pipeline/file-workspace.ts';
import type { Checkpoint, StepScores } from '../../records.ts';
import type { Split } from '../../task.ts';
import type { ExecutionOptions } from '../options.ts';
import { readSettings, type SettingsOptions } from '../settings.ts';

export interface ScorerOptions extends SettingsOptions, ExecutionOptions {
  readonly scorer?: StepScores['scorer'];
  readonly prm?: string;
  readonly model?: string;
  readonly adapter?: string;
  readonly calibration?: string;
  readonly task?: string;
  readonly data?: string;
  readonly split?: Split;
  readonly questions?: string;
  readonly json?: boolean;
}

export interface ScoreConfig {
  readonly config: Config;
  readonly kind: StepScores['scorer'];
}

/** The task is gsm8k where nothing names another. */
export async function scoreConfig(command: Command, options: ScorerOptions): Promise<ScoreConfig> {
  const { scorer, task, data, prm, model, adapter } = options;
  const named = options.preset !== undefined || options.config !== undefined;
  const own = { 'task.name': task, 'task.data': data, 'score.scorer': scorer === 'outcome' ? undefined : scorer };
  const config = await readSettings(command, options, own, named ? null : { 'task.name': 'gsm8k' });
  const kind = scorer ?? scorerOf(config);
  // A chat template is the policy's, else the PRM's, which was trained from one.
  const template = {
    model: model ?? prm ?? '',
    adapter: (model === undefined || kind === 'logprob' ? adapter : undefined) ?? null,
  };
  return { config: { ...config, ...template }, kind };
}

function scorerOf({ method, score }: Config): StepScores['scorer'] {
  return METHODS[method].feedback === 'outcome' ? 'outcome' : score.scorer;
}

export interface Scoring {
  readonly scorer: StepScores['scorer'];
  readonly policy: Checkpoint | null;
  readonly prm: Checkpoint | null;
  readonly calibration: StepCalibration | null;
}

/** Opens what the scorer reads. Throws SipfError 'bad-input' naming the option that is missing. `labelled`: weights can be fitted. */
export async function openScoring(
  kind: StepScores['scorer'],
  { model, prm, adapter, calibration: path }: ScorerOptions,
  labelled: boolean,
  space: FileWorkspace,
): Promise<Scoring> {
  const none = { scorer: kind, policy: null, prm: null, calibration: null };
  if (kind === 'tallies' || kind === 'oracle' || kind === 'outcome') return none;
  if (kind === 'logprob') return { ...none, policy: await space.policyAt(sourceOf('model', model, kind, adapter)) };
  const calibration = kind === 'prm-logprob' ? await readCalibration(path, labelled) : null;
  const writer = kind === 'prm-logprob' ? sourceOf('model', model, kind) : null;
  const verifier = await space.prmAt(sourceOf('prm', prm, kind, adapter));
  return { scorer: kind, prm: verifier, policy: writer && (await space.policyAt(writer)), calibration };
}

function sourceOf(option: 'prm' | 'model', model: string | undefined, kind: string, adapter?: string): ModelSource {
  if (model === undefined) throw missing(`--${option}`, kind);
  return adapter === undefined ? { model } : { model, adapter };
}

/** What a scorer needs and did not get. */
export function missing(option: string, kind: string): SipfError {
  return new SipfError(
    'bad-input',
    `Expected ${option} for --scorer ${kind}, got none. Give it; sipf score --help has an example.`,
  );
}

async function readCalibration(path: string | undefined, labelled: boolean): Promise<StepCalibration | null> {
  if (path === undefined) {
    if (labelled) return null;
    throw missing(
      "--calibration (a run's 4-calibration.json; with --samples also --labels, to fit it on)",
      'prm-logprob',
    );
  }
  try {
    return check(StepCalibration, JSON.parse(await readFile(path, 'utf8')), path);
  } catch (cause) {
    if (cause instanceof SipfError) throw cause;
    throw new SipfError(
      'bad-input',
      `Expected weights (a run's 4-calibration.json) in ${path}, got: ${messageOf(cause)}. Check the path of --calibration.`,
      { cause },
    );
  }
}
