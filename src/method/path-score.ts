// Step scores of the paths of a question -> the score of each path, from states or from progress.
import type { Sample, StepScores } from '../records.ts';
import { mean } from '../statistics/intervals.ts';
import type { ScoreOptions } from './score.ts';

/** How step scores make a path score: the paper takes the mean of the states. */
export type PathScoreRule = Pick<ScoreOptions, 'path' | 'value'>;

/** The rule among the inputs of a stage. States are not named: runs from before there was a choice stand as they are. */
export function ruleInputs({ path, value }: PathScoreRule): Record<string, unknown> {
  return value === 'state' ? { path } : { path, value };
}

/**
 * r(path) from its step scores.
 * @throws Error where there is no score.
 * @example
 * pathScore([0.5, 0.25, 1], 'min'); // 0.25
 */
export function pathScore(scores: readonly number[], path: PathScoreRule['path']): number {
  if (scores.length === 0) throw new Error('Expected at least one step score, got none.');
  if (path === 'min') return Math.min(...scores);
  if (path === 'product') return scores.reduce((product, score) => product * score, 1);
  if (path === 'last') return scores[scores.length - 1] ?? 0;
  return mean(scores);
}

/** V(question): the share of right ones among the samples that the policy drew without a hint; null where none was graded. */
export function questionValue(samples: readonly Pick<Sample, 'source' | 'outcome' | 'hinted'>[]): number | null {
  const graded = samples.filter(
    ({ source, outcome, hinted }) => source === 'policy' && outcome.kind !== 'error' && hinted === undefined,
  );
  return graded.length === 0 ? null : graded.filter(({ outcome }) => outcome.kind === 'right').length / graded.length;
}

/**
 * `[step]` 1 + the change of value at each step (the advantage of PAV, Setlur et al. 2024): 1 says no change, 1 - x a loss of x.
 * `start`: the value before the first step; null: unknown, so that the first step changes nothing.
 */
export function progress(states: readonly number[], start: number | null): number[] {
  return states.map((state, j) => 1 + state - (j === 0 ? (start ?? state) : (states[j - 1] ?? state)));
}

/** r(path) from step scores, for the paths of one question. `samples`: all that it has. */
export function pathScoring(
  { path, value }: PathScoreRule,
  samples: readonly Sample[],
): (scores: readonly number[]) => number {
  if (value === 'state') return (scores) => pathScore(scores, path);
  const start = questionValue(samples);
  return (scores) => pathScore(progress(scores, start), path);
}

/** `[step]` scores by sample id. A path that was too long to be scored has none. */
export function stepScoresById(records: readonly StepScores[]): Map<string, readonly number[]> {
  return new Map(records.flatMap(({ sampleId, scores }) => (scores === null ? [] : [[sampleId, scores] as const])));
}

/** Path scores of one question by sample id. */
export function pathScores(
  steps: ReadonlyMap<string, readonly number[]>,
  rule: PathScoreRule,
  samples: readonly Sample[],
): Map<string, number> {
  const scoreOf = pathScoring(rule, samples);
  return new Map([...steps].map(([id, scores]) => [id, scoreOf(scores)]));
}
