// Step scores, labels and samples of held-out questions -> how good the scores are, beside cheap scorers. Pure; leaves reading files to evaluate.ts.
import { z } from 'zod';
import { Estimate, type Question, type Sample, type StepLabels } from '../records.ts';
import type { Task } from '../tasks/task.ts';
import { ratioEstimate } from './estimates.ts';
import { firstError, hardLabels, type LabelRule, type PathScoreRule, pathScore } from './step-labels.ts';

const Aucs = z.object({ scores: Estimate, tallies: Estimate, meanLogp: Estimate, shortness: Estimate });

/** Figures on labelled paths of questions that never trained a PRM; intervals are over questions. */
export const ScoreFigures = z.object({
  questions: z.number().int(),
  paths: z.number().int(),
  steps: z.number().int(),
  /** Step accuracy at threshold 0.5 against hard labels, and what always saying the commoner label gives. */
  stepAccuracy: Estimate,
  majority: z.number().nullable(),
  /** The first step below 0.5 is the first wrong label (or neither is there); f1: harmonic mean over paths with and without an error (ProcessBench). */
  firstErrorAccuracy: Estimate,
  firstErrorF1: z.number().nullable(),
  /** Within a question: P(score of a right path > score of a wrong one), ties a half. Tallies without the last step, which is the outcome itself. */
  aucOutcome: Aucs,
  /** The same for "every step is true", and accuracies against true steps, where the task knows them. */
  aucTrue: Aucs.nullable(),
  trueSteps: z.object({ scores: Estimate, labels: Estimate }).nullable(),
  /** Ten bins of step scores: how many, their mean, and the share labelled correct. */
  calibration: z.array(z.object({ n: z.number().int(), score: z.number(), correct: z.number() })),
  calibrationError: z.number().nullable(),
});
export type ScoreFigures = z.infer<typeof ScoreFigures>;

export interface FigureItem {
  readonly question: Question;
  readonly samples: readonly Sample[];
  readonly labels: readonly StepLabels[];
  readonly scores: ReadonlyMap<string, readonly number[]>;
}

interface Judged {
  readonly sample: Sample;
  readonly scores: readonly number[];
  readonly labels: readonly boolean[];
  readonly tallyMean: number;
  readonly truth: readonly boolean[] | null;
}

export interface FigureArgs {
  readonly task: Task;
  readonly rule: LabelRule;
  readonly path: PathScoreRule;
}

export async function scoreFigures(
  items: AsyncIterable<FigureItem> | Iterable<FigureItem>,
  { task, rule, path }: FigureArgs,
): Promise<ScoreFigures> {
  const questions: Judged[][] = [];
  for await (const item of items) {
    const judged = judge(item, task, rule);
    if (judged.length > 0) questions.push(judged);
  }
  const steps = questions.flat().flatMap(({ scores, labels }) => scores.map((score, j) => ({ score, correct: labels[j] === true })));
  const correct = steps.filter((step) => step.correct).length;
  const knowsTruth = questions.flat().some(({ truth }) => truth !== null);
  const isRight = ({ sample }: Judged) => sample.outcome.kind === 'right';
  return {
    questions: questions.length,
    paths: questions.flat().length,
    steps: steps.length,
    stepAccuracy: agreement(questions, ({ scores, labels }) => [scores.map((score) => score >= 0.5), labels]),
    majority: steps.length === 0 ? null : Math.max(correct, steps.length - correct) / steps.length,
    firstErrorAccuracy: ratioEstimate(questions.map((paths) => [paths.filter(findsFirstError).length, paths.length])),
    firstErrorF1: firstErrorF1(questions.flat()),
    aucOutcome: aucs(questions, isRight, path),
    aucTrue: knowsTruth ? aucs(questions, ({ truth }) => truth?.every(Boolean) === true, path) : null,
    trueSteps: knowsTruth
      ? {
          scores: agreement(questions, ({ scores, truth }) => [scores.map((score) => score >= 0.5), truth ?? []]),
          labels: agreement(questions, ({ labels, truth }) => [labels, truth ?? []]),
        }
      : null,
    ...calibration(steps),
  };
}

function judge({ question, samples, labels, scores }: FigureItem, task: Task, rule: LabelRule): Judged[] {
  const byId = new Map(samples.map((sample) => [sample.id, sample]));
  const latest = new Map(labels.map((record) => [record.sampleId, record]));
  return [...latest.values()].flatMap((record) => {
    const sample = byId.get(record.sampleId);
    const own = scores.get(record.sampleId);
    if (sample === undefined || own === undefined) return [];
    const truth = task.trueSteps?.(question, sample.steps) ?? null;
    return [{ sample, scores: own, labels: hardLabels(record, rule), tallyMean: tallyMean(record), truth }];
  });
}

/** Mean share of right rollouts over the steps before the last; an implied step counts 1, a path of one step a half. */
function tallyMean({ steps }: StepLabels): number {
  const before = steps.slice(0, -1).map(({ correct, run, impliedBy }) => (impliedBy !== null ? 1 : run === 0 ? 0 : correct / run));
  return before.length === 0 ? 0.5 : before.reduce((sum, value) => sum + value, 0) / before.length;
}

