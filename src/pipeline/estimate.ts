// Token counts and a configuration -> model FLOPs, and what a run will cost before it starts.
import type { ModelDescription } from '../backend.ts';
import type { Config } from '../config/schema.ts';
import { METHODS, needs, roundsOf, scorerOf } from '../method/methods.ts';
import { scorerNeeds } from '../method/scorers.ts';
import { stepsForTokens } from '../method/train-options.ts';
import { OBJECTIVES } from '../objectives/objectives.ts';
import type { TrainSettings } from '../train-settings.ts';

/** Tokens of one stage. `forward`: read or written without gradients; `train`: forward and backward. */
export interface TokenCost {
  readonly promptTokens: number;
  readonly generatedTokens: number;
  readonly scoredTokens: number;
  readonly trainTokens: number;
}

export const NO_COST: TokenCost = { promptTokens: 0, generatedTokens: 0, scoredTokens: 0, trainTokens: 0 };

export function addCosts(a: TokenCost, b: Partial<TokenCost>): TokenCost {
  return {
    promptTokens: a.promptTokens + (b.promptTokens ?? 0),
    generatedTokens: a.generatedTokens + (b.generatedTokens ?? 0),
    scoredTokens: a.scoredTokens + (b.scoredTokens ?? 0),
    trainTokens: a.trainTokens + (b.trainTokens ?? 0),
  };
}

/**
 * Model FLOPs: 2 a parameter for each token read or written, 6 for each trained (2 forward, 4 backward). With LoRA the frozen weights
 * need no weight gradients: 4. Attention over the context and the vocabulary's share of embeddings are left out.
 * @example
 * flopsOf({ promptTokens: 100, generatedTokens: 50, scoredTokens: 0, trainTokens: 0 }, 135e6, true); // 4.05e10
 */
export function flopsOf(cost: TokenCost, parameters: number, lora: boolean): number {
  const forward = cost.promptTokens + cost.generatedTokens + cost.scoredTokens;
  return parameters * (2 * forward + (lora ? 4 : 6) * cost.trainTokens);
}

/**
 * Optimizer tokens that cost as much as `flops`: the equal-FLOP budget of continued-sft.
 * @example
 * tokensForFlops(5.4e11, 135e6, true); // 1000
 */
export function tokensForFlops(flops: number, parameters: number, lora: boolean): number {
  return flops / (parameters * (lora ? 4 : 6));
}

/** Speeds from a short calibration. */
export interface Calibration {
  readonly generatedTokensPerSecond: number;
  readonly promptTokensPerSecond: number;
  readonly trainTokensPerSecond: number;
  /** Seconds until a text is graded, on average over many at a time: nothing for answers, a program's run for code. */
  readonly secondsPerGrade: number;
}

/** What a question and a path look like: measured on the data where possible, else these guesses, which the report names. */
export interface Typical {
  readonly promptTokens: number;
  readonly pathTokens: number;
  readonly stepsPerPath: number;
  /** Chance of a rollout to be right. */
  readonly pRight: number;
  /** Share of samples that are no duplicates. */
  readonly distinct: number;
  readonly trainQuestions: number;
  /** Train questions whose worked solutions are used. */
  readonly solvedQuestions: number;
  /** Parameters of the models that roll out and that a PRM is trained from, as a multiple of the policy's. */
  readonly simulatorSize: number;
  readonly verifierSize: number;
  readonly evalQuestions: number;
  readonly finalQuestions: number;
}

export const TYPICAL: Typical = {
  promptTokens: 60,
  pathTokens: 90,
  stepsPerPath: 4,
  pRight: 0.3,
  distinct: 0.8,
  trainQuestions: 1000,
  solvedQuestions: 1000,
  simulatorSize: 1,
  verifierSize: 1,
  evalQuestions: 500,
  finalQuestions: 1000,
};

export interface StageEstimate extends TokenCost {
  readonly stage: string;
  readonly iteration: number;
  readonly rollouts: number;
  /** Texts whose outcome is decided: samples, rollouts, answers. */
  readonly graded: number;
  readonly trainSteps: number;
  /** What it costs, as a multiple of the policy's cost for as many tokens: of a helper model, its size. */
  readonly size: number;
  /** null without a calibration. */
  readonly seconds: number | null;
}

export interface RunEstimate {
  readonly stages: readonly StageEstimate[];
  readonly total: TokenCost & {
    readonly rollouts: number;
    readonly trainSteps: number;
    readonly flops: number;
    readonly seconds: number | null;
  };
  /** Peak, in bytes. */
  readonly memoryBytes: number;
  readonly assumptions: Typical;
}

