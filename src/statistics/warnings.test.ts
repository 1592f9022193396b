// Figures of a round, made by hand -> which warnings they give.
import { expect, test } from 'vitest';
import type { SetReport } from '../reports.ts';
import { scoreFigures } from './prm-figures.ts';
import { figureWarnings, roundWarnings } from './warnings.ts';

const setWith = (task: string, ci95: [number, number]): SetReport => ({
  task,
  split: 'valid',
  n: 200,
  correct: 80,
  accuracy: 0.4,
  ci95: [0.33, 0.47],
  truncated: 0,
  errors: 0,
  paired: { difference: (ci95[0] + ci95[1]) / 2, ci95, pValue: 0.5, n: 200, better: 10, worse: 10 },
  sound: null,
  pairedSound: null,
  falseAmongRight: null,
});

const round = { iteration: 1, pairs: { questions: 1500, questionsWithPairs: 0 }, logps: null, counts: {} };
const fell = setWith('mini', [-0.12, -0.02]);
const unclear = setWith('mini', [-0.04, 0.03]);
const rose = setWith('mini', [0.01, 0.09]);
const rules = { ownSets: 1, makesPairs: false };

test('a fall is told of every set, no change of the own sets alone, a rise not at all', () => {
  const ofSets = (...sets: SetReport[]) => roundWarnings({ ...round, sets }, rules).map((text) => text.slice(0, 30));
  expect(ofSets(fell)).toEqual(['Accuracy on mini/valid fell: -']);
  expect(ofSets(unclear)).toEqual(['No change shown on mini/valid:']);
  expect(ofSets(rose)).toEqual([]);
  expect(ofSets(rose, fell, unclear)).toEqual(['Accuracy on mini/valid fell: -']);
  expect(roundWarnings({ ...round, iteration: 0, sets: [fell] }, rules)).toEqual([]);
});

test('few pairs are told where the method makes pairs', () => {
  expect(roundWarnings({ ...round, sets: [] }, rules)).toEqual([]);
  const [warning] = roundWarnings({ ...round, sets: [] }, { ...rules, makesPairs: true });
  expect(warning).toMatch(/^Only 0 of 1500 questions gave pairs/);
});

test('figures speak of the scores, whatever gave them', async () => {
  const ranks = { scores: 0.2, tallies: 1, meanLogp: 1, shortness: 1 };
  const path = (right: boolean) => ({
    ...{ right, scores: [right ? 0.2 : 0.8], labels: [right], labelTokens: 1, truth: null },
    ranks: right ? ranks : { scores: 0.8, tallies: 0, meanLogp: 0, shortness: 0 },
  });
  const warnings = figureWarnings(await scoreFigures(Array.from({ length: 3 }, () => [path(true), path(false)])));
  expect([...warnings, ...figureWarnings(await scoreFigures([]))].map((text) => text.split(/[:.]/, 1)[0])).toEqual([
    'The scores do not rank the paths of a question better than chance',
    'The scores rank paths no better than their mean log-probability',
    'The scores rank paths no better than their shortness',
    'Always saying the commoner label is as good as the scores',
    'No held-out question has labelled paths',
  ]);
  expect([...warnings, ...figureWarnings(await scoreFigures([]))].join()).not.toContain('PRM');
});
