// Two finished cells -> how many optimizer tokens make one cost as much as the other.
import { flopsOf, NO_COST, tokensForFlops } from '../pipeline/cost.ts';
import type { CellSummary } from './cell-summary.ts';

type Costs = Pick<CellSummary, 'parameters' | 'lora' | 'total' | 'rounds'>;

/** Within this share it costs as much already. */
const CLOSE = 0.02;

/**
 * Optimizer tokens, all rounds together, with which a run would spend as many model FLOPs as `reference` did: what its sampling, labels and scores cost
 * stays, the rest goes into training. null: it costs as much (within 2 %) or more already, or has no round.
 */
export function tokensForEqualFlops(reference: Pick<Costs, 'total'>, own: Costs): number | null {
  const { parameters, lora, total, rounds } = own;
  const trained = flopsOf({ ...NO_COST, trainTokens: total.optimizerTokens }, parameters, lora);
  const left = reference.total.flops - (total.flops - trained);
  if (left <= (1 + CLOSE) * trained || rounds.length === 0) return null;
  return Math.round(tokensForFlops(left, parameters, lora));
}
