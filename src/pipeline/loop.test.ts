// What stages counted, and sizes of models -> the model FLOPs of a round, each summed by hand.
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../config/load.ts';
import type { ConfigInput } from '../config/schema.ts';
import type { ScorerName } from '../method/scorers.ts';
import type { Counts, Trained } from '../reports.ts';
import { roundFlops } from './loop.ts';

/** Each a power of ten: a digit of the sum says which model read how many tokens. */
const sizes = { policy: 1, simulator: 100, verifier: 10_000 };

/** Tokens in multiples of a forward pass: FLOPs over 2. */
function forwards(
  counts: Record<string, Counts>,
  scorer: ScorerName | null,
  change: ConfigInput = {},
  more: { readonly trained?: Trained; readonly prm?: Trained } = {},
): number {
  const found = { counts, prm: null, calibration: null, probe: null, trained: null, losses: [], ...more };
  return roundFlops({ found, config: parseConfig(change), scorer, sizes }) / 2;
}

const trainedOn = (trainTokens: number, counts: Counts = {}): Trained => ({
  checkpoint: { model: 'm', adapter: null, hash: 'h' },
  steps: 1,
  trainTokens,
  examples: 1,
  dropped: 0,
  counts,
});

describe('the model FLOPs of a round', () => {
  it('charge samples, with those that a hint gave, to the policy', () => {
    expect(forwards({ '1-samples': { promptTokens: 3, generatedTokens: 4, hintedRight: 2 } }, null)).toBe(7);
  });

  it('charge rollouts, and the line of the answer, to the simulator', () => {
    expect(forwards({ '2-step-labels': { promptTokens: 1, generatedTokens: 2 } }, 'prm')).toBe(300);
    const labels = { mode: 'gold-likelihood' } as const;
    expect(forwards({ '2-step-labels': { scoredTokens: 3 } }, 'prm', { labels })).toBe(300);
  });

  it('charge proposals of first errors to the process reward model, and their rollouts to the simulator', () => {
    const counts = { '2-step-labels': { promptTokens: 1, generatedTokens: 2, scoredTokens: 5 } };
    expect(forwards(counts, 'prm', { method: 'sapo' })).toBe(300 + 50_000);
  });

  it('charge both passes of a probe, and those of its training, to the model that it reads', () => {
    const counts = { '3-probe': { scoredTokens: 2 }, '4-scores': { scoredTokens: 6 } };
    expect(forwards(counts, 'probe')).toBe(80_000);
  });

  it('charge each scorer to what it reads with', () => {
    const scored = { '4-scores': { scoredTokens: 2 } };
    expect(forwards(scored, 'prm')).toBe(20_000);
    expect(forwards(scored, 'logprob')).toBe(2);
    expect(forwards(scored, 'likelihood')).toBe(2);
    // A token by each of the two models.
    expect(forwards({ ...scored, '4-calibration': { scoredTokens: 2 } }, 'prm-logprob')).toBe(2 * 10_001);
  });

  it('charge training three times, and the reference of a loss once', () => {
    const more = { trained: trainedOn(2, { scoredTokens: 3 }), prm: trainedOn(4) };
    expect(forwards({}, 'prm', {}, more)).toBe(3 * 2 + 3 + 3 * 40_000);
  });
});
