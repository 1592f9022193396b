// An experiment's name, a seed and an arm -> the configuration of that arm's run.

import { loadConfig } from '#sipf/config/load.js';
import type { Config, ConfigInput } from '#sipf/config/schema.js';
import { SipfError } from '#sipf/errors.js';

interface Experiment {
  readonly preset: string;
  /** Never used in tuning: a seed chooses the weights, the draws AND the problems (train, valid and test) of its runs. */
  readonly seeds: readonly number[];
  /** Settings were tuned on these, on their valid problems. */
  readonly tuningSeeds: readonly number[];
  /** Over the preset. */
  readonly settings: ConfigInput;
  /** Dotted keys over those, for single arms. */
  readonly armSettings: Partial<Record<ArmName, Readonly<Record<string, unknown>>>>;
}

/** The experiment on `mini` (docs/method.md, section 3, "An honest comparison"). Change its settings here and nowhere else. */
export const MINI_EXPERIMENT: Experiment = {
  preset: 'quickstart',
  seeds: [11, 12, 13],
  tuningSeeds: [0, 1, 2, 3],
  settings: {
    // One round with more samples and the labels of two: every arm's pairs come of the same paths, and the PRM sees twice the labels.
    iterations: 1,
    sampling: { questions: 3000 },
    labels: { paths: 2000 },
    // Optimizer tokens of each arm's alignment in each round: what makes the arms of column A equal.
    align: { train: { tokens: 400_000 } },
    evaluate: { sets: [{ split: 'valid', limit: 500 }], final: [{ split: 'test', limit: 4000 }] },
  },
  armSettings: {
    // Margins by the spread of each scorer within a question (seed 1): at the preset's 0.02 the PRM left 36 pairs in a round, at 0.002 700.
    sipf: { 'pairs.eta': 0.002 },
    'random-pairs': { 'pairs.eta': 0.002 },
    // Weighed with log-probabilities, scores spread as widely as the preset's margin expects.
    'prm-logprob': { 'pairs.eta': 0.02 },
    'prm-logprob-step': { 'pairs.eta': 0.02 },
    logprob: { 'pairs.eta': 0.01 },
  },
};

export const EXPERIMENTS = { mini: MINI_EXPERIMENT } as const;
export type ExperimentName = keyof typeof EXPERIMENTS;

/** What makes an arm what it is. All else is equal. */
const ARM_SETTINGS = {
  sipf: { method: 'sipf', 'score.scorer': 'prm' },
  'prm-logprob': { method: 'sipf', 'score.scorer': 'prm-logprob' },
  tallies: { method: 'sipf', 'score.scorer': 'tallies' },
  logprob: { method: 'sipf', 'score.scorer': 'logprob' },
  'random-pairs': { method: 'random-pairs', 'score.scorer': 'prm' },
  siof: { method: 'siof' },
  'online-rft': { method: 'online-rft' },
  'continued-sft': { method: 'continued-sft' },
  // An upper bound: path scores from the true correctness of each step.
  oracle: { method: 'sipf', 'score.scorer': 'oracle' },
  // Pairs that share their first steps, up to the first bad one; the loss is on what follows.
  'oracle-step': { method: 'sipf', 'score.scorer': 'oracle', 'pairs.kind': 'step' },
  'prm-logprob-step': { method: 'sipf', 'score.scorer': 'prm-logprob', 'pairs.kind': 'step' },
} as const satisfies Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export type ArmName = keyof typeof ARM_SETTINGS;
export const ARMS = Object.keys(ARM_SETTINGS) as ArmName[];
/** Arms that run only where they are named. */
const FURTHER_ARMS: readonly ArmName[] = ['oracle', 'oracle-step', 'prm-logprob-step'];
export const DEFAULT_ARMS: readonly ArmName[] = ARMS.filter((name) => !FURTHER_ARMS.includes(name));
/** Arms that are run once more at sipf's FLOPs by default. */
export const DEFAULT_FLOPS_ARMS: readonly ArmName[] = ['continued-sft', 'online-rft'];

interface ArmConfigArgs {
  readonly experiment: Experiment;
  /** `start`: the warm-up alone, which every arm shares. */
  readonly arm: ArmName | 'start';
  readonly seed: number;
  /** Dotted settings over the experiment's. */
  readonly flags?: Readonly<Record<string, unknown>>;
  /** Optimizer tokens a round; absent: the experiment's. */
  readonly tokens?: number | undefined;
}

/** @throws SipfError 'bad-config' where arms would not spend equal optimizer tokens or nothing would be graded on test. */
export async function armConfig({ experiment, arm, seed, flags = {}, tokens }: ArmConfigArgs): Promise<Config> {
  const config = await loadConfig({
    preset: experiment.preset,
    flags: {
      ...experiment.settings,
      ...(arm === 'start' ? {} : experiment.armSettings[arm]),
      ...flags,
      ...(arm === 'start' ? { method: 'sft' } : ARM_SETTINGS[arm]),
      ...(tokens === undefined ? {} : { 'align.train.tokens': Math.round(tokens) }),
      seed,
      'task.seed': seed,
      'evaluate.control': 'none',
    },
  });
  if (config.align.train.tokens === null) {
    throw new SipfError(
      'bad-config',
      'Expected align.train.tokens, so that every arm spends as many optimizer tokens a round, got none. Set it.',
    );
  }
  if (config.evaluate.final.length > 0) return config;
  throw new SipfError('bad-config', 'Expected a set in evaluate.final to grade the arms on, got none. Name one.');
}
