// Token counts and a configuration -> model FLOPs, and what a run will cost before it starts.
import type { ModelDescription } from '../backend.ts';
import type { Config } from '../config/schema.ts';
import { METHODS, makesPairs, methodIn, needs, roundsOf, scorerOf, trainsOnGold } from '../method/methods.ts';
import { readsNewPaths, type ScorerName, scorerNeeds, scorerPasses } from '../method/scorers.ts';
import { stepsForTokens } from '../method/train-options.ts';
import { OBJECTIVES } from '../objectives/objectives.ts';
import { mean, sum } from '../statistics/intervals.ts';
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

/** Parameters of the models, or how large they are beside the policy. Without a helper its size is the policy's. */
export interface ModelSizes {
  readonly policy: number;
  readonly simulator: number;
  readonly verifier: number;
}

/** Sizes of the models that score, once for each time that they read a path. */
export function readersOf(scorer: ScorerName, { policy, verifier }: Pick<ModelSizes, 'policy' | 'verifier'>): number[] {
  const ofPrm = scorerNeeds(scorer, 'prm') ? [verifier] : [];
  const own = scorerNeeds(scorer, 'probe') ? verifier : policy;
  const readers = scorerNeeds(scorer, 'policy') ? [...ofPrm, own] : ofPrm;
  return Array.from({ length: scorerPasses(scorer) }, () => readers).flat();
}

/**
 * Optimizer tokens that cost as much as `flops`: the equal-FLOP budget of continued-sft.
 * @example
 * tokensForFlops(5.4e11, 135e6, true); // 1000
 */
export function tokensForFlops(flops: number, parameters: number, lora: boolean): number {
  return flops / (parameters * (lora ? 4 : 6));
}

export interface Calibration {
  readonly generatedTokensPerSecond: number;
  readonly promptTokensPerSecond: number;
  readonly trainTokensPerSecond: number;
  /** Seconds until a text is graded, on average over many at a time: nothing for answers, a program's run for code. */
  readonly secondsPerGrade: number;
}

/** What a question and a path look like: measured on the data where possible, else these guesses, which the report names. */
export type Typical = Readonly<typeof TYPICAL>;

export const TYPICAL = {
  promptTokens: 60,
  pathTokens: 90,
  stepsPerPath: 4,
  /** Chance of a rollout to be right. */
  pRight: 0.3,
  /** Share of samples that are no duplicates. */
  distinct: 0.8,
  trainQuestions: 1000,
  /** Train questions whose worked solutions are used. */
  solvedQuestions: 1000,
  /** Parameters of the models that roll out and that a PRM is trained from, as a multiple of the policy's. */
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
  readonly total: Omit<StageEstimate, 'stage' | 'iteration' | 'graded' | 'size'> & { readonly flops: number };
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
  const { sft, align, evaluate } = config;
  const { evalQuestions, solvedQuestions } = typical;
  const perRow = rowTokens(typical, 1);
  const warmUp = training(sft.train, Math.min(sft.rows ?? solvedQuestions, solvedQuestions), perRow);
  const costs: StageCost[] = sft.enabled ? [{ stage: '6-policy', iteration: 0, ...warmUp }] : [];
  costs.push({ stage: '7-eval', iteration: 0, ...answering(evalQuestions, typical) });
  for (let k = 1; k <= roundsOf(METHODS[config.method], config.iterations); k += 1) {
    costs.push(...roundCosts(config, typical, k).map((cost) => ({ ...cost, iteration: k })));
    costs.push({ stage: '7-eval', iteration: k, ...answering(evalQuestions, typical) });
  }
  if (evaluate.control !== 'none') {
    const spent = costs.filter(({ stage, iteration }) => stage === '6-policy' && iteration > 0);
    const tokens = sum(spent.map(({ trainTokens = 0 }) => trainTokens));
    const control = training({ ...align.train, tokens }, solvedQuestions, perRow);
    costs.push({ stage: 'continued-sft', iteration: 0, ...control });
  }
  if (evaluate.final.length > 0) costs.push(finalCost(config, typical));
  const stages = costs.map((cost) => stageEstimate(cost, calibration));
  return {
    stages,
    total: totals(stages, config, description),
    memoryBytes: memory(config, description),
    assumptions: typical,
  };
}