/**
 * Expected rollouts of one step scanned until its first success: (1 - (1-p)^K) / p.
 * @example
 * expectedRollouts(0.5, 2); // 1.5
 */
export function expectedRollouts(p: number, K: number): number {
  return p <= 0 ? K : (1 - (1 - p) ** K) / p;
}

/**
 * What a run will cost. Time only with a calibration.
 * @example
 * const { total } = estimate(config, await backend.describe({ model: './SmolLM2-135M' }));
 * console.log(total.rollouts, total.flops);
 */
export function estimate(
  config: Config,
  description: ModelDescription,
  calibration?: Calibration,
  measured: Partial<Typical> = {},
): RunEstimate {
  const typical: Typical = { ...TYPICAL, ...measured };
  const method = METHODS[config.method];
  const stages: StageEstimate[] = [];
  const add = (stage: string, iteration: number, cost: Partial<StageEstimate>) => {
    const tokens = addCosts(NO_COST, cost);
    stages.push({
      stage,
      iteration,
      rollouts: 0,
      graded: 0,
      trainSteps: 0,
      size: 1,
      ...cost,
      ...tokens,
      seconds: secondsOf({ graded: cost.graded ?? 0, size: cost.size ?? 1, ...tokens }, calibration),
    });
  };
  const evaluation = (questions: number) => ({
    promptTokens: questions * typical.promptTokens,
    generatedTokens: questions * typical.pathTokens,
    graded: questions,
  });
  if (config.sft.enabled)
    add('6-policy', 0, training(config.sft.train, warmUpRows(config, typical), rowTokens(typical, 1)));
  add('7-eval', 0, evaluation(typical.evalQuestions));
  for (let k = 1; k <= roundsOf(method, config.iterations); k += 1) {
    for (const { stage, ...cost } of roundEstimates(config, typical, k)) add(stage, k, cost);
    add('7-eval', k, evaluation(typical.evalQuestions));
  }
  const policies = config.evaluate.final.length === 0 ? 0 : config.evaluate.control === 'none' ? 2 : 3;
  if (config.evaluate.control !== 'none') {
    const tokens = stages
      .filter(({ stage, iteration }) => stage === '6-policy' && iteration > 0)
      .reduce((sum, { trainTokens }) => sum + trainTokens, 0);
    const settings = { ...config.align.train, tokens };
    add('continued-sft', 0, training(settings, typical.solvedQuestions, rowTokens(typical, 1)));
  }
  if (policies > 0) add('final', 0, evaluation(policies * typical.finalQuestions));
  return {
    stages,
    total: totals(stages, config, description, calibration),
    memoryBytes: memory(config, description),
    assumptions: typical,
  };
}

function warmUpRows({ sft }: Config, { solvedQuestions }: Typical): number {
  return Math.min(sft.rows ?? solvedQuestions, solvedQuestions);
}

type RoundCost = Partial<StageEstimate> & { stage: string };

function roundEstimates(config: Config, typical: Typical, k: number): RoundCost[] {
  const { sampling, labels, prm, score, align } = config;
  const method = METHODS[config.method];
  const costs: RoundCost[] = [];
  const questions = Math.min(sampling.questions ?? typical.trainQuestions, typical.trainQuestions);
  const draws = questions * sampling.samples;
  const paths = method.samples ? draws * typical.distinct : 0;
  if (method.samples)
    costs.push({
      stage: '1-samples',
      promptTokens: questions * typical.promptTokens,
      generatedTokens: draws * typical.pathTokens,
      graded: draws,
    });
  const need = needs(scorerOf(method, score.scorer));
  const labelled = Math.min(labels.paths ?? paths, paths);
  if (need.labels) costs.push(labelEstimate(config, typical, labelled * (labels.relabel ? k : 1)));
  if (need.prm)
    costs.push({
      stage: '3-prm',
      size: typical.verifierSize,
      ...training(prm.train, k * labelled * (1 - labels.heldOut * (need.calibration ? 2 : 1)), rowTokens(typical, 1)),
    });
  const readers = [
    ...(scorerNeeds(score.scorer, 'prm') ? [typical.verifierSize] : []),
    ...(scorerNeeds(score.scorer, 'policy') ? [1] : []),
  ];
  const scorers = readers.length;
  if (method.feedback === 'process' && scorers > 0) {
    // Paths of one question share its prompt; questions that can give no pair are left out.
    const pairable = config.pairs.chosenGate === 'none' ? 1 : 1 - (1 - typical.pRight) ** sampling.samples;
    const scored = scorers * k * pairable * (questions * typical.promptTokens + paths * typical.pathTokens);
    const size = readers.reduce((total, one) => total + one, 0) / scorers;
    costs.push({ stage: '4-scores', size, scoredTokens: scored });
  }
  const pairs = Math.min(
    config.pairs.total ?? Number.POSITIVE_INFINITY,
    questions * Math.min(config.pairs.perQuestion ?? 16, 16) * 0.5,
  );
  if (method.align === 'pairs') {
    const gold = Math.min(align.gold * pairs, typical.solvedQuestions);
    if (OBJECTIVES[align.loss.kind].needsReference)
      costs.push({ stage: '6-reference', scoredTokens: pairs * rowTokens(typical, 2) });
    const mean = (pairs * rowTokens(typical, 2) + gold * rowTokens(typical, 1)) / Math.max(1, pairs + gold);
    costs.push({ stage: '6-policy', ...training(align.train, pairs + gold, mean) });
  } else {
    const right = method.align === 'right' ? k * paths * typical.pRight : 0;
    costs.push({ stage: '6-policy', ...training(align.train, typical.solvedQuestions + right, rowTokens(typical, 1)) });
  }
  return costs;
}

