// A pass's placements -> where its tokens are predicted. Knows no objective.
import type { Placement } from './batches.ts';

/** A token to predict: the flat index of the hidden state that predicts it, and its id. */
export interface Prediction {
  readonly row: number;
  readonly target: number;
}

/** Flat index of an example's first token. */
const startOf = ({ row, offset }: Placement, seq: number): number => row * seq + offset;

/** The prompt's tokens but the first, which nothing predicts. */
export function promptPredictions(placement: Placement, seq: number): Prediction[] {
  const start = startOf(placement, seq);
  return placement.example.prompt.slice(1).map((target, t) => ({ row: start + t, target }));
}

/** A branch's tokens; the first is predicted by the prompt's last token, or not at all where the prompt is empty. */
export function branchPredictions(placement: Placement, seq: number, branch: number): Prediction[] {
  const { prompt, branches } = placement.example;
  const start = startOf(placement, seq);
  const first = start + branchStart(placement, branch);
  const ids = branches[branch] ?? [];
  const all = ids.map((target, u) => ({ row: u > 0 ? first + u - 1 : start + prompt.length - 1, target }));
  return prompt.length > 0 ? all : all.slice(1);
}

/** Flat index of token `at` of the first branch. */
export function branchIndex(placement: Placement, seq: number, at: number): number {
  return startOf(placement, seq) + branchStart(placement, 0) + at;
}

function branchStart({ example: { prompt, branches } }: Placement, branch: number): number {
  return branches.slice(0, branch).reduce((sum, { length }) => sum + length, prompt.length);
}

/** How many tokens of the prompt, and of each branch, are predicted. */
export function predictedCounts(example: Placement['example']): { prompt: number; branches: number[] } {
  const { prompt, branches } = example;
  const unpredicted = prompt.length > 0 ? 0 : 1;
  return {
    prompt: Math.max(0, prompt.length - 1),
    branches: branches.map(({ length }) => Math.max(0, length - unpredicted)),
  };
}
