// What a round counted -> what the formulas of the dry run say that its stages cost.
import type { Config } from '../../config/schema.ts';
import { addCosts, NO_COST } from '../../pipeline/cost.ts';
import { type Calibration, estimate } from '../../pipeline/estimate.ts';
import { TYPICAL, type Typical } from '../../pipeline/round-costs.ts';
import type { Counts, EvalReport } from '../../reports.ts';
import { sum } from '../../statistics/intervals.ts';
import type { StageCost } from '../api.ts';
import type { DoneStage } from './stage-costs.ts';

/** Train questions, and those with a worked solution. */
export interface QuestionCounts {
  readonly train: number;
  readonly solved: number;
}

export interface EstimateArgs {
  readonly config: Config;
  readonly iteration: number;
  readonly questions: QuestionCounts;
  readonly done: readonly DoneStage[];
  /** The costs of the same stages, with their times. */
  readonly spent: readonly StageCost[];
  readonly report: EvalReport | null;
}

/**
 * The estimate of a round's stages from lengths and success as the round itself had them. Seconds are at the speeds at which it sampled, scored
 * and trained; null where one of these is unknown, or a helper model of unknown size works.
 */
export function estimatedCosts(args: EstimateArgs): StageCost[] {
  const { config, iteration, spent } = args;
  const calibration = calibrationOf(spent);
  // Of the whole size of the models nothing is read but their costs beside each other.
  const { stages } = estimate(config, { parameters: 1 }, calibration ?? undefined, typicalOf(args));
  const own = new Map<string, StageCost>();
  for (const { stage: name, seconds, ...cost } of stages.filter((one) => one.iteration === iteration)) {
    const stage = AS_RUN[name] ?? name;
    const known = isOwn(stage, config) ? seconds : null;
    const before = own.get(stage);
    const added = { ...addCosts(before ?? NO_COST, cost), stage, seconds: addSeconds(before?.seconds, known) };
    own.set(stage, added);
  }
  const began = new Set(spent.map(({ stage }) => stage));
  return [...own.values()].filter(({ stage }) => began.has(stage));
}

/** Names of the dry run that a run directory has not. */
const AS_RUN: Readonly<Record<string, string>> = { '7-eval': '7-answers', '2-proposals': '2-step-labels' };

function addSeconds(before: number | null | undefined, more: number | null): number | null {
  return before === null || more === null ? null : (before ?? 0) + more;
}

/** False for stages of helper models, whose size the run directory does not tell. */
function isOwn(stage: string, { simulator, verifier }: Config): boolean {
  if (stage === '2-step-labels') return simulator === 'self';
  return verifier === 'self' || !/^[34]-/.test(stage);
}

/** null: some speed is not known. */
function calibrationOf(spent: readonly StageCost[]): Calibration | null {
  const speedOf = (name: string, what: 'generatedTokens' | 'scoredTokens' | 'trainTokens') => {
    const stage = spent.find((one) => one.stage === name);
    return stage?.seconds ? stage[what] / stage.seconds : 0;
  };
  const [generated, read, trained] = [
    speedOf('1-samples', 'generatedTokens'),
    speedOf('4-scores', 'scoredTokens'),
    speedOf('6-policy', 'trainTokens'),
  ];
  if (generated === 0 || read === 0 || trained === 0) return null;
  return {
    generatedTokensPerSecond: generated,
    promptTokensPerSecond: read,
    trainTokensPerSecond: trained,
    secondsPerGrade: 0,
  };
}

function typicalOf({ config, questions, done, report }: EstimateArgs): Partial<Typical> {
  const countsOf = (stage: string): Counts => done.find((one) => one.stage === stage)?.counts ?? {};
  const answered = sum(report?.sets.map(({ n, errors }) => n + errors) ?? []);
  return {
    trainQuestions: questions.train,
    solvedQuestions: questions.solved,
    evalQuestions: answered,
    ...(answered > 0 ? lengthsOf(countsOf('7-answers'), answered, answered) : {}),
    ...samplesLike(countsOf('1-samples'), Math.min(config.sampling.questions ?? questions.train, questions.train)),
    ...labelsLike(countsOf('2-step-labels'), countsOf('1-samples')),
  };
}

function lengthsOf({ promptTokens = 0, generatedTokens = 0 }: Counts, questions: number, texts: number) {
  return { promptTokens: promptTokens / questions, pathTokens: generatedTokens / texts };
}

function samplesLike(counts: Counts, questions: number): Partial<Typical> {
  const { drawn = 0, right = 0, kept = 0, keptRight = 0 } = counts;
  if (drawn === 0 || questions === 0) return {};
  const wrong = drawn - right - (counts['error'] ?? 0);
  return {
    ...lengthsOf(counts, questions, drawn),
    pRight: right / Math.max(1, right + wrong),
    distinctRight: right === 0 ? TYPICAL.distinctRight : keptRight / right,
    distinctWrong: wrong === 0 ? TYPICAL.distinctWrong : (kept - keptRight) / wrong,
  };
}

function labelsLike(counts: Counts, samples: Counts): Partial<Typical> {
  const { paths = 0, rollouts = 0, generatedTokens = 0 } = counts;
  const { stepsRolledOut = 0, stepsImplied = 0, stepsAssumed = 0, stepsSettled = 0 } = counts;
  if (paths === 0 || rollouts === 0) return {};
  const pathTokens = (samples['generatedTokens'] ?? 0) / Math.max(1, samples['drawn'] ?? 0);
  return {
    stepsPerPath: 1 + (stepsRolledOut + stepsImplied + stepsAssumed + stepsSettled) / paths,
    ...(pathTokens > 0 ? { rolloutLength: generatedTokens / rollouts / pathTokens } : {}),
  };
}
