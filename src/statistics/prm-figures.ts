// Step scores, labels and samples of held-out questions -> how good the scores are, beside cheap scorers. Pure; leaves reading files to evaluate.ts.
import { z } from 'zod';
import { hardLabels, type LabelRule, type PathScoreRule, pathScore } from '../method/step-labels.ts';
import { createRandom } from '../random.ts';
import { Estimate, type Question, type Sample, type StepLabels } from '../records.ts';
import { type Task, taskOf } from '../task.ts';
import {
  type BootstrapOptions,
  bootstrap,
  calibration,
  type FirstError,
  firstErrorAt,
  firstErrorF1,
  type Scored,
  stepAccuracy,
  withinGroupAuc,
} from './intervals.ts';

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
  firstErrorF1: Estimate,
  /** Within a question: P(score of a right path > score of a wrong one), ties a half, pooled over its pairs. Tallies without the last step, which is the outcome itself. */
  aucOutcome: Aucs,
  /** The same for "every step is true", and accuracies against true steps, where the task knows them. */
  aucTrue: Aucs.nullable(),
  trueSteps: z.object({ scores: Estimate, labels: Estimate }).nullable(),
  /** Ten bins of step scores: how many, their mean, and the share labelled correct. */
  calibration: z.object({
    ece: z.number().nullable(),
    bins: z.array(
      z.object({
        from: z.number(),
        to: z.number(),
        n: z.number().int(),
        score: z.number().nullable(),
        frequency: z.number().nullable(),
      }),
    ),
  }),
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
  const steps = questions
    .flat()
    .flatMap(({ scores, labels }) => scores.map((score, j) => ({ score, target: Number(labels[j]) })));
  const correct = steps.reduce((sum, { target }) => sum + target, 0);
  const truths = questions
    .map((paths) => paths.filter(({ truth }) => truth !== null))
    .filter((paths) => paths.length > 0);
  return {
    questions: questions.length,
    paths: questions.flat().length,
    steps: steps.length,
    stepAccuracy: stepAccuracy(
      questions.map((paths) => paths.flatMap(({ scores, labels }) => against(scores, labels))),
      options(),
    ),
    majority: steps.length === 0 ? null : Math.max(correct, steps.length - correct) / steps.length,
    firstErrorAccuracy: firstErrors(questions),
    firstErrorF1: firstErrorF1(
      questions.map((paths) => paths.map(firstErrorOf)),
      options(),
    ),
    aucOutcome: aucs(questions, ({ sample }) => sample.outcome.kind === 'right', path),
    aucTrue: truths.length === 0 ? null : aucs(truths, ({ truth }) => truth?.every(Boolean) === true, path),
    trueSteps:
      truths.length === 0
        ? null
        : {
            scores: stepAccuracy(
              truths.map((paths) => paths.flatMap(({ scores, truth }) => against(scores, truth ?? []))),
              options(),
            ),
            labels: stepAccuracy(
              truths.map((paths) => paths.flatMap(({ labels, truth }) => against(labels.map(Number), truth ?? []))),
              options(),
            ),
          },
    calibration: asPlain(calibration(steps)),
  };
}

/** Intervals come from the same resamples in every run. */
function options(): BootstrapOptions {
  return { random: createRandom('prm-figures') };
}

function asPlain({ ece, bins }: ReturnType<typeof calibration>): ScoreFigures['calibration'] {
  return { ece, bins: bins.map((bin) => ({ ...bin })) };
}

function against(scores: readonly number[], known: readonly boolean[]): Scored[] {
  return scores.flatMap((score, j) => (known[j] === undefined ? [] : [{ score, positive: known[j] }]));
}

function firstErrorOf({ scores, labels }: Judged): FirstError {
  return { predicted: firstErrorAt(scores), label: labels.indexOf(false) };
}

