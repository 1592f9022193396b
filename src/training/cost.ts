// A model's sizes -> what passes cost and how many positions may have logits at once. Leaves the division into passes to batches.ts.
import type { DecoderConfig } from '../models/decoder.ts';
import type { PassCost } from './batches.ts';

/** Bytes of one `[positions, vocab]` array of logits. */
const LOGITS_BYTES = 256 << 20;

/** Positions with logits in one pass. */
export function positionBudget({ vocab }: Pick<DecoderConfig, 'vocab'>): number {
  return Math.max(1, Math.floor(LOGITS_BYTES / (4 * vocab)));
}

/** Time of one score of one head in forward and backward passes, in FLOPs that the products would do meanwhile (elementwise work is slow). */
const SCORE_FLOPS = 2500;
/** The same for one element of a hidden state, all elementwise work of a layer together. */
const ELEMENT_FLOPS = 6000;
/** Running a graph at all: about a millisecond. */
const PASS_FLOPS = 3e8;

/** Relative cost of passes, in FLOPs. Only comparisons matter: it decides how examples are packed, not what they teach. */
export function passCost(config: DecoderConfig, frozen: boolean): PassCost {
  const { hidden, intermediate, layers, heads, kvHeads, headDim } = config;
  const weights = 2 * hidden * headDim * (heads + kvHeads) + 3 * hidden * intermediate;
  return {
    fixed: PASS_FLOPS,
    token: layers * (2 * weights * (frozen ? 2 : 3) + ELEMENT_FLOPS * hidden),
    pair: layers * heads * (SCORE_FLOPS + 12 * headDim),
  };
}
