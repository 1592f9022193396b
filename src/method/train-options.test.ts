// Budgets in optimizer tokens -> steps: what makes methods with other rows comparable.
import { describe, expect, it } from 'vitest';
import { stepsForTokens } from './train-options.ts';

describe('stepsForTokens', () => {
  it('counts the smaller last step of each epoch', () => {
    // 200 rows of 100 tokens in batches of 16: 13 steps an epoch, 1,538 tokens a step on average.
    expect(stepsForTokens(20_000, 200, 20_000, 16)).toBe(13);
    expect(stepsForTokens(60_000, 200, 20_000, 16)).toBe(39);
  });

  it('takes all rows for a step where they are fewer than a batch, and at least one step', () => {
    expect(stepsForTokens(5000, 5, 500, 16)).toBe(10);
    expect(stepsForTokens(1, 5, 500, 16)).toBe(1);
    expect(stepsForTokens(100, 0, 0, 16)).toBe(100);
  });
});