/** What is not 0 of a stage, or not the policy's. */
type StageCost = Pick<StageEstimate, 'stage' | 'iteration'> & Partial<StageEstimate>;
type RoundCost = Omit<StageCost, 'iteration'>;

function stageEstimate({ stage, iteration, ...cost }: StageCost, calibration: Calibration | undefined): StageEstimate {
  const none = { rollouts: 0, graded: 0, trainSteps: 0, size: 1 };
  const whole = { stage, iteration, ...none, ...cost, ...addCosts(NO_COST, cost) };
  return { ...whole, seconds: calibration === undefined ? null : secondsOf(whole, calibration) };
}

function answering(questions: number, { promptTokens, pathTokens }: Typical) {
  return { promptTokens: questions * promptTokens, generatedTokens: questions * pathTokens, graded: questions };
}

/** Start, last policy and control, each with its greedy answer to a question and its scored samples. */
function finalCost({ evaluate, method, score }: Config, typical: Typical): StageCost {
  const questions = (evaluate.control === 'none' ? 2 : 3) * typical.finalQuestions;
  const greedy = { stage: 'final', iteration: 0, ...answering(questions, typical) };
  if (evaluate.samples === 0) return greedy;
  const samples = questions * evaluate.samples;
  const scorer = scorerOf(METHODS[method], score.scorer);
  const readers =
    scorer !== null && scorer !== 'logprob' && readsNewPaths(scorer) ? typicalReaders(scorer, typical) : [];
  const paths = samples * typical.pathTokens;
  return {
    ...greedy,
    promptTokens: 2 * greedy.promptTokens,
    generatedTokens: greedy.generatedTokens + paths,
    graded: greedy.graded + samples,
    scoredTokens: sum(readers) * (greedy.promptTokens + paths),
  };
}

/** The same of a typical run, beside the policy's size. */
function typicalReaders(scorer: ScorerName, { verifierSize }: Typical): number[] {
  return readersOf(scorer, { policy: 1, verifier: verifierSize });
}

function roundCosts(config: Config, typical: Typical, k: number): RoundCost[] {
  const { sampling, labels, prm, score, align, pairs: pairing } = config;
  const method = methodIn(METHODS[config.method], k);
  const costs: RoundCost[] = [];
  const perRow = rowTokens(typical, 1);
  const questions = Math.min(sampling.questions ?? typical.trainQuestions, typical.trainQuestions);
  const noneRight = (1 - typical.pRight) ** sampling.samples;
  const draws = questions * sampling.samples * (sampling.hint === true ? 1 + noneRight : 1);
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
  const labelling = need.labels ? [labelCost(config, typical, labelled * (labels.relabel ? k : 1), k)] : [];
  costs.push(...labelling);
  if (need.prm) {
    const rows = k * labelled * (1 - labels.heldOut * (need.calibration ? 2 : 1));
    costs.push({ stage: '3-prm', size: typical.verifierSize, ...training(prm.train, rows, perRow) });
  }
  if (need.probe) {
    const scoredTokens = scorerPasses(score.scorer) * k * labelled * (1 - labels.heldOut) * perRow;
    costs.push({ stage: '3-probe', size: typical.verifierSize, scoredTokens });
  }
  const readers = typicalReaders(score.scorer, typical);
  if (method.feedback === 'process' && readers.length > 0) {
    // Paths of one question share its prompt; questions that can give no pair are left out.
    const pairable = pairing.chosenGate === 'none' ? 1 : 1 - noneRight;
    const kept = labels.keepRollouts === true ? sum(labelling.map(({ rollouts = 0 }) => rollouts)) : 0;
    const perReader = k * pairable * (questions * typical.promptTokens + (paths + kept) * typical.pathTokens);
    costs.push({ stage: '4-scores', size: mean(readers), scoredTokens: readers.length * perReader });
  }
  if (!makesPairs(method)) {
    const right = method.align === 'gold' ? 0 : k * paths * typical.pRight;
    const solved = trainsOnGold(method) ? typical.solvedQuestions : 0;
    return [...costs, { stage: '6-policy', ...training(align.train, solved + right, perRow) }];
  }
  const most = questions * Math.min(pairing.perQuestion ?? 16, 16) * 0.5;
  const pairs = Math.min(pairing.total ?? most, most);
  const gold = Math.min(align.gold * pairs, typical.solvedQuestions);
  const perPair = rowTokens(typical, method.align === 'pairs' ? 2 : 1);
  if (method.align === 'pairs' && OBJECTIVES[align.loss.kind].needsReference)
    costs.push({ stage: '6-reference', scoredTokens: pairs * perPair });
  const perMixed = (pairs * perPair + gold * perRow) / Math.max(1, pairs + gold);
  return [...costs, { stage: '6-policy', ...training(align.train, pairs + gold, perMixed) }];
}