function agreement(questions: readonly (readonly Judged[])[], of: (path: Judged) => [readonly boolean[], readonly boolean[]]): Estimate {
  return ratioEstimate(
    questions.map((paths) => {
      let [same, all] = [0, 0];
      for (const path of paths) {
        const [said, known] = of(path);
        const n = Math.min(said.length, known.length);
        for (let j = 0; j < n; j += 1) same += said[j] === known[j] ? 1 : 0;
        all += n;
      }
      return [same, all];
    }),
  );
}

function firstWrong({ labels }: Judged): number {
  return labels.indexOf(false);
}

function findsFirstError(path: Judged): boolean {
  return firstError(path.scores) === firstWrong(path);
}

function firstErrorF1(paths: readonly Judged[]): number | null {
  const share = (some: readonly Judged[]) => (some.length === 0 ? null : some.filter(findsFirstError).length / some.length);
  const [wrong, clean] = [share(paths.filter((path) => firstWrong(path) !== -1)), share(paths.filter((path) => firstWrong(path) === -1))];
  if (wrong === null || clean === null) return null;
  return wrong + clean === 0 ? 0 : (2 * wrong * clean) / (wrong + clean);
}

function aucs(questions: readonly (readonly Judged[])[], isGood: (path: Judged) => boolean, rule: PathScoreRule): ScoreFigures['aucOutcome'] {
  const auc = (value: (path: Judged) => number) => ratioEstimate(questions.map((paths) => withinAuc(paths, isGood, value)).filter((entry) => entry !== null));
  return {
    scores: auc(({ scores }) => pathScore(scores, rule)),
    tallies: auc(({ tallyMean }) => tallyMean),
    meanLogp: auc(({ sample }) => (sample.sumLogp === null ? 0 : sample.sumLogp / Math.max(1, sample.tokens))),
    shortness: auc(({ sample }) => -sample.tokens),
  };
}

function withinAuc(paths: readonly Judged[], isGood: (path: Judged) => boolean, value: (path: Judged) => number): [number, number] | null {
  const good = paths.filter(isGood).map(value);
  const bad = paths.filter((path) => !isGood(path)).map(value);
  if (good.length === 0 || bad.length === 0) return null;
  const wins = good.reduce((sum, a) => sum + bad.reduce((inner, b) => inner + (a > b ? 1 : a === b ? 0.5 : 0), 0), 0);
  return [wins / (good.length * bad.length), 1];
}

function calibration(steps: readonly { score: number; correct: boolean }[]): Pick<ScoreFigures, 'calibration' | 'calibrationError'> {
  const bins = Array.from({ length: 10 }, () => ({ n: 0, score: 0, correct: 0 }));
  for (const { score, correct } of steps) {
    const bin = bins[Math.min(9, Math.max(0, Math.floor(score * 10)))];
    if (bin === undefined) continue;
    bin.n += 1;
    bin.score += score;
    bin.correct += Number(correct);
  }
  const filled = bins.map(({ n, score, correct }) => (n === 0 ? { n, score: 0, correct: 0 } : { n, score: score / n, correct: correct / n }));
  const error = filled.reduce((sum, { n, score, correct }) => sum + n * Math.abs(score - correct), 0);
  return { calibration: filled, calibrationError: steps.length === 0 ? null : error / steps.length };
}

/** Warnings where the scores cannot help the loop. */
export function figureWarnings(figures: ScoreFigures): string[] {
  const { aucOutcome, stepAccuracy, majority } = figures;
  const { scores, meanLogp, shortness } = aucOutcome;
  const warnings: string[] = [];
  if (figures.questions === 0) return ['No held-out question has labelled paths: nothing tells how good the PRM is. Raise labels.paths or labels.heldOut.'];
  if (scores === null) return ['No held-out question has both a right and a wrong labelled path: nothing tells whether the scores rank paths. Raise labels.paths.'];
  if (scores.ci95[0] <= 0.5) {
    warnings.push(`The scores do not rank the paths of a question better than chance: within-question AUC ${range(scores)}. Label more paths, or use a larger verifier.`);
  }
  for (const [name, cheap] of [['mean log-probability', meanLogp], ['shortness', shortness]] as const) {
    if (cheap === null || scores.value > cheap.value) continue;
    warnings.push(`The scores rank paths no better than their ${name}: within-question AUC ${range(scores)} against ${range(cheap)}. Compare with --scorer logprob before trusting the PRM.`);
  }
  if (stepAccuracy !== null && majority !== null && stepAccuracy.value <= majority) {
    warnings.push(`Always saying the commoner label is as good as the scores: step accuracy ${range(stepAccuracy)} against ${majority.toFixed(3)}.`);
  }
  return warnings;
}

function range({ value, ci95 }: NonNullable<Estimate>): string {
  return `${value.toFixed(3)} (${ci95[0].toFixed(3)} to ${ci95[1].toFixed(3)})`;
}
