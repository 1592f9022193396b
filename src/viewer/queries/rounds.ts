// A run -> its rounds with figures, costs beside the dry run's formulas, and warnings.
import { isOnlyCheck } from '../../config/presets.ts';
import type { RunView } from '../../pipeline/run-reader.ts';
import type { RoundRow, RoundsReply, Warning } from '../api.ts';
import { estimatedCosts, type QuestionCounts } from './estimated-costs.ts';
import { doneStages, stageCosts } from './stage-costs.ts';

/** `seconds`: of each stage, by `iteration/stage`. */
export async function roundsReply(
  view: RunView,
  seconds: ReadonlyMap<string, number>,
  questions: QuestionCounts,
): Promise<RoundsReply> {
  const { dir, config, final } = view;
  const rounds: RoundRow[] = [];
  for (const { iteration, report, seconds: whole } of view.rounds) {
    const done = await doneStages(dir, iteration);
    const spent = stageCosts(done, iteration, seconds);
    const estimated = estimatedCosts({ config, iteration, questions, done, spent, report });
    rounds.push({ iteration, report, seconds: whole, stages: spent, estimated });
  }
  return { rounds, final, warnings: warningsOf(view), onlyCheck: isOnlyCheck(config) };
}

/** The train questions of a run; those with a worked solution among them. */
export async function countQuestions(view: Pick<RunView, 'questions'>): Promise<QuestionCounts> {
  let [train, solved] = [0, 0];
  for await (const { solution } of view.questions()) {
    train += 1;
    if (solution !== undefined && solution.length > 0) solved += 1;
  }
  return { train, solved };
}

/** Each once, in the order in which they came first. */
export function warningsOf({ rounds, final }: Pick<RunView, 'rounds' | 'final'>): Warning[] {
  const found = new Map<string, (number | 'final')[]>();
  const add = (texts: readonly string[], where: number | 'final') => {
    for (const text of texts) found.set(text, [...(found.get(text) ?? []), where]);
  };
  for (const { iteration, report } of rounds) add(report?.warnings ?? [], iteration);
  add(final?.warnings ?? [], 'final');
  return [...found].map(([text, where]) => ({ text, where }));
}
