// Scripted rollouts -> what labels with shortcuts cost, beside every rollout of every step.
import { describe, expect, it } from 'vitest';
import { labelledStepCost } from './labelled-steps.ts';

describe('labelledStepCost', () => {
  it('is at least four times cheaper at a mean success of 0.3, with the same labels', async () => {
    const cost = await labelledStepCost(0.3);
    expect(cost.meanP).toBeCloseTo(0.3, 2);
    expect(cost.costRatio).toBeGreaterThan(4);
    expect(cost.labelledSteps).toBeGreaterThan(500);
    expect(await labelledStepCost(0.3)).toEqual(cost);
  });

  it('saves more where rollouts succeed more often', async () => {
    const ratios = await Promise.all([0.1, 0.3, 0.5].map(async (p) => (await labelledStepCost(p)).costRatio));
    expect([...ratios].sort((a, b) => a - b)).toEqual(ratios);
  });
});
