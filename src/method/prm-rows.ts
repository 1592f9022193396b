// Stage 3: step labels and their paths -> the rows that train a process reward model.
import { z } from 'zod';
import type { PrmExample } from '../backend.ts';
import { described, traceless } from '../described.ts';
import { SipfError } from '../errors.ts';
import { isForCalibration, isHeldOut } from '../hashing.ts';
import type { StepLabels } from '../records.ts';
import { sum } from '../statistics/intervals.ts';
import { taskOf } from '../task.ts';
import { TrainSettings } from '../train-settings.ts';
import { isEmptyPath, type ReadContext } from './context-length.ts';
import { DenoiseOptions, denoisedTargets, isHopeless } from './denoise.ts';
import { hardLabels, type LabelledQuestion, type LabelRule, latestLabels, softLabels } from './step-labels.ts';

/** Stage 3: what the process reward model learns, and how. */
export const PrmOptions = z.strictObject({
  targets: described(
    z.enum(['hard', 'soft']).default('hard'),
    'What the PRM learns of a step. hard: correct or not. soft: the share of right rollouts, which costs all K of them. Take soft where rollouts are cheap and steps are rarely clear.',
  ),
  gold: described(
    z.boolean().default(true),
    "Worked solutions of labelled questions count as paths whose every step is correct. Set it false where solutions are written unlike the model's own paths.",
  ),
  denoise: described(
    DenoiseOptions.nullable().default(null),
    'Learns from the labels that rollouts get right most often: not of near-hopeless questions, of right paths by their outcome, of others softly around their first error. null: all labels as they are. Use it ({}) where step labels often miss the first error; with labels.ownWitness right paths cost no rollouts.',
  ),
  headBias: described(
    traceless(true),
    "The PRM's head has a bias. Set it false where the PRM is to be exported as a causal LM (sipf export --to prm-lm): output heads have none.",
  ),
  train: described(TrainSettings.prefault({}), 'How the PRM trains.'),
});
export type PrmOptions = z.infer<typeof PrmOptions>;

interface PrmRowsArgs extends ReadContext {
  readonly targets: PrmOptions['targets'];
  readonly rule: LabelRule;
  readonly gold: boolean;
  readonly denoise?: PrmOptions['denoise'] | undefined;
  readonly heldOut: number;
  /** Leave the questions for calibration out, too. */
  readonly calibrates: boolean;
}

/**
 * PRM training rows from all labels so far. Questions that are held out (or for calibration, where `calibrates`) give none.
 * @throws SipfError 'bad-input' for labels without their sample, and for labels that are too incomplete for `targets` or `rule`.
 * @example
 * const { examples } = await prmRows(labelled, { task, prompt, targets: 'hard', rule: config.labels, gold: true, heldOut: 0.1, calibrates: false });
 */
export async function prmRows(
  questions: AsyncIterable<LabelledQuestion> | Iterable<LabelledQuestion>,
  args: PrmRowsArgs,
) {
  const { task, prompt, denoise } = args;
  const examples: PrmExample[] = [];
  const counts = { paths: 0, gold: 0, heldOutPaths: 0, calibrationPaths: 0, steps: 0, correctSteps: 0 };
  const hopeless = { hopelessPaths: 0 };
  for await (const labelled of questions) {
    const { question, samples } = labelled;
    const latest = latestLabels(labelled.labels);
    const apart = whyApart(question.id, args);
    if (apart !== null) {
      counts[apart] += latest.size;
      continue;
    }
    if (denoise && isHopeless(samples, denoise)) {
      hopeless.hopelessPaths += latest.size;
      continue;
    }
    for (const { counted, steps, targets } of taughtPaths(labelled, latest, args)) {
      examples.push({ kind: 'prm', prompt: prompt(question), steps: taskOf(task, question).pieces(steps), targets });
      counts[counted] += 1;
      counts.steps += targets.length;
      counts.correctSteps += sum(targets);
    }
  }
  return { examples, counts: denoise ? { ...counts, ...hopeless } : counts };
}

export type PrmRows = Awaited<ReturnType<typeof prmRows>>;

/** Where the paths of a question that trains no PRM are counted; null: it trains one. */
function whyApart(
  questionId: string,
  { heldOut, calibrates }: PrmRowsArgs,
): 'heldOutPaths' | 'calibrationPaths' | null {
  if (isHeldOut(questionId, heldOut)) return 'heldOutPaths';
  return calibrates && isForCalibration(questionId, heldOut) ? 'calibrationPaths' : null;
}

interface TaughtPath {
  readonly counted: 'paths' | 'gold';
  readonly steps: readonly string[];
  readonly targets: readonly number[];
}

/** The labelled paths of a question that have text, then its worked solution, whose every step is correct. */
function taughtPaths(
  { question, samples }: LabelledQuestion,
  latest: ReadonlyMap<string, StepLabels>,
  args: PrmRowsArgs,
): TaughtPath[] {
  const byId = new Map(samples.map((sample) => [sample.id, sample]));
  const paths = [...latest.values()].flatMap((record): TaughtPath[] => {
    const { steps } = byId.get(record.sampleId) ?? missingSample(record);
    if (isEmptyPath({ steps })) return [];
    return [{ counted: 'paths', steps, targets: targetsOf(record, args) }];
  });
  const { solution } = question;
  if (!args.gold || paths.length === 0 || solution === undefined) return paths;
  return [...paths, { counted: 'gold', steps: solution, targets: solution.map(() => 1) }];
}

function targetsOf(record: StepLabels, { targets, rule, denoise }: PrmRowsArgs): number[] {
  if (denoise) return denoisedTargets(record, { rule, targets, distance: denoise.distance });
  return targets === 'soft' ? softLabels(record) : hardLabels(record, rule).map(Number);
}

/**
 * Warnings where nearly all labels are alike. `learner`: what learns them.
 * @throws SipfError 'nothing-left' where there is no labelled path to learn from.
 */
export function checkPrmRows({ examples, counts }: PrmRows, learner = 'PRM'): string[] {
  if (counts.paths === 0 || examples.length === 0) {
    const hopeless = 'hopelessPaths' in counts ? counts.hopelessPaths : 0;
    const got = hopeless === 0 ? 'none' : `none but ${hopeless} of near-hopeless questions`;
    const fix = hopeless === 0 ? '' : 'Lower prm.denoise.minRight. ';
    throw new SipfError(
      'nothing-left',
      `Expected labelled paths to train the ${learner}, got ${got}. ${fix}Raise labels.paths or sampling.samples, or lower labels.heldOut.`,
    );
  }
  const warnings: string[] = [];
  const share = counts.correctSteps / Math.max(1, counts.steps);
  if (share < 0.02)
    warnings.push(
      `Only ${percent(share)} of the step labels are correct: the ${learner} has next to nothing to tell apart. Use easier questions, a stronger simulator or a longer warm-up.`,
    );
  if (share > 0.98)
    warnings.push(
      `${percent(share)} of the step labels are correct: the ${learner} has next to nothing to tell apart. Use harder questions or a higher sampling.temperature.`,
    );
  return warnings;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function missingSample(record: StepLabels): never {
  throw new SipfError(
    'bad-input',
    `Expected the sample ${record.sampleId} that these labels are about, got labels alone. Give the samples file that the labels were made from.`,
  );
}
