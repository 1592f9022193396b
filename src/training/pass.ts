// A pass's placements -> the arrays that every training graph is fed, and where its tokens are predicted. Knows no objective.
import type { HostArray } from '../engine/runtime/session.ts';
import type { Pass, Placement } from './batches.ts';

/** Added to a score that attention must not see; finite, so that a padding row's softmax is not NaN. */
const HIDDEN = -1e9;

/** Whole numbers below 2^32 as int64, without a BigInt each. */
export function int64(values: ArrayLike<number>): BigInt64Array {
  const out = new BigInt64Array(values.length);
  const words = new Uint32Array(out.buffer);
  for (let i = 0; i < values.length; i++) words[2 * i] = values[i] as number;
  return out;
}

/**
 * `ids`, `positions` `[batch, seq]` and `bias [batch, 1, seq, seq]`. A token sees its prompt and its own branch up to itself, and nothing of
 * other examples or branches; every branch's positions go on from the prompt's end.
 */
export function passFeeds({ batch, seq, placements }: Pass): Record<'ids' | 'positions' | 'bias', HostArray> {
  const ids = new Int32Array(batch * seq);
  const positions = new Int32Array(batch * seq);
  const bias = new Float32Array(batch * seq * seq).fill(HIDDEN);
  for (const { example, row, offset } of placements) {
    const { prompt, branches } = example;
    const start = row * seq + offset;
    /** One query's visible keys are at most two ranges of columns. */
    const see = (token: number, first: number, last: number) => {
      const keys = (start + token) * seq + offset;
      bias.fill(0, keys + first, keys + last + 1);
    };
    for (let t = 0; t < prompt.length; t++) {
      ids[start + t] = prompt[t] as number;
      positions[start + t] = t;
      see(t, 0, t);
    }
    let first = prompt.length;
    for (const branch of branches) {
      for (let u = 0; u < branch.length; u++) {
        ids[start + first + u] = branch[u] as number;
        positions[start + first + u] = prompt.length + u;
        if (prompt.length > 0) see(first + u, 0, prompt.length - 1);
        see(first + u, first, first + u);
      }
      first += branch.length;
    }
  }
  return {
    ids: { data: int64(ids), shape: [batch, seq] },
    positions: { data: int64(positions), shape: [batch, seq] },
    bias: { data: bias, shape: [batch, 1, seq, seq] },
  };
}

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
