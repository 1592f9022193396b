// The labels and scores of a question's paths -> what the figures of a scorer rest on.
import type { FigurePath } from '../statistics/prm-figures.ts';
import { type Task, taskOf } from '../task.ts';
import { CHEAP_RANKS } from './cheap-ranks.ts';
import { type PathScoreRule, pathScoring } from './path-score.ts';
import { hardLabels, type LabelledQuestion, type LabelRule, latestLabels } from './step-labels.ts';

/** The labelled and scored paths of a question, for the figures of a scorer. `scores`: step scores by sample id. */
export function figurePaths(
  { question, samples, labels }: LabelledQuestion,
  scores: ReadonlyMap<string, readonly number[]>,
  rules: { readonly task: Task; readonly labels: LabelRule; readonly score: PathScoreRule },
): FigurePath[] {
  const byId = new Map(samples.map((sample) => [sample.id, sample]));
  const scoreOf = pathScoring(rules.score, samples);
  return [...latestLabels(labels).values()].flatMap((record) => {
    const sample = byId.get(record.sampleId);
    const own = scores.get(record.sampleId);
    if (sample === undefined || own === undefined) return [];
    const path = { question, sample, labels: record };
    return {
      right: sample.outcome.kind === 'right',
      scores: own,
      labels: hardLabels(record, rules.labels),
      labelTokens: record.rolloutTokens,
      truth: taskOf(rules.task, question).trueSteps?.(question, sample.steps) ?? null,
      ranks: {
        scores: scoreOf(own),
        tallies: CHEAP_RANKS.tallies(path),
        meanLogp: CHEAP_RANKS.meanLogp(path),
        shortness: CHEAP_RANKS.shortness(path),
      },
    };
  });
}
