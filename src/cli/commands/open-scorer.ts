// The scoring options of `sipf score` -> its configuration and an open scorer, as the loop would have it. Leaves scoring to score.ts and score-samples.ts.
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { Backend, Policy, ProcessRewardModel } from '../../backend.ts';
import { messageOf, SipfError } from '../../errors.ts';
import { check } from '../../io/jsonl.ts';
import { METHODS, scorerOf } from '../../method/methods.ts';
import type { BuildPrompt } from '../../method/prompt.ts';
import { calibrateScores, fewSteps, ScoreCalibration } from '../../method/score-calibration.ts';
import { isConfiguredScorer, openScorer, type Scorer, type ScorerName, scorerNeeds } from '../../method/scorers.ts';
import type { LabelledQuestion } from '../../method/step-labels.ts';
import type { ModelSource } from '../../records.ts';
import type { Split } from '../../task.ts';
import type { ExecutionOptions } from '../options.ts';
import { readSettings, type SettingsOptions } from '../settings.ts';
import type { Terminal } from '../terminal.ts';
import { openStageOf, type Stage } from './stage.ts';

export interface ScorerOptions extends SettingsOptions, ExecutionOptions {
  readonly scorer?: ScorerName;
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
  readonly kind: ScorerName;
}

/** The task is gsm8k where nothing names another. */
export async function openScoreStage(command: Command, options: ScorerOptions): Promise<ScoreStage> {
  const { scorer, task, data, prm, model, adapter } = options;
  const named = options.preset !== undefined || options.config !== undefined;
  const own = {
    'task.name': task,
    'task.data': data,
    'score.scorer': scorer !== undefined && isConfiguredScorer(scorer) ? scorer : undefined,
  };
  const config = await readSettings(command, options, own, named ? null : { 'task.name': 'gsm8k' });
  const kind = scorer ?? scorerOf(METHODS[config.method], config.score.scorer) ?? config.score.scorer;
  // A chat template is the policy's, else the PRM's, which was trained from one.
  const template = {
    model: model ?? prm ?? '',
    adapter: model === undefined || !scorerNeeds(kind, 'prm') ? adapter : undefined,
  };
  return { ...openStageOf({ ...config, model: template.model, adapter: template.adapter ?? null }), kind };
}

export interface OpenScorerArgs {
  readonly backend: Backend;
  readonly stage: ScoreStage;
  readonly prompt: BuildPrompt;
  readonly options: ScorerOptions;
  /** Labelled paths to calibrate scores with, where no --calibration is given; null: none. */
  readonly labelled: readonly LabelledQuestion[] | null;
}

/** Opens the scorer of --scorer with the models that the options name. Throws SipfError 'bad-input' naming the option that is missing. */
export async function openNamedScorer(args: OpenScorerArgs, terminal: Terminal): Promise<Scorer> {
  const { backend, options } = args;
  const { kind } = args.stage;
  const { model, prm, adapter } = options;
  const read = scorerNeeds(kind, 'calibration') ? await readCalibration(args) : null;
  // An adapter is the PRM's, where there is one.
  const policySource = scorerNeeds(kind, 'policy')
    ? sourceOf('model', model, kind, scorerNeeds(kind, 'prm') ? undefined : adapter)
    : null;
  const prmSource = scorerNeeds(kind, 'prm') ? sourceOf('prm', prm, kind, adapter) : null;
  return openScorer(kind, {
    prm: prmSource === null ? undefined : () => backend.openPrm(prmSource),
    policy: policySource === null ? undefined : () => backend.openPolicy(policySource),
    calibration: async (models) => read ?? (await calibrate(args, models, terminal)),
  });
}

/** What tells one scorer from another: part of the journal's inputs. */
export function nameOf({ name, models, calibration }: Scorer): readonly unknown[] {
  return [name, ...models.map(({ hash }) => hash), ...(calibration === null ? [] : [calibration])];
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

/** null: there are labels to calibrate with. */
async function readCalibration({ options, labelled }: OpenScorerArgs): Promise<ScoreCalibration | null> {
  const { calibration: path } = options;
  if (path === undefined) {
    if (labelled !== null) return null;
    throw missing(
      "--calibration (a run's 4-calibration.json; with --samples also --labels, to fit it on)",
      'prm-logprob',
    );
  }
  try {
    return check(ScoreCalibration, JSON.parse(await readFile(path, 'utf8')), path);
  } catch (cause) {
    if (cause instanceof SipfError) throw cause;
    throw new SipfError(
      'bad-input',
      `Expected weights (a run's 4-calibration.json) in ${path}, got: ${messageOf(cause)}. Check the path of --calibration.`,
      { cause },
    );
  }
}

async function calibrate(
  { stage, prompt, labelled }: OpenScorerArgs,
  models: { readonly prm: ProcessRewardModel; readonly policy: Policy },
  terminal: Terminal,
): Promise<ScoreCalibration> {
  const { task, config } = stage;
  const { heldOut, ...rule } = config.labels;
  const context = { ...models, task, prompt, signal: terminal.signal, rule, heldOut, unit: config.score.unit };
  const { calibration } = await calibrateScores(labelled ?? [], context);
  const warning = fewSteps(calibration);
  if (warning !== null) terminal.warn(warning);
  terminal.log(`Weights (--calibration takes them): ${JSON.stringify(calibration)}`);
  return calibration;
}