function labelCost({ labels }: Config, typical: Typical, paths: number, k: number): RoundCost {
  if (labels.mode === 'gold-likelihood') {
    const scoredTokens = paths * (typical.promptTokens + typical.pathTokens);
    return { stage: '2-step-labels', size: typical.simulatorSize, scoredTokens };
  }
  // With an earlier PRM to propose the first error, two steps are rolled out at most.
  const most = labels.mode === 'verify' && k > 1 ? 2 : typical.stepsPerPath;
  const rolled = Math.max(0, Math.min(most, typical.stepsPerPath - 1));
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

function training(
  { tokens, maxSteps, epochs, batchSize }: TrainSettings,
  rows: number,
  perRow: number,
): Pick<StageEstimate, 'trainTokens' | 'trainSteps'> {
  if (tokens !== null)
    return { trainTokens: tokens, trainSteps: stepsForTokens(tokens, rows, rows * perRow, batchSize) };
  if (maxSteps !== null) return { trainTokens: maxSteps * batchSize * perRow, trainSteps: maxSteps };
  return { trainTokens: rows * epochs * perRow, trainSteps: Math.ceil((rows * epochs) / batchSize) };
}

function secondsOf(cost: TokenCost & Pick<StageEstimate, 'graded' | 'size'>, calibration: Calibration): number {
  const { promptTokensPerSecond, generatedTokensPerSecond, trainTokensPerSecond, secondsPerGrade } = calibration;
  const model =
    (cost.promptTokens + cost.scoredTokens) / promptTokensPerSecond +
    cost.generatedTokens / generatedTokensPerSecond +
    cost.trainTokens / trainTokensPerSecond;
  return cost.size * model + cost.graded * secondsPerGrade;
}

function totals(stages: readonly StageEstimate[], { align }: Config, { parameters }: ModelDescription) {
  const lora = align.train.lora !== null;
  return {
    ...stages.reduce(addCosts, NO_COST),
    rollouts: sum(stages.map(({ rollouts }) => rollouts)),
    trainSteps: sum(stages.map(({ trainSteps }) => trainSteps)),
    flops: sum(stages.map((stage) => stage.size * flopsOf(stage, parameters, lora))),
    seconds: stages.some(({ seconds }) => seconds === null) ? null : sum(stages.map(({ seconds }) => seconds ?? 0)),
  };
}

/**
 * Weights as they are held, two moments and a gradient for each trained weight, and 32 kB of activations for each token of a pass and million parameters
 * (fitted to LoRA training at 135M parameters and 1,024 tokens), of which no more are kept than the settings allow.
 */
function memory({ sft, align, prm }: Config, { parameters, weightBytes = 4 * parameters }: ModelDescription): number {
  const peaks = [sft.train, align.train, prm.train].map(({ lora, tokensPerPass, activationsGiB }) => {
    const trained = lora === null ? parameters : 0.05 * parameters;
    const activations = 32_000 * tokensPerPass * (parameters / 1e6);
    return weightBytes + 12 * trained + Math.min(activations, activationsGiB * 2 ** 30);
  });
  return Math.max(...peaks);
}
