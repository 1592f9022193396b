// Stage 4: all samples so far and a scorer -> step scores. Leaves the path score (mean, min, product, last) to whoever reads them.

import { z } from 'zod';
import type { Policy, ProcessRewardModel } from '../backend.ts';
import { described } from '../described.ts';
import { SipfError } from '../errors.ts';
import { keyedOrder } from '../hashing.ts';
import { MOST } from '../limits.ts';
import type { Question, Sample, StepLabels, StepScores } from '../records.ts';
import type { StageOutput } from '../run/units.ts';
import { type Task, taskOf } from '../task.ts';
import { fitsContext } from './fits.ts';
import type { BuildPrompt } from './prompt.ts';
import { calibratedScore, type StepCalibration } from './step-calibration.ts';
import { stepEvidence } from './step-evidence.ts';
import { softLabels } from './step-labels.ts';

export const ScoreOptions = z.strictObject({
  scorer: described(
    z.enum(['prm', 'prm-logprob', 'tallies', 'logprob', 'oracle']).default('prm'),
    "Where step scores come from. prm: the trained model. prm-logprob: that model weighed with the policy's own log-probabilities by a regression on labelled steps. tallies: the rollouts themselves, of labelled paths only. logprob: the policy's mean log-probability. oracle: true steps, where a task knows them. Try prm-logprob where the PRM alone ranks no better than chance.",
  ),
  path: described(
    z.enum(['mean', 'min', 'product', 'last']).default('mean'),
    "How step scores make a path's score. Take min or product where one wrong step spoils a path.",
  ),
  unit: described(
    z.number().int().positive().max(MOST.unit).default(32),
    'Questions that are scored and saved together. Lower it to lose less work at a stop.',
  ),
});
export type ScoreOptions = z.infer<typeof ScoreOptions>;

export interface ScoreItem {
  readonly question: Question;
  readonly samples: readonly Sample[];
  /** For the tallies scorer. */
  readonly labels: readonly StepLabels[];
}

/** What scores: a model, the policy, the labels themselves, or nothing but the final answer. */
export type Scorer =
  | { readonly kind: 'prm'; readonly prm: ProcessRewardModel }
  | {
      readonly kind: 'prm-logprob';
      readonly prm: ProcessRewardModel;
      readonly policy: Policy;
      readonly calibration: StepCalibration;
    }
  | { readonly kind: 'logprob'; readonly policy: Policy }
  | { readonly kind: 'tallies' }
  | { readonly kind: 'oracle' }
  | { readonly kind: 'outcome' };

export interface ScoreContext {
  readonly scorer: Scorer;
  readonly task: Task;
  readonly prompt: BuildPrompt;
  readonly signal?: AbortSignal | undefined;
}

/** Scores the samples of one unit of questions. */
export async function scoreUnit(items: readonly ScoreItem[], context: ScoreContext): Promise<StageOutput<StepScores>> {
  const { fitting, tooLong } = await withoutTooLong(items, modelsOf(context.scorer), context);
  const scored = new Map((await recordsOf(fitting, context)).map((record) => [record.sampleId, record]));
  const samples = items.flatMap((item) => item.samples);
  const scoredTokens = await tokensRead(fitting, modelsOf(context.scorer), context.prompt);
  const counts = { paths: scored.size, unscored: samples.length - scored.size, scoredTokens };
  const records = samples.flatMap((sample) => {
    const record = tooLong.has(sample) ? withoutScores(sample, context.scorer) : scored.get(sample.id);
    return record === undefined ? [] : [record];
  });
  return { records, counts: tooLong.size === 0 ? counts : { ...counts, pathsTooLong: tooLong.size } };
}

function withoutScores({ id, questionId }: Sample, scorer: Scorer): StepScores {
  const prm = 'prm' in scorer ? scorer.prm.hash : null;
  return { sampleId: id, questionId, scorer: scorer.kind, prm, scores: null };
}

type Reader = Policy | ProcessRewardModel;

/** Sets aside the paths that the context of one of the models does not hold. */
export async function withoutTooLong<T extends Pick<ScoreItem, 'question' | 'samples'>>(
  items: readonly T[],
  models: readonly Reader[],
  { task, prompt }: Pick<ScoreContext, 'task' | 'prompt'>,
): Promise<{ fitting: readonly T[]; tooLong: ReadonlySet<Sample> }> {
  const paths = items.flatMap(({ question, samples }) => samples.map((sample) => ({ question, sample })));
  const tooLong = new Set<Sample>();
  for (const model of models) {
    const texts = paths.map(({ question, sample }) => [
      prompt(question),
      ...taskOf(task, question).pieces(sample.steps),
    ]);
    for (const [n, fits] of (await fitsContext(model, texts)).entries()) if (!fits) tooLong.add(paths[n]!.sample);
  }
  const fitting = items.map((item) => ({ ...item, samples: item.samples.filter((sample) => !tooLong.has(sample)) }));
  return { fitting, tooLong };
}

