// Labelled steps -> how P(step correct) weighs the PRM's score and the policy's log-probabilities.
import { z } from 'zod';
import type { Policy, ProcessRewardModel } from '../backend.ts';
import { isForCalibration } from '../hashing.ts';
import type { Counts } from '../reports.ts';
import { inUnits } from '../run/units.ts';
import { sum } from '../statistics/intervals.ts';
import { type ReadContext, textsOf, tokensRead, withoutUnreadable } from './context-length.ts';
import {
  hardLabels,
  type LabelledPath,
  type LabelledQuestion,
  type LabelRule,
  labelledPaths,
  latestLabels,
} from './step-labels.ts';
import { logpFigures, stepLogps } from './step-logps.ts';

/** What is known of one step before its label: the PRM's P(correct), and the policy's log-probability of each of its drawn tokens. */
interface StepEvidence {
  readonly prm: number;
  readonly logps: readonly number[];
}

/** Weights of logit P(step correct) = intercept + prmLogit · logit(prm) + meanLogp · mean(logps) + minLogp · min(logps). */
export const ScoreCalibration = z.object({
  /** Labelled steps that it was fitted on, and how many of them are correct. */
  steps: z.number().int(),
  correct: z.number().int(),
  intercept: z.number(),
  prmLogit: z.number(),
  meanLogp: z.number(),
  minLogp: z.number(),
});
export type ScoreCalibration = z.infer<typeof ScoreCalibration>;

/** The PRM alone: what few labelled steps are drawn towards. */
const PRIOR: readonly number[] = [0, 1, 0, 0];
/** Weight of the prior, in the precision of a normal distribution around it with standard deviation 1. */
const RIDGE = 1;
const CERTAIN = 1e-6;

function featuresOf({ prm, logps }: StepEvidence): number[] {
  const p = Math.min(1 - CERTAIN, Math.max(CERTAIN, prm));
  return [1, Math.log(p / (1 - p)), ...logpFigures(logps)];
}

/** P(step correct) of one step: the logistic function of its weighed evidence. */
export function calibratedScore(evidence: StepEvidence, calibration: ScoreCalibration): number {
  const { intercept, prmLogit, meanLogp, minLogp } = calibration;
  return sigmoid(dot(featuresOf(evidence), [intercept, prmLogit, meanLogp, minLogp]));
}

export interface LabelledStep {
  readonly evidence: StepEvidence;
  readonly correct: boolean;
}

/**
 * The most probable weights under a normal prior around the PRM alone: ridge logistic regression by Newton's method.
 * Without steps they are the PRM itself.
 */
export function scoreCalibration(steps: readonly LabelledStep[]): ScoreCalibration {
  const rows = steps.map(({ evidence, correct }) => ({ x: featuresOf(evidence), y: Number(correct) }));
  const loss = (weights: readonly number[]): number =>
    sum(rows.map(({ x, y }) => softplus((1 - 2 * y) * dot(x, weights)))) +
    (RIDGE / 2) * sum(weights.map((weight, i) => (weight - PRIOR[i]!) ** 2));
  let weights = [...PRIOR];
  for (let iteration = 0; iteration < 100; iteration += 1) {
    const step = newtonStep(rows, weights);
    let scale = 1;
    const moved = () => weights.map((weight, i) => weight - scale * step[i]!);
    while (scale > 1e-9 && loss(moved()) > loss(weights)) scale /= 2;
    weights = moved();
    if (Math.max(...step.map(Math.abs)) * scale < 1e-10) break;
  }
  const [intercept, prmLogit, meanLogp, minLogp] = weights as [number, number, number, number];
  const correct = sum(rows.map(({ y }) => y));
  return { steps: rows.length, correct, intercept, prmLogit, meanLogp, minLogp };
}

/** Inverse Hessian times gradient. */
function newtonStep(rows: readonly { x: readonly number[]; y: number }[], weights: readonly number[]): number[] {
  const gradient = weights.map((weight, i) => RIDGE * (weight - PRIOR[i]!));
  const hessian = weights.map((_, i) => weights.map((__, j) => (i === j ? RIDGE : 0)));
  for (const { x, y } of rows) {
    const p = sigmoid(dot(x, weights));
    for (const [i, xi] of x.entries()) {
      gradient[i]! += (p - y) * xi;
      for (const [j, xj] of x.entries()) hessian[i]![j]! += p * (1 - p) * xi * xj;
    }
  }
  return solve(hessian, gradient);
}

