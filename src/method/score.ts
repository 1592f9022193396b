// Stage 4: all samples so far and a scorer -> the score of each step.
import { z } from 'zod';
import { described } from '../described.ts';
import { SipfError } from '../errors.ts';
import { keyedOrder } from '../hashing.ts';
import { MOST } from '../limits.ts';
import { type Sample, StepScores } from '../records.ts';
import type { StageOutput } from '../run/units.ts';
import { type ReadContext, tokensRead, withoutUnreadable } from './context-length.ts';
import { isConfiguredScorer, type Scorer } from './scorers.ts';
import { type LabelledQuestion, labelledPaths } from './step-labels.ts';

/** Stage 4: what scores steps, and how step scores make a path score. */
export const ScoreOptions = z.strictObject({
  scorer: described(
    z.enum(StepScores.shape.scorer.options.filter(isConfiguredScorer)).default('prm'),
    "Where step scores come from. prm: the trained model. prm-logprob: that model weighed with the policy's own log-probabilities by a regression on labelled steps. probe: a regression on the policy's hidden states, without a PRM, trained in seconds. tallies: the rollouts themselves, of labelled paths only. logprob: the policy's mean log-probability. equations: 0 from the first false equation on, else 1. likelihood: how probable the policy finds the right answer after each step. oracle: true steps, where a task knows them. Try prm-logprob or probe where the PRM alone ranks no better than chance.",
  ),
  path: described(
    z.enum(['mean', 'min', 'product', 'last']).default('mean'),
    "How step scores make a path's score. Take min or product where one wrong step spoils a path.",
  ),
  value: described(
    z.enum(['state', 'advantage']).default('state'),
    "What a step adds to the path's score. state: its own score. advantage: 1 + its change of score against the step before (before the first: the share of the question's right samples). Take advantage, with score.path min, where a path is as bad as its worst step makes it.",
  ),
  unit: described(
    z.number().int().positive().max(MOST.unit).default(32),
    'Questions that are scored and saved together. Lower it to lose less work at a stop.',
  ),
});
export type ScoreOptions = z.infer<typeof ScoreOptions>;

export interface ScoreContext extends ReadContext {
  readonly scorer: Scorer;
}

/**
 * Scores the samples of one unit of questions. A path that is too long for one of the scorer's models has `scores: null`; one without
 * text, or that the scorer knows nothing of, has no record. Counts paths, unscored, scoredTokens, pathsTooLong.
 * @throws SipfError 'bad-input' where the scorer gives another number of scores than a path has steps, or one that is not finite; what the scorer throws.
 * @example
 * await using scorer = await openScorer('oracle', {});
 * const { records } = await scoreUnit([{ question, samples, labels: [] }], { scorer, task, prompt });
 */
export async function scoreUnit(
  items: readonly LabelledQuestion[],
  context: ScoreContext,
): Promise<StageOutput<StepScores>> {
  const { scorer } = context;
  const { readable, tooLong } = await withoutUnreadable(items, scorer.models, context);
  const paths = readable.flatMap(labelledPaths);
  const { scores, tokens } = await scorer.score(paths, context);
  const scored = new Map(paths.map(({ sample }, i) => [sample, scores[i]] as const));
  const samples = items.flatMap((item) => item.samples);
  const records = samples.flatMap((sample) => {
    if (tooLong.has(sample)) return [recordOf(sample, scorer, null)];
    const own = scored.get(sample);
    return own === undefined ? [] : [recordOf(sample, scorer, checked(own, sample))];
  });
  const scoredPaths = records.length - tooLong.size;
  const counts = {
    paths: scoredPaths,
    unscored: samples.length - scoredPaths,
    scoredTokens: tokens ?? scorer.passes * (await tokensRead(readable, scorer.models, context)),
  };
  return { records, counts: tooLong.size === 0 ? counts : { ...counts, pathsTooLong: tooLong.size } };
}

function recordOf({ id, questionId }: Sample, { name, prm }: Scorer, scores: number[] | null): StepScores {
  return { sampleId: id, questionId, scorer: name, prm, scores };
}

function checked(scores: readonly number[], { id, steps }: Sample): number[] {
  if (scores.length === steps.length && scores.every(Number.isFinite)) return [...scores];
  throw new SipfError(
    'bad-input',
    `Expected ${steps.length} finite step scores for ${id}, got ${JSON.stringify(scores).slice(0, 120)}. Check that the PRM was trained with this task's step format.`,
  );
}

/** Shuffles path scores among the paths of equal outcome of one question: the random-pairs control. */
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
