// Made-up outcomes -> which paths are labelled.
import { expect, test } from 'vitest';
import { choosePaths } from './choose-paths.ts';

test('balances right and wrong paths and covers questions before repeating one', () => {
  const path = (q: number, i: number) => ({
    id: `${q}/${i}`,
    questionId: `${q}`,
    source: 'policy' as const,
    outcome: i < 2 ? ({ kind: 'right' } as const) : ({ kind: 'wrong', reason: 'other-answer' } as const),
  });
  const all = Array.from({ length: 20 }, (_, q) => Array.from({ length: 8 }, (_, i) => path(q, i))).flat();
  const ids = choosePaths(all, 40, 'k');
  const chosen = all.filter(({ id }) => ids.has(id));
  expect(chosen.filter(({ outcome }) => outcome.kind === 'right')).toHaveLength(20);
  expect(new Set(chosen.map(({ questionId }) => questionId)).size).toBe(20);
  expect(choosePaths(all, 100, 'k').size).toBe(100);
  expect(choosePaths(all, null, 'k').size).toBe(160);
  expect(choosePaths([...all].reverse(), 40, 'k')).toEqual(choosePaths(all, 40, 'k'));
});

test('takes a right and a wrong path of one question before paths of questions that have one kind only', () => {
  const path = (q: number, i: number, kind: 'right' | 'wrong') => ({
    id: `${q}/${i}`,
    questionId: `${q}`,
    source: 'policy' as const,
    outcome: kind === 'right' ? ({ kind } as const) : ({ kind, reason: 'other-answer' } as const),
  });
  // Questions 0-9 have both kinds, 10-19 right paths only, 20-29 wrong ones only.
  const all = Array.from({ length: 30 }, (_, q) =>
    [0, 1, 2].map((i) => path(q, i, q < 10 ? (i === 0 ? 'right' : 'wrong') : q < 20 ? 'right' : 'wrong')),
  ).flat();
  const questionsOf = (paths: number, kind: string) => {
    const chosen = choosePaths(all, paths, 'k');
    return all.filter(({ id, outcome }) => chosen.has(id) && outcome.kind === kind).map(({ questionId }) => questionId);
  };
  expect(questionsOf(12, 'right')).toHaveLength(6);
  expect(questionsOf(12, 'right')).toEqual(questionsOf(12, 'wrong'));
  const mixed = Array.from({ length: 10 }, (_, q) => `${q}`);
  expect(questionsOf(20, 'right')).toEqual(mixed);
  expect(questionsOf(20, 'wrong')).toEqual(mixed);
  expect(new Set(questionsOf(40, 'right')).size).toBe(20);
  expect(new Set(questionsOf(40, 'wrong')).size).toBe(20);
});
