// Step scores by hand -> path scores from states and from progress.
import { describe, expect, it } from 'vitest';
import { createRandom } from '../random.ts';
import type { Sample } from '../records.ts';
import { pathScore, pathScores, progress, questionValue, ruleInputs, stepScoresById } from './path-score.ts';

const PATHS = ['mean', 'min', 'product', 'last'] as const;
const right = { kind: 'right' } as const;
const wrong = { kind: 'wrong', reason: 'other-answer' } as const;
const error = { kind: 'error', reason: 'no sandbox' } as const;

function sample(id: string, outcome: Sample['outcome'], source: Sample['source'] = 'policy'): Sample {
  const path = { steps: ['a'], finishReason: 'stop' as const, tokens: 1, sumLogp: -1, extracted: null };
  return { id, questionId: 'q', source, iteration: 1, index: 0, policy: 'p', ...path, outcome };
}

it('makes a path score of step scores', () => {
  expect(PATHS.map((path) => pathScore([0.5, 0.25, 1], path))).toEqual([1.75 / 3, 0.25, 0.125, 1]);
  expect(() => pathScore([], 'mean')).toThrow('at least one step score');
});

it('takes the share of right samples of the policy as the value of a question', () => {
  const gold = sample('g', right, 'gold');
  expect(questionValue([sample('a', right), sample('b', wrong), sample('c', wrong), sample('d', error), gold])).toBe(
    1 / 3,
  );
  expect(questionValue([gold, sample('d', error)])).toBeNull();
  // A path that was told the answer says nothing of the policy's chance.
  const hinted = { ...sample('h', right), hinted: true as const };
  expect(questionValue([sample('b', wrong), hinted, sample('r', right, 'rollout')])).toBe(0);
});

describe('progress', () => {
  it('is 1 and the change at each step, the first against the value of the question', () => {
    expect(progress([0.75, 0.5, 0.5, 1], 0.5)).toEqual([1.25, 0.75, 1, 1.5]);
    expect(progress([0.75, 0.5], null)).toEqual([1, 0.75]);
  });

  it('adds up to the change of the whole path, and its least step is the largest loss', () => {
    const random = createRandom('progress');
    for (let n = 0; n < 50; n += 1) {
      const states = Array.from({ length: random.int(1, 8) }, () => random.next());
      const start = random.next();
      const found = progress(states, start);
      const mean = 1 + ((states.at(-1) ?? 0) - start) / states.length;
      expect(pathScore(found, 'mean')).toBeCloseTo(mean, 12);
      const losses = states.map((state, j) => (states[j - 1] ?? start) - state);
      expect(pathScore(found, 'min')).toBeCloseTo(1 - Math.max(...losses), 12);
    }
  });
});

describe('pathScores', () => {
  const samples = [sample('a', right), sample('b', wrong)];
  const record = (sampleId: string, scores: number[] | null) =>
    ({ sampleId, questionId: 'q', scorer: 'prm', prm: 'h', scores }) as const;
  const records = [record('a', [0.75, 0.5]), record('b', [0.25, 0.5]), record('long', null)];

  it('reads states or progress, and leaves out what could not be read', () => {
    const of = (value: 'state' | 'advantage') => [
      ...pathScores(stepScoresById(records), { path: 'min', value }, samples),
    ];
    expect(of('state')).toEqual([
      ['a', 0.5],
      ['b', 0.25],
    ]);
    expect(of('advantage')).toEqual([
      ['a', 0.75],
      ['b', 0.75],
    ]);
  });

  it('names the rule as before there was a choice where it is the same', () => {
    expect(ruleInputs({ path: 'mean', value: 'state' })).toEqual({ path: 'mean' });
    expect(ruleInputs({ path: 'min', value: 'advantage' })).toEqual({ path: 'min', value: 'advantage' });
  });
});
