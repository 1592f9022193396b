// Token counts and sizes of models -> model FLOPs.
import { type ScorerName, scorerNeeds, scorerPasses } from '../method/scorers.ts';

/** Tokens of one stage. `forward`: read or written without gradients; `train`: forward and backward. */
export interface TokenCost {
  readonly promptTokens: number;
  readonly generatedTokens: number;
  readonly scoredTokens: number;
  readonly trainTokens: number;
}

export const NO_COST: TokenCost = { promptTokens: 0, generatedTokens: 0, scoredTokens: 0, trainTokens: 0 };

export function addCosts(a: TokenCost, b: Partial<TokenCost>): TokenCost {
  return {
    promptTokens: a.promptTokens + (b.promptTokens ?? 0),
    generatedTokens: a.generatedTokens + (b.generatedTokens ?? 0),
    scoredTokens: a.scoredTokens + (b.scoredTokens ?? 0),
    trainTokens: a.trainTokens + (b.trainTokens ?? 0),
  };
}

/**
 * Model FLOPs: 2 a parameter for each token read or written, 6 for each trained (2 forward, 4 backward). With LoRA the frozen weights
 * need no weight gradients: 4. Attention over the context and the vocabulary's share of embeddings are left out.
 * @example
 * flopsOf({ promptTokens: 100, generatedTokens: 50, scoredTokens: 0, trainTokens: 0 }, 135e6, true); // 4.05e10
 */
export function flopsOf(cost: TokenCost, parameters: number, lora: boolean): number {
  const forward = cost.promptTokens + cost.generatedTokens + cost.scoredTokens;
  return parameters * (2 * forward + (lora ? 4 : 6) * cost.trainTokens);
}

/** Parameters of the models, or how large they are beside the policy. Without a helper its size is the policy's. */
export interface ModelSizes {
  readonly policy: number;
  readonly simulator: number;
  readonly verifier: number;
}

/** Sizes of the models that score, once for each time that they read a path. */
export function readersOf(scorer: ScorerName, { policy, verifier }: Pick<ModelSizes, 'policy' | 'verifier'>): number[] {
  const ofPrm = scorerNeeds(scorer, 'prm') ? [verifier] : [];
  const own = scorerNeeds(scorer, 'probe') ? verifier : policy;
  const readers = scorerNeeds(scorer, 'policy') ? [...ofPrm, own] : ofPrm;
  return Array.from({ length: scorerPasses(scorer) }, () => readers).flat();
}

/**
 * Optimizer tokens that cost as much as `flops`: the equal-FLOP budget of continued-sft.
 * @example
 * tokensForFlops(5.4e11, 135e6, true); // 1000
 */
export function tokensForFlops(flops: number, parameters: number, lora: boolean): number {
  return flops / (parameters * (lora ? 4 : 6));
}
