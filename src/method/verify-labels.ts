// A process reward model's step scores -> the two steps whose rollouts settle a path (SAPO).
import type { ProcessRewardModel } from '../backend.ts';
import { type QuestionPaths, type ReadContext, textsOf, tokensRead, withoutUnreadable } from './context-length.ts';
import type { ScannedPath } from './path-scan.ts';

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
  return { proposed: new Map(proposed), scoredTokens: await tokensRead(readable, [prm], context) };
}

/** Where the scan begins and ends. A step that is settled as wrong is itself the first error, unless one before it is proposed. */
export function scanOf(
  tallies: ScannedPath['tallies'],
  proposal: number | null,
): Pick<ScannedPath, 'at' | 'from' | 'proposed'> {
  const last = tallies.lastIndexOf(null);
  if (proposal === null) return { at: last, from: 0, proposed: null };
  const isSettled = last < tallies.length - 1;
  const proposed = isSettled ? Math.min(proposal, last + 1) : proposal;
  return { at: Math.min(proposed, last), from: Math.max(0, proposed - 1), proposed };
}

/**
 * Settles the steps that were not verified. Those before are taken as correct. Those after the proposed one are correct only where it is, and the
 * path's answer is right: else the first error is the proposed step, the one before it, or the one after.
 */
export function assumeOthers({ sample, proposed, tallies }: ScannedPath, delta: number): void {
  if (proposed === null) return;
  const restIsCorrect = (tallies[proposed]?.correct ?? 0) > delta && sample.outcome.kind === 'right';
  for (const [j, tally] of tallies.entries())
    tallies[j] = tally ?? { ...UNKNOWN, assumed: j < proposed || restIsCorrect };
}

const UNKNOWN = { correct: 0, run: 0, stop: 'first-success', impliedBy: null } as const;
