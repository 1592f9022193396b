// Expected samples of a quota -> compared with draws, one question after another.
import { expect, it } from 'vitest';
import { createRandom } from '../random.ts';
import { expectedSamples } from './expected-samples.ts';

const QUOTA = { right: 4, wrong: 4, round: 4, budget: 64 };

/** Draws for many questions, as the sample stage does, and takes the mean. */
function drawnMean(samples: number, quota: typeof QUOTA, newRight: number, newWrong: number): number {
  const random = createRandom(`quota/${newRight}/${newWrong}`);
  const drawnOf = () => {
    let [drawn, right, wrong] = [0, 0, 0];
    let wanted = Math.min(samples, quota.budget);
    while (wanted > 0) {
      for (; wanted > 0; wanted -= 1, drawn += 1) {
        const at = random.next();
        if (at < newRight) right += 1;
        else if (at < newRight + newWrong) wrong += 1;
      }
      const isMet = right >= quota.right && wrong >= quota.wrong;
      wanted = isMet ? 0 : Math.min(quota.round, quota.budget - drawn);
    }
    return drawn;
  };
  const questions = 4000;
  return Array.from({ length: questions }, drawnOf).reduce((a, b) => a + b, 0) / questions;
}

it.each([
  [8, 0.05, 1, 1],
  [8, 0.3, 0.8, 0.9],
  [8, 0.8, 0.4, 1],
  [1, 0.5, 1, 1],
  [30, 0.02, 0.5, 0.5],
])(
  '%i samples first, %d right, %d and %d of them new: the mean of draws',
  (samples, pRight, distinctRight, distinctWrong) => {
    const expected = expectedSamples({ samples, quota: QUOTA }, { pRight, distinctRight, distinctWrong });
    const drawn = drawnMean(samples, QUOTA, pRight * distinctRight, (1 - pRight) * distinctWrong);
    expect(Math.abs(expected / drawn - 1)).toBeLessThan(0.03);
  },
);

it('is the number of samples without a quota, and the budget where nothing is ever right', () => {
  const never = { pRight: 0, distinctRight: 1, distinctWrong: 1 };
  expect(expectedSamples({ samples: 8, quota: null }, never)).toBe(8);
  expect(expectedSamples({ samples: 8, quota: QUOTA }, never)).toBe(64);
  expect(expectedSamples({ samples: 80, quota: QUOTA }, never)).toBe(64);
  expect(expectedSamples({ samples: 8, quota: QUOTA }, { ...never, pRight: 1 })).toBe(64);
});
