// The options of sipf score -> its configuration, its scorer, and the models and weights of that.
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { Config } from '../../config/schema.ts';
import { messageOf, SipfError } from '../../errors.ts';
import { check } from '../../io/check.ts';
import { METHODS, scorerOf } from '../../method/methods.ts';
import { ScoreCalibration } from '../../method/score-calibration.ts';
import { isConfiguredScorer, type ScorerName, scorerNeeds } from '../../method/scorers.ts';
import type { ModelSource } from '../../records.ts';
import type { Split } from '../../task.ts';
import type { ExecutionOptions } from '../options.ts';
import { readSettings, type SettingsOptions } from '../settings.ts';

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

interface ScoreConfig {
  readonly config: Config;
  readonly kind: ScorerName;
}

/** The task is gsm8k where nothing names another. */
export async function scoreConfig(command: Command, options: ScorerOptions): Promise<ScoreConfig> {
  const { scorer, task, data, prm, model, adapter } = options;
  const named = options.preset !== undefined || options.config !== undefined;
  const configured = scorer !== undefined && isConfiguredScorer(scorer) ? scorer : undefined;
  const own = { 'task.name': task, 'task.data': data, 'score.scorer': configured };
  const config = await readSettings(command, options, own, named ? null : { 'task.name': 'gsm8k' });
  const kind = scorer ?? scorerOf(METHODS[config.method], config.score.scorer) ?? config.score.scorer;
  // A chat template is the policy's, else the PRM's, which was trained from one.
  const template = {
    model: model ?? prm ?? '',
    adapter: (model === undefined || !scorerNeeds(kind, 'prm') ? adapter : undefined) ?? null,
  };
  return { config: { ...config, ...template }, kind };
}

interface ScorerModels {
  readonly prm: ModelSource | null;
  readonly policy: ModelSource | null;
}

/**
 * The models that a scorer reads.
 * @throws SipfError 'bad-input' where the option that names one is missing.
 */
export function scorerModels(kind: ScorerName, { model, prm, adapter }: ScorerOptions): ScorerModels {
  const readsPrm = scorerNeeds(kind, 'prm');
  return {
    // An adapter is the PRM's, where there is one.
    policy: scorerNeeds(kind, 'policy') ? sourceOf('model', model, kind, readsPrm ? undefined : adapter) : null,
    prm: readsPrm ? sourceOf('prm', prm, kind, adapter) : null,
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

/**
 * The weights of a scorer that needs some; null: it needs none, or there are labels to fit them on.
 * @throws SipfError 'bad-input' where there is none, or its file is none.
 */
export async function readCalibration(
  kind: ScorerName,
  path: string | undefined,
  labelled: boolean,
): Promise<ScoreCalibration | null> {
  if (!scorerNeeds(kind, 'calibration')) return null;
  if (path === undefined) {
    if (labelled) return null;
    throw missing("--calibration (a run's 4-calibration.json; with --samples also --labels, to fit it on)", kind);
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