function modelsOf(scorer: Scorer): readonly Reader[] {
  if (scorer.kind === 'prm-logprob') return [scorer.prm, scorer.policy];
  return scorer.kind === 'prm' ? [scorer.prm] : scorer.kind === 'logprob' ? [scorer.policy] : [];
}

/** What each scoring model reads: a question's prompt once, and its paths. */
export async function tokensRead(
  items: readonly Pick<ScoreItem, 'question' | 'samples'>[],
  models: readonly Pick<Policy, 'countTokens'>[],
  prompt: BuildPrompt,
): Promise<number> {
  let read = 0;
  for (const model of models) {
    const prompts = await model.countTokens(items.map(({ question }) => prompt(question)));
    const paths = items.flatMap((item) => item.samples.map(({ tokens }) => tokens));
    read += [...prompts, ...paths].reduce((sum, tokens) => sum + tokens, 0);
  }
  return read;
}

async function recordsOf(
  items: readonly ScoreItem[],
  { scorer, task, prompt, signal }: ScoreContext,
): Promise<StepScores[]> {
  const paths = items.flatMap(({ question, samples }) => samples.map((sample) => ({ question, sample })));
  if (scorer.kind === 'tallies') return items.flatMap((item) => scoreByTallies(item));
  if (scorer.kind === 'outcome') {
    return paths.map(({ sample }) =>
      scoresOf(
        sample,
        'outcome',
        null,
        sample.steps.map(() => Number(sample.outcome.kind === 'right')),
      ),
    );
  }
  if (scorer.kind === 'oracle') {
    return paths.map(({ question, sample }) => scoresOf(sample, 'oracle', null, truthOf(task, question, sample)));
  }
  if (scorer.kind === 'prm') {
    const scores = await scorer.prm.score(
      paths.map(({ question, sample }) => ({
        prompt: prompt(question),
        steps: taskOf(task, question).pieces(sample.steps),
      })),
      { signal },
    );
    return paths.map(({ sample }, index) => scoresOf(sample, 'prm', scorer.prm.hash, scores[index] ?? []));
  }
  if (scorer.kind === 'prm-logprob') {
    const evidence = await stepEvidence(paths, { ...scorer, task, prompt, signal });
    return paths.map(({ sample }, index) => {
      const scores = (evidence[index] ?? []).map((step) => calibratedScore(step, scorer.calibration));
      return scoresOf(sample, 'prm-logprob', scorer.prm.hash, scores);
    });
  }
  const logps = await scorer.policy.logps(
    paths.map(({ question, sample }) => ({
      context: [prompt(question)],
      completion: taskOf(task, question).pieces(sample.steps).join(''),
    })),
    { signal },
  );
  return paths.map(({ sample }, index) => {
    const value = Math.exp(mean(logps[index] ?? []));
    return scoresOf(
      sample,
      'logprob',
      null,
      sample.steps.map(() => value),
    );
  });
}

function truthOf(task: Task, question: Question, { steps }: Sample): number[] {
  const truth = taskOf(task, question).trueSteps?.(question, steps) ?? null;
  if (truth !== null) return truth.map(Number);
  throw new SipfError(
    'unsupported',
    `Expected a task that knows which steps are true for the scorer oracle, got ${task.name}. Choose another score.scorer.`,
  );
}

/** tally / K of each step (the last step's is the outcome); a gold path scores 1 throughout. */
function scoreByTallies({ samples, labels }: ScoreItem): StepScores[] {
  const latest = new Map(labels.map((record) => [record.sampleId, record]));
  return samples.flatMap((sample) => {
    const record = latest.get(sample.id);
    const gold = sample.steps.map(() => 1);
    if (sample.source === 'gold') return [scoresOf(sample, 'tallies', null, gold)];
    return record === undefined ? [] : [scoresOf(sample, 'tallies', null, softLabels(record))];
  });
}

function scoresOf(
  sample: Sample,
  scorer: StepScores['scorer'],
  prm: string | null,
  scores: readonly number[],
): StepScores {
  if (scores.length !== sample.steps.length || !scores.every(Number.isFinite)) {
    throw new SipfError(
      'bad-input',
      `Expected ${sample.steps.length} finite step scores for ${sample.id}, got ${JSON.stringify(scores).slice(0, 120)}. Check that the PRM was trained with this task's step format.`,
    );
  }
  return { sampleId: sample.id, questionId: sample.questionId, scorer, prm, scores: [...scores] };
}

/** Shuffles whole score lists among paths of equal outcome of one question (the random-pairs control). A step count may differ: the path score is what moves. */
export function shuffleScores(
  scores: ReadonlyMap<string, number>,
  samples: readonly Pick<Sample, 'id' | 'outcome'>[],
  key: string,
): Map<string, number> {
  const shuffled = new Map<string, number>();
  for (const right of [true, false]) {
    const ids = samples
      .filter(({ id, outcome }) => scores.has(id) && (outcome.kind === 'right') === right)
      .map(({ id }) => id);
    const donors = keyedOrder(ids, key, (id) => id);
    for (const [index, id] of ids.entries()) shuffled.set(id, scores.get(donors[index] ?? id) ?? 0);
  }
  return shuffled;
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + value, 0) / values.length;
}