function labelEstimate({ labels }: Config, typical: Typical, paths: number): RoundCost {
  const rolled = Math.max(0, typical.stepsPerPath - 1);
  // With closure, the scan of a path ends at its first step (from the back) with a success.
  const pass = 1 - (1 - typical.pRight) ** labels.K;
  const reached = labels.closure === 'monotone' ? expectedRollouts(pass, rolled) : rolled;
  const perPath = labels.mode === 'full' ? rolled * labels.K : reached * expectedRollouts(typical.pRight, labels.K);
  const rollouts = paths * perPath;
  const prompts = paths * (typical.promptTokens + typical.pathTokens);
  return {
    stage: '2-step-labels',
    size: typical.simulatorSize,
    rollouts,
    graded: rollouts,
    promptTokens: prompts,
    generatedTokens: (rollouts * typical.pathTokens) / 2,
  };
}

function rowTokens({ promptTokens, pathTokens }: Typical, completions: number): number {
  return promptTokens + completions * pathTokens;
}

function training(settings: TrainSettings, rows: number, perRow: number): { trainTokens: number; trainSteps: number } {
  if (settings.tokens !== null) {
    return {
      trainTokens: settings.tokens,
      trainSteps: stepsForTokens(settings.tokens, rows, rows * perRow, settings.batchSize),
    };
  }
  const trainSteps = settings.maxSteps ?? Math.ceil((rows * settings.epochs) / settings.batchSize);
  return {
    trainSteps,
    trainTokens:
      settings.maxSteps === null ? rows * settings.epochs * perRow : trainSteps * settings.batchSize * perRow,
  };
}

function secondsOf(
  cost: TokenCost & Pick<StageEstimate, 'graded' | 'size'>,
  calibration: Calibration | undefined,
): number | null {
  if (calibration === undefined) return null;
  const read = (cost.promptTokens + cost.scoredTokens) / calibration.promptTokensPerSecond;
  const model =
    read +
    cost.generatedTokens / calibration.generatedTokensPerSecond +
    cost.trainTokens / calibration.trainTokensPerSecond;
  return cost.size * model + cost.graded * calibration.secondsPerGrade;
}

function totals(
  stages: readonly StageEstimate[],
  config: Config,
  description: ModelDescription,
  calibration: Calibration | undefined,
): RunEstimate['total'] {
  const tokens = stages.reduce(addCosts, NO_COST);
  const sum = (of: (stage: StageEstimate) => number) => stages.reduce((total, stage) => total + of(stage), 0);
  return {
    ...tokens,
    rollouts: sum(({ rollouts }) => rollouts),
    trainSteps: sum(({ trainSteps }) => trainSteps),
    flops: sum((stage) => stage.size * flopsOf(stage, description.parameters, config.align.train.lora !== null)),
    seconds: calibration === undefined ? null : sum(({ seconds }) => seconds ?? 0),
  };
}

/**
 * fp32 weights, two moments and a gradient for each trained weight, and 32 kB of activations for each token of a pass and million parameters
 * (fitted to LoRA training at 135M parameters and 1,024 tokens), of which no more are kept than the settings allow.
 */
function memory({ sft, align, prm }: Config, { parameters }: ModelDescription): number {
  const peaks = [sft.train, align.train, prm.train].map(({ lora, tokensPerPass, activationsGiB }) => {
    const trained = lora === null ? parameters : 0.05 * parameters;
    const activations = 32_000 * tokensPerPass * (parameters / 1e6);
    return 4 * parameters + 12 * trained + Math.min(activations, activationsGiB * 2 ** 30);
  });
  return Math.max(...peaks);
}