function firstErrors(questions: readonly (readonly Judged[])[]): Estimate {
  const groups = questions.map((paths) => paths.map(firstErrorOf));
  const share = (chosen: readonly (readonly FirstError[])[]) => {
    const all = chosen.flat();
    return all.length === 0 ? null : all.filter(({ predicted, label }) => predicted === label).length / all.length;
  };
  const [value, ci95] = [share(groups), bootstrap(groups, share, options())];
  return value === null || ci95 === null ? null : { value, ci95, n: groups.length };
}

function judge({ question, samples, labels, scores }: FigureItem, task: Task, rule: LabelRule): Judged[] {
  const byId = new Map(samples.map((sample) => [sample.id, sample]));
  const latest = new Map(labels.map((record) => [record.sampleId, record]));
  return [...latest.values()].flatMap((record) => {
    const sample = byId.get(record.sampleId);
    const own = scores.get(record.sampleId);
    if (sample === undefined || own === undefined) return [];
    const truth = taskOf(task, question).trueSteps?.(question, sample.steps) ?? null;
    return [{ sample, scores: own, labels: hardLabels(record, rule), tallyMean: tallyMean(record), truth }];
  });
}

/** Mean share of right rollouts over the steps before the last; an implied step counts 1, a path of one step a half. Stopped scans count 1 / run. */
function tallyMean({ steps }: StepLabels): number {
  const before = steps
    .slice(0, -1)
    .map(({ correct, run, impliedBy }) => (impliedBy !== null ? 1 : run === 0 ? 0 : correct / run));
  return before.length === 0 ? 0.5 : before.reduce((sum, value) => sum + value, 0) / before.length;
}

function aucs(
  questions: readonly (readonly Judged[])[],
  isGood: (path: Judged) => boolean,
  rule: PathScoreRule,
): ScoreFigures['aucOutcome'] {
  const auc = (value: (path: Judged) => number) =>
    withinGroupAuc(
      questions.map((paths) => paths.map((path) => ({ score: value(path), positive: isGood(path) }))),
      options(),
    );
  return {
    scores: auc(({ scores }) => pathScore(scores, rule)),
    tallies: auc(({ tallyMean }) => tallyMean),
    meanLogp: auc(({ sample }) => (sample.sumLogp === null ? 0 : sample.sumLogp / Math.max(1, sample.tokens))),
    shortness: auc(({ sample }) => -sample.tokens),
  };
}

/** Warnings where the scores cannot help the loop. */
export function figureWarnings(figures: ScoreFigures): string[] {
  const { aucOutcome, stepAccuracy, majority } = figures;
  const { scores, meanLogp, shortness } = aucOutcome;
  const warnings: string[] = [];
  if (figures.questions === 0) {
    warnings.push(
      'No held-out question has labelled paths: nothing tells how good the PRM is. Raise labels.paths or labels.heldOut.',
    );
    return warnings;
  }
  if (scores === null) {
    warnings.push(
      'No held-out question has both a right and a wrong labelled path: nothing tells whether the scores rank paths. Raise labels.paths.',
    );
    return warnings;
  }
  if (scores.ci95[0] <= 0.5) {
    warnings.push(
      `The scores do not rank the paths of a question better than chance: within-question AUC ${range(scores)}. Label more paths, or use a larger verifier.`,
    );
  }
  for (const [name, cheap] of [
    ['mean log-probability', meanLogp],
    ['shortness', shortness],
  ] as const) {
    if (cheap === null || scores.value > cheap.value) continue;
    warnings.push(
      `The scores rank paths no better than their ${name}: within-question AUC ${range(scores)} against ${range(cheap)}. Compare with --scorer logprob before trusting the PRM.`,
    );
  }
  if (stepAccuracy !== null && majority !== null && stepAccuracy.value <= majority) {
    warnings.push(
      `Always saying the commoner label is as good as the scores: step accuracy ${range(stepAccuracy)} against ${majority.toFixed(3)}.`,
    );
  }
  return warnings;
}

function range({ value, ci95 }: NonNullable<Estimate>): string {
  return `${value.toFixed(3)} (${ci95[0].toFixed(3)} to ${ci95[1].toFixed(3)})`;
}
