// Step scores of two paths -> where one takes its first bad step and the other a good one.

/** What makes a step bad. `start`: the value before the first step; null: unknown. */
export interface BadStepRule {
  readonly drop: number;
  readonly below: number | null;
  readonly start: number | null;
}

/** A path with its step scores. `bad`: index of its first bad step; -1: none. */
export interface ForkPath {
  readonly steps: readonly string[];
  readonly scores: readonly number[];
  readonly bad: number;
}

/** A step is bad where its score is below `below`, or at least `drop` under that of the step before. */
export function forkPath(
  steps: readonly string[],
  scores: readonly number[],
  { drop, below, start }: BadStepRule,
): ForkPath {
  const bad = scores.findIndex((score, j) => {
    const before = j === 0 ? start : (scores[j - 1] ?? null);
    return (below !== null && score < below) || (before !== null && before - score >= drop);
  });
  return { steps, scores, bad };
}

/**
 * How many steps two paths share before the rejected one takes its first bad step (Step-DPO, Lai et al. 2024). The chosen path takes another
 * step there, which is good and scores at least `eta` more. null: they do not fork like that.
 */
export function forkOf(chosen: ForkPath, rejected: ForkPath, eta: number): number | null {
  const at = rejected.bad;
  if (at === -1 || at >= chosen.steps.length || (chosen.bad !== -1 && chosen.bad <= at)) return null;
  const sharesAll = rejected.steps.slice(0, at).every((step, j) => step === chosen.steps[j]);
  const margin = (chosen.scores[at] ?? 0) - (rejected.scores[at] ?? 0);
  return sharesAll && chosen.steps[at] !== rejected.steps[at] && margin > 0 && margin >= eta ? at : null;
}
