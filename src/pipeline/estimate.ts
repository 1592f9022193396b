// A configuration and what its data look like -> what a run will cost before it starts.
import type { ModelDescription } from '../backend.ts';
import type { Config } from '../config/schema.ts';
import { METHODS, needs, roundsOf, scorerOf } from '../method/methods.ts';
import { readsNewPaths } from '../method/scorers.ts';
import { sum } from '../statistics/intervals.ts';
import type { TrainSettings } from '../train-settings.ts';
import { addCosts, flopsOf, NO_COST, type TokenCost } from './cost.ts';
import {
  roundCosts,
  rowTokens,
  type StageCost,
  type StageEstimate,
  TYPICAL,
  type Typical,
  training,
  typicalReaders,
} from './round-costs.ts';

export interface Calibration {
  readonly generatedTokensPerSecond: number;
  readonly promptTokensPerSecond: number;
  readonly trainTokensPerSecond: number;
  /** Seconds until a text is graded, on average over many at a time: nothing for answers, a program's run for code. */
  readonly secondsPerGrade: number;
}

export interface RunEstimate {
  readonly stages: readonly StageEstimate[];
  readonly total: Omit<StageEstimate, 'stage' | 'iteration' | 'graded' | 'size'> & { readonly flops: number };
  /** Peak, in bytes. */
  readonly memoryBytes: number;
  readonly assumptions: Typical;
}

/**
 * What a run will cost. Time only with a calibration.
 * @example
 * const { total } = estimate(config, await backend.describe({ model: './SmolLM2-135M' }));
 * console.log(total.rollouts, total.flops);
 */
export function estimate(
  config: Config,
  description: Pick<ModelDescription, 'parameters' | 'weightBytes'>,
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
    memoryBytes: memory(config, description, typical),
    assumptions: typical,
  };
}

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

function secondsOf(cost: TokenCost & Pick<StageEstimate, 'graded' | 'size'>, calibration: Calibration): number {
  const { promptTokensPerSecond, generatedTokensPerSecond, trainTokensPerSecond, secondsPerGrade } = calibration;
  const model =
    (cost.promptTokens + cost.scoredTokens) / promptTokensPerSecond +
    cost.generatedTokens / generatedTokensPerSecond +
    cost.trainTokens / trainTokensPerSecond;
  return cost.size * model + cost.graded * secondsPerGrade;
}

function totals(stages: readonly StageEstimate[], { align }: Config, { parameters }: { readonly parameters: number }) {
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
 * Of the training that needs most: weights as they are held, two moments and a gradient for each trained weight, and 32 kB of activations for each
 * token of a pass and million parameters (fitted to LoRA training at 135M parameters and 1,024 tokens), of which no more are kept than the settings
 * allow. A PRM is trained from the verifier. Helper models are held as the policy is.
 */
function memory(
  { method, score, sft, align, prm }: Config,
  { parameters, weightBytes = 4 * parameters }: Pick<ModelDescription, 'parameters' | 'weightBytes'>,
  { simulatorSize, verifierSize }: Typical,
): number {
  const peak = ({ lora, tokensPerPass, activationsGiB }: TrainSettings, size: number) => {
    const own = size * parameters;
    const trained = lora === null ? own : loraParameters(lora.rank, own);
    const activations = 32_000 * tokensPerPass * (own / 1e6);
    return size * weightBytes + 12 * trained + Math.min(activations, activationsGiB * 2 ** 30);
  };
  const ofPrm = needs(scorerOf(METHODS[method], score.scorer)).prm ? [peak(prm.train, verifierSize)] : [];
  return Math.max(peak(sft.train, 1), peak(align.train, 1), ...ofPrm, simulatorSize * weightBytes);
}

/** Of all linear layers: they grow with a model's width, the model with its square. At rank 16 and 135M parameters they are 4 % of it. */
function loraParameters(rank: number, parameters: number): number {
  return (rank / 16) * 0.04 * Math.sqrt(135e6 * parameters);
}
