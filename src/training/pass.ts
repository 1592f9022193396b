// A pass's placements -> the arrays that every training graph is fed.
import { int64 } from '../engine/host-arrays.ts';
import type { HostArray } from '../engine/runtime/session.ts';
import type { Pass } from './batches.ts';

/** Added to a score that attention must not see; finite, so that a padding row's softmax is not NaN. */
const HIDDEN = -1e9;

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
