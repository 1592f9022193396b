// The scoring options of `sipf score` -> its configuration and an open scorer, as the loop would have it. Leaves scoring to score.ts and score-samples.ts.
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { Backend, ModelSource, Policy, ProcessRewardModel } from '../../backend.ts';
import type { Config } from '../../config/schema.ts';
import { messageOf, SipfError } from '../../errors.ts';
import { check } from '../../io/check.ts';
import { METHODS } from '../../method/methods.ts';
import type { BuildPrompt } from '../../method/prompt.ts';
import type { Scorer } from '../../method/score.ts';
import { StepCalibration } from '../../method/step-calibration.ts';
import { fewSteps, fitCalibration, type Labelled } from '../../pipeline/calibrate.ts';
import type { StepScores } from '../../records.ts';
import type { Split } from '../../task.ts';
import type { ExecutionOptions } from '../options.ts';
import { readSettings, type SettingsOptions } from '../settings.ts';
import type { Terminal } from '../terminal.ts';
import { openStageOf, type Stage } from './stage.ts';

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

/** A stage of the configured task and prompt, and the name of the configured scorer. */
export interface ScoreStage extends Stage {
  readonly kind: StepScores['scorer'];
}

/** The task is gsm8k where nothing names another. */
export async function openScoreStage(command: Command, options: ScorerOptions): Promise<ScoreStage> {
  const { scorer, task, data, prm, model, adapter } = options;
  const named = options.preset !== undefined || options.config !== undefined;
  const own = { 'task.name': task, 'task.data': data, 'score.scorer': scorer === 'outcome' ? undefined : scorer };
  const config = await readSettings(command, options, own, named ? null : { 'task.name': 'gsm8k' });
  const kind = scorer ?? scorerOf(config);
  // A chat template is the policy's, else the PRM's, which was trained from one.
  const template = {
    model: model ?? prm ?? '',
    adapter: model === undefined || kind === 'logprob' ? adapter : undefined,
  };
  return { ...openStageOf({ ...config, model: template.model, adapter: template.adapter ?? null }), kind };
}

function scorerOf({ method, score }: Config): StepScores['scorer'] {
  return METHODS[method].feedback === 'outcome' ? 'outcome' : score.scorer;
}

export interface OpenScorer extends AsyncDisposable {
  readonly scorer: Scorer;
  /** What tells this scorer from another: part of the journal's inputs. */
  readonly name: readonly unknown[];
}

export interface OpenScorerArgs {
  readonly backend: Backend;
  readonly stage: ScoreStage;
  readonly prompt: BuildPrompt;
  readonly options: ScorerOptions;
  /** Labelled paths to weigh a PRM against log-probabilities with, where no --calibration is given; null: none. */
  readonly labelled: readonly Labelled[] | null;
}

/** Opens what scores. Throws SipfError 'bad-input' naming the option that is missing. */
export async function openScorer(args: OpenScorerArgs, terminal: Terminal): Promise<OpenScorer> {
  const { backend, options } = args;
  const { kind } = args.stage;
  if (kind === 'tallies' || kind === 'oracle' || kind === 'outcome')
    return { scorer: { kind }, name: [kind], [Symbol.asyncDispose]: async () => {} };
  const { model, prm, adapter } = options;
  if (kind === 'logprob') {
    const policy = await backend.openPolicy(sourceOf('model', model, kind, adapter));
    return { scorer: { kind, policy }, name: [kind, policy.hash], ...closing(policy) };
  }
  const read = kind === 'prm-logprob' ? await readCalibration(args) : null;
  const policySource = kind === 'prm-logprob' ? sourceOf('model', model, kind) : null;
  const opened = await backend.openPrm(sourceOf('prm', prm, kind, adapter));
  if (policySource === null || kind === 'prm')
    return { scorer: { kind: 'prm', prm: opened }, name: [kind, opened.hash], ...closing(opened) };
  try {
    const policy = await backend.openPolicy(policySource);
    const calibration = read ?? (await fitWeights(args, { prm: opened, policy }, terminal));
    const name = [kind, opened.hash, policy.hash, calibration];
    return { scorer: { kind, prm: opened, policy, calibration }, name, ...closing(opened, policy) };
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
}

function closing(...models: readonly AsyncDisposable[]): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      for (const model of models) await model[Symbol.asyncDispose]();
    },
  };
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

/** null: there are labels to fit it on. */
async function readCalibration({ options, labelled }: OpenScorerArgs): Promise<StepCalibration | null> {
  const { calibration: path } = options;
  if (path === undefined) {
    if (labelled !== null) return null;
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

async function fitWeights(
  { stage, prompt, labelled }: OpenScorerArgs,
  models: { readonly prm: ProcessRewardModel; readonly policy: Policy },
  terminal: Terminal,
): Promise<StepCalibration> {
  const { task, config } = stage;
  const { heldOut, ...rule } = config.labels;
  const context = { ...models, task, prompt, signal: terminal.signal, rule, heldOut, unit: config.score.unit };
  const { calibration } = await fitCalibration(labelled ?? [], context);
  const warning = fewSteps(calibration);
  if (warning !== null) terminal.warn(warning);
  terminal.log(`Weights (--calibration takes them): ${JSON.stringify(calibration)}`);
  return calibration;
}
