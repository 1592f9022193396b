// The labels and scores of a question's paths -> what the figures of a scorer rest on.

import type { Sample } from '../records.ts';
import type { FigurePath } from '../statistics/prm-figures.ts';
import { type Task, taskOf } from '../task.ts';
import { CHEAP_RANKS } from './cheap-ranks.ts';
import { type PathScoreRule, pathScoring } from './path-score.ts';
import { hardLabels, type LabelledQuestion, type LabelRule, latestLabels } from './step-labels.ts';

export interface FigureRules {
  /** null: no step can be checked. */
  readonly task: Task | null;
  readonly labels: LabelRule;
  readonly score: PathScoreRule;
}

/** The labelled and scored paths of a question, for the figures of a scorer. `scores`: step scores by sample id. */
export function figurePaths(
  item: LabelledQuestion,
  scores: ReadonlyMap<string, readonly number[]>,
  rules: FigureRules,
): FigurePath[] {
  return sampledFigurePaths(item, scores, rules).map(({ figure }) => figure);
}

/** As `figurePaths`, each with its sample. */
export function sampledFigurePaths(
  { question, samples, labels }: LabelledQuestion,
  scores: ReadonlyMap<string, readonly number[]>,
  { task, ...rules }: FigureRules,
): { readonly sample: Sample; readonly figure: FigurePath }[] {
  const byId = new Map(samples.map((sample) => [sample.id, sample]));
  const scoreOf = pathScoring(rules.score, samples);
  return [...latestLabels(labels).values()].flatMap((record) => {
    const sample = byId.get(record.sampleId);
    const own = scores.get(record.sampleId);
    if (sample === undefined || own === undefined) return [];
    const path = { question, sample, labels: record };
    const figure = {
      right: sample.outcome.kind === 'right',
      scores: own,
      labels: hardLabels(record, rules.labels),
      labelTokens: record.rolloutTokens,
      truth: (task && taskOf(task, question).trueSteps?.(question, sample.steps)) ?? null,
      ranks: {
        scores: scoreOf(own),
        tallies: CHEAP_RANKS.tallies(path),
        meanLogp: CHEAP_RANKS.meanLogp(path),
        shortness: CHEAP_RANKS.shortness(path),
      },
    };
    return [{ sample, figure }];
  });
}