/** x with A x = b for a symmetric positive definite A, by elimination. */
function solve(a: readonly (readonly number[])[], b: readonly number[]): number[] {
  const rows = a.map((row, i) => [...row, b[i]!]);
  for (const [i, pivot] of rows.entries()) {
    for (const row of rows.slice(i + 1)) {
      const factor = row[i]! / pivot[i]!;
      for (let j = i; j < row.length; j += 1) row[j]! -= factor * pivot[j]!;
    }
  }
  const x = b.map(() => 0);
  for (let i = rows.length - 1; i >= 0; i -= 1) {
    const row = rows[i]!;
    x[i] = (row.at(-1)! - dot(row.slice(i + 1, -1), x.slice(i + 1))) / row[i]!;
  }
  return x;
}

const dot = (a: readonly number[], b: readonly number[]): number => sum(a.map((value, i) => value * b[i]!));
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

interface EvidenceContext extends ReadContext {
  readonly prm: ProcessRewardModel;
  readonly policy: Policy;
}

/** What both models say of each step, `[path][step]`. */
export async function stepEvidence(
  paths: readonly LabelledPath[],
  { prm, policy, signal, ...context }: EvidenceContext,
): Promise<StepEvidence[][]> {
  const texts = textsOf(paths, context);
  const scores = await prm.score(texts, { signal });
  const logps = await stepLogps(texts, policy, signal);
  return logps.map((steps, index) => steps.map((own, j) => ({ prm: scores[index]?.[j] ?? Number.NaN, logps: own })));
}

/** With fewer labelled steps than this the PRM's own scores outweigh what they say. */
const FEW = 100;

/** A warning where so few steps were labelled that the weights say little; null: enough. */
export function fewSteps({ steps }: ScoreCalibration): string | null {
  if (steps >= FEW) return null;
  return `Only ${steps} labelled steps weigh the PRM against log-probabilities: the scores stay near the PRM's own. Raise labels.paths or labels.heldOut.`;
}

/** What a calibration depends on besides the labels. */
interface CalibrationContext extends EvidenceContext {
  readonly rule: LabelRule;
  /** labels.heldOut: as many questions are for calibration. */
  readonly heldOut: number;
  readonly unit: number;
}

/** Calibrates scores on the hard labels of the questions that are for calibration; skips all others. Counts paths, scoredTokens. */
export async function calibrateScores(
  labelled: AsyncIterable<LabelledQuestion> | Iterable<LabelledQuestion>,
  context: CalibrationContext,
): Promise<{ calibration: ScoreCalibration; counts: Counts }> {
  const { prm, policy, rule, unit } = context;
  const steps: LabelledStep[] = [];
  const counts = { paths: 0, scoredTokens: 0 };
  for await (const items of inUnits(calibrationItems(labelled, context.heldOut), unit)) {
    const { readable } = await withoutUnreadable(items, [prm, policy], context);
    const paths = readable.flatMap(labelledPaths);
    const evidence = await stepEvidence(paths, context);
    for (const [index, { labels }] of paths.entries()) {
      const correct = hardLabels(labels!, rule);
      for (const [j, own] of (evidence[index] ?? []).entries())
        steps.push({ evidence: own, correct: correct[j] === true });
    }
    counts.paths += paths.length;
    counts.scoredTokens += await tokensRead(readable, [prm, policy], context);
  }
  return { calibration: scoreCalibration(steps), counts };
}

/** The questions that are for calibration, with the paths of theirs that are labelled. */
export async function* calibrationItems(
  labelled: AsyncIterable<LabelledQuestion> | Iterable<LabelledQuestion>,
  heldOut: number,
): AsyncGenerator<LabelledQuestion> {
  for await (const { question, samples, labels } of labelled) {
    if (labels.length === 0 || !isForCalibration(question.id, heldOut)) continue;
    const latest = latestLabels(labels);
    yield { question, samples: samples.filter(({ id }) => latest.has(id)), labels };
  }
}
