// A configuration and what its data look like -> what each stage of a round will cost.
import type { Config } from '../config/schema.ts';
import {
  METHODS,
  type Method,
  makesPairs,
  methodIn,
  type Needs,
  needs,
  scorerOf,
  trainsOnGold,
} from '../method/methods.ts';
import { type ScorerName, scorerNeeds, scorerPasses } from '../method/scorers.ts';
import { stepsForTokens } from '../method/train-options.ts';
import { OBJECTIVES } from '../objectives/objectives.ts';
import { mean, sum } from '../statistics/intervals.ts';
import type { TrainSettings } from '../train-settings.ts';
import { readersOf, type TokenCost } from './cost.ts';
import { expectedSamples } from './expected-samples.ts';

/** What a question and a path look like: measured on the data where possible, else these guesses, which the report names. */
export type Typical = Readonly<typeof TYPICAL>;

export const TYPICAL = {
  promptTokens: 60,
  pathTokens: 90,
  stepsPerPath: 4,
  /** Of the line that states the right answer. */
  answerTokens: 8,
  /** Chance of a sample to be right, and of a rollout. */
  pRight: 0.3,
  /** Shares of right and of wrong samples that are no duplicates. */
  distinctRight: 0.8,
  distinctWrong: 0.8,
  /** Rollouts that the labels of a right and of a wrong path take, as multiples of what `pRight` alone says. */
  rightEffort: 1,
  wrongEffort: 1,
  /** Length of a rollout, as a share of a path's. */
  rolloutLength: 0.5,
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

/** What is not 0 of a stage, or not the policy's. */
export type StageCost = Pick<StageEstimate, 'stage' | 'iteration'> & Partial<StageEstimate>;
type RoundCost = Omit<StageCost, 'iteration'>;

/**
 * Expected rollouts of one step scanned until its first success: (1 - (1-p)^K) / p.
 * @example
 * expectedRollouts(0.5, 2); // 1.5
 */
export function expectedRollouts(p: number, K: number): number {
  return p <= 0 ? K : (1 - (1 - p) ** K) / p;
}

/** A round of a typical run. */
interface RoundArgs {
  readonly config: Config;
  readonly method: Method;
  readonly need: Needs;
  readonly typical: Typical;
  readonly k: number;
  readonly questions: number;
  /** Distinct paths that the round adds, and right ones among them; those that get labels, and right ones among these. */
  readonly paths: number;
  readonly right: number;
  readonly labelled: number;
  readonly labelledRight: number;
}

/** What round `k` will cost, stage by stage. */
export function roundCosts(config: Config, typical: Typical, k: number): RoundCost[] {
  const { sampling, labels, score } = config;
  const method = methodIn(METHODS[config.method], k);
  const questions = Math.min(sampling.questions ?? typical.trainQuestions, typical.trainQuestions);
  const sampled = samplingCost(sampling, typical, questions);
  const [right, wrong] = distinctPaths(method.samples ? sampled.graded : 0, typical);
  const paths = right + wrong;
  const labelled = Math.min(labels.paths ?? paths, paths);
  // Half of them, where there are enough (see `choosePaths`).
  const labelledRight = Math.min(right, Math.max(labelled / 2, labelled - wrong));
  const need = needs(scorerOf(method, score.scorer));
  const round: RoundArgs = { config, method, need, typical, k, questions, paths, right, labelled, labelledRight };
  const labelling = need.labels ? labelCosts(round) : [];
  const rollouts = sum(labelling.map(({ rollouts = 0 }) => rollouts));
  return [
    ...(method.samples ? [{ stage: '1-samples', ...sampled }] : []),
    ...labelling,
    ...learningCosts(round),
    ...scoringCosts(round, labels.keepRollouts === true ? rollouts : 0),
    ...alignmentCosts(round),
  ];
}

/** Distinct right and wrong paths among `drawn`. */
function distinctPaths(drawn: number, { pRight, distinctRight, distinctWrong }: Typical): [number, number] {
  return [drawn * pRight * distinctRight, drawn * (1 - pRight) * distinctWrong];
}

/** Chance that none of a question's samples is right. */
function noneRight({ sampling }: Config, typical: Typical): number {
  return (1 - typical.pRight) ** expectedSamples(sampling, typical);
}

/** A question without a right path is asked again with a hint, where that is on: its prompt and all samples. */
function samplingCost(options: Config['sampling'], typical: Typical, questions: number) {
  const { promptTokens, pathTokens, pRight } = typical;
  const samples = expectedSamples(options, typical);
  const asked = questions * (options.hint === true ? 1 + (1 - pRight) ** samples : 1);
  return {
    promptTokens: asked * promptTokens,
    generatedTokens: asked * samples * pathTokens,
    graded: asked * samples,
  };
}

function labelCosts(round: RoundArgs): RoundCost[] {
  const { config, typical, k, labelled, labelledRight } = round;
  const { labels } = config;
  const [stage, size] = ['2-step-labels', typical.simulatorSize];
  const rounds = labels.relabel ? k : 1;
  const paths = labelled * rounds;
  const whole = paths * rowTokens(typical, 1);
  if (labels.mode === 'gold-likelihood')
    return [{ stage, size, scoredTokens: whole + paths * typical.stepsPerPath * typical.answerTokens }];
  const right = labels.ownWitness ? 0 : labelledRight * rounds;
  const wrong = paths - labelledRight * rounds;
  const effort = right * typical.rightEffort + wrong * typical.wrongEffort;
  const rollouts = effort * rolloutsPerPath(labels, typical, k);
  const cost = {
    ...{ stage, size, rollouts, graded: rollouts },
    promptTokens: (right + wrong) * rowTokens(typical, 1),
    generatedTokens: rollouts * typical.pathTokens * typical.rolloutLength,
  };
  const proposes = labels.mode === 'verify' && k > 1;
  return proposes ? [{ stage: '2-proposals', size: typical.verifierSize, scoredTokens: whole }, cost] : [cost];
}

/** Rollouts of the labels of one path in round `k`, where every step has the same chance. */
export function rolloutsPerPath(
  { mode, K, closure }: Config['labels'],
  { pRight, stepsPerPath }: Pick<Typical, 'pRight' | 'stepsPerPath'>,
  k: number,
): number {
  // With an earlier PRM to propose the first error, two steps are rolled out at most.
  const most = mode === 'verify' && k > 1 ? 2 : stepsPerPath;
  const rolled = Math.max(0, Math.min(most, stepsPerPath - 1));
  if (mode === 'full') return rolled * K;
  // With closure, the scan of a path ends at its first step (from the back) with a success.
  const pass = 1 - (1 - pRight) ** K;
  const reached = closure === 'monotone' ? expectedRollouts(pass, rolled) : rolled;
  return reached * expectedRollouts(pRight, K);
}

/** What learns the labels of all rounds so far: a PRM or a probe, and the weights of a PRM against log-probabilities. */
function learningCosts({ config, need, typical, k, labelled }: RoundArgs): RoundCost[] {
  const { labels, prm, score } = config;
  const perRow = rowTokens(typical, 1);
  const size = typical.verifierSize;
  const apart = k * labelled * labels.heldOut;
  const costs: RoundCost[] = [];
  if (need.prm) {
    const rows = k * labelled - apart * (need.calibration ? 2 : 1);
    costs.push({ stage: '3-prm', size, ...training(prm.train, rows, perRow) });
  }
  if (need.probe) {
    const scoredTokens = scorerPasses(score.scorer) * (k * labelled - apart) * perRow;
    costs.push({ stage: '3-probe', size, scoredTokens });
  }
  if (need.calibration) costs.push({ stage: '4-calibration', size: mean([size, 1]), scoredTokens: 2 * apart * perRow });
  return costs;
}

/** `kept`: rollouts of the round that are paths, too. */
function scoringCosts({ config, method, typical, k, questions, paths }: RoundArgs, kept: number): RoundCost[] {
  const { score, pairs } = config;
  const readers = typicalReaders(score.scorer, typical);
  if (method.feedback !== 'process' || readers.length === 0) return [];
  const { promptTokens, pathTokens, stepsPerPath, answerTokens } = typical;
  const all = paths + kept;
  // Paths of one question share its prompt, but not where the answer's line follows each of their steps.
  const isLikelihood = scorerNeeds(score.scorer, 'answer');
  const perReader = isLikelihood
    ? all * (promptTokens + pathTokens + (stepsPerPath - 1) * answerTokens)
    : questions * promptTokens + all * pathTokens;
  // Questions that can give no pair are left out.
  const pairable = pairs.chosenGate === 'none' ? 1 : 1 - noneRight(config, typical);
  return [{ stage: '4-scores', size: mean(readers), scoredTokens: readers.length * k * pairable * perReader }];
}

function alignmentCosts({ config, method, typical, k, questions, right: rightPaths }: RoundArgs): RoundCost[] {
  const { align, pairs: pairing } = config;
  const perRow = rowTokens(typical, 1);
  if (!makesPairs(method)) {
    const right = method.align === 'gold' ? 0 : k * rightPaths;
    const solved = trainsOnGold(method) ? typical.solvedQuestions : 0;
    return [{ stage: '6-policy', ...training(align.train, solved + right, perRow) }];
  }
  const most = questions * Math.min(pairing.perQuestion ?? 16, 16) * 0.5;
  const pairs = Math.min(pairing.total ?? most, most);
  const gold = Math.min(align.gold * pairs, typical.solvedQuestions);
  // A step pair has its shared steps once: half of a path, if they fork in the middle.
  const completions = method.align === 'pairs' ? (pairing.kind === 'step' ? 1.5 : 2) : 1;
  const perPair = rowTokens(typical, completions);
  const perMixed = (pairs * perPair + gold * perRow) / Math.max(1, pairs + gold);
  const aligned = { stage: '6-policy', ...training(align.train, pairs + gold, perMixed) };
  const compares = method.align === 'pairs' && OBJECTIVES[align.loss.kind].needsReference;
  return compares ? [{ stage: '6-reference', scoredTokens: pairs * perPair }, aligned] : [aligned];
}

/** Sizes of the models that score, beside the policy's: see `readersOf`. */
export function typicalReaders(scorer: ScorerName, { verifierSize }: Typical): number[] {
  return readersOf(scorer, { policy: 1, verifier: verifierSize });
}

export function rowTokens({ promptTokens, pathTokens }: Typical, completions: number): number {
  return promptTokens + completions * pathTokens;
}

export function training(
  { tokens, maxSteps, epochs, batchSize }: TrainSettings,
  rows: number,
  perRow: number,
): Pick<StageEstimate, 'trainTokens' | 'trainSteps'> {
  if (tokens !== null)
    return { trainTokens: tokens, trainSteps: stepsForTokens(tokens, rows, rows * perRow, batchSize) };
  if (maxSteps !== null) return { trainTokens: maxSteps * batchSize * perRow, trainSteps: maxSteps };
  return { trainTokens: rows * epochs * perRow, trainSteps: Math.ceil((rows * epochs) / batchSize) };
}
