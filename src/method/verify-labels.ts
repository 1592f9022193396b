// A process reward model's step scores -> the two steps whose rollouts settle a path (SAPO).
import type { ProcessRewardModel } from '../backend.ts';
import type { Sample } from '../records.ts';
import { type QuestionPaths, type ReadContext, textsOf, tokensRead, withoutUnreadable } from './context-length.ts';

/**
 * The step (from 0) that the largest drop between neighbouring scores leads to, the first of equal ones; null: there is one step.
 * @example
 * proposedError([0.9, 0.8, 0.2]); // 2
 */
export function proposedError(scores: readonly number[]): number | null {
  const drops = scores.slice(1).map((score, j) => (scores[j] ?? 0) - score);
  return drops.length === 0 ? null : drops.indexOf(Math.max(...drops)) + 1;
}

/** By sample id: the proposed first error. Paths that the model cannot read, and those of one step, have none. Counts scoredTokens. */
export async function proposeErrors(
  items: readonly QuestionPaths[],
  prm: ProcessRewardModel,
  context: ReadContext,
): Promise<{ proposed: ReadonlyMap<string, number>; scoredTokens: number }> {
  const { readable } = await withoutUnreadable(items, [prm], context);
  const paths = readable.flatMap(({ question, samples }) => samples.map((sample) => ({ question, sample })));
  const scores = await prm.score(textsOf(paths, context), { signal: context.signal });
  const proposed = paths.flatMap(({ sample }, i): [string, number][] => {
    const step = proposedError(scores[i] ?? []);
    return step === null ? [] : [[sample.id, step]];
  });
  return { proposed: new Map(proposed), scoredTokens: await tokensRead(readable, [prm], context.prompt) };
}

/**
 * What two verified steps say of the others: the steps before them are taken as correct. Those after the proposed one are correct only where it is,
 * and the path's answer is right: else the first error is at it, or just after it.
 */
export function assumedCorrect(j: number, proposed: number, isProposedCorrect: boolean, outcome: Sample['outcome']) {
  return j < proposed || (isProposedCorrect && outcome.kind === 'right');
}
