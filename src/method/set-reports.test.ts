// Answers made by hand -> accuracy, sound answers, false steps among right ones, paired differences.
import { expect, test } from 'vitest';
import type { Answer } from '../records.ts';
import { pairedDifference, wilson } from '../statistics/intervals.ts';
import { checksSteps, setReports } from './set-reports.ts';

type Kind = 'right' | 'wrong' | 'error';

function answer(id: number, kind: Kind, truth?: Answer['truth'], task = 'gsm8k'): Answer {
  const outcome =
    kind === 'right'
      ? ({ kind } as const)
      : kind === 'wrong'
        ? ({ kind, reason: 'other-answer' } as const)
        : ({ kind, reason: 'outage' } as const);
  return {
    task,
    split: 'test',
    questionId: `q${id}`,
    question: `${id}?`,
    reference: String(id),
    completion: 'text',
    extracted: '1',
    outcome,
    finishReason: id === 2 ? 'length' : 'stop',
    tokens: 3,
    ...(truth === undefined ? {} : { truth }),
  };
}

/** Right and sound, right with a false step, right with nothing to check, wrong without a false step, wrong with one. */
const ANSWERS = [
  answer(0, 'right', [true, null]),
  answer(1, 'right', [true, false]),
  answer(2, 'right', [null]),
  answer(3, 'wrong', [true]),
  answer(4, 'wrong', [false]),
  answer(5, 'error'),
];

test('sound is of all answers; false steps are of right answers with a step that can be checked', async () => {
  const [report] = await setReports(ANSWERS, null);
  expect(report).toMatchObject({ n: 5, correct: 3, truncated: 1, errors: 1, paired: null, pairedSound: null });
  expect(report?.sound).toEqual({ value: 2 / 5, ci95: wilson(2, 5), n: 5 });
  expect(report?.falseAmongRight).toEqual({ value: 1 / 2, ci95: wilson(1, 2), n: 2 });
});

test('differences are paired by question, of sound answers as of right ones', async () => {
  const before = [answer(1, 'right', [true]), answer(4, 'right', [true]), answer(0, 'wrong', [false])];
  const [report] = await setReports(ANSWERS, before);
  // In the order of the answers: questions 0, 1 and 4.
  expect(report?.paired).toEqual(pairedDifference([true, true, false], [false, true, true]));
  expect(report?.pairedSound).toEqual(pairedDifference([true, false, false], [false, true, true]));
});

test('where nothing can be checked, or an answer is of an older file, nothing is said of soundness', async () => {
  const code = [answer(0, 'right', [null, null], 'mbpp'), answer(1, 'wrong', [null], 'mbpp')];
  const old = [answer(0, 'right', [true]), answer(1, 'right')];
  for (const answers of [code, old]) {
    const [report] = await setReports(answers, ANSWERS);
    expect(report).toMatchObject({ sound: null, pairedSound: null, falseAmongRight: null });
    expect(checksSteps(answers)).toBe(false);
  }
  // The earlier answers must tell of their steps, too.
  const [report] = await setReports(ANSWERS, old);
  expect(report?.sound?.n).toBe(5);
  expect(report?.pairedSound).toBeNull();
  expect(report?.paired?.n).toBe(2);
});

test('sets are apart, in the order of the answers', async () => {
  const reports = await setReports([answer(0, 'right', [true], 'b'), answer(0, 'wrong', [true], 'a')], null);
  expect(reports.map(({ task, accuracy }) => [task, accuracy])).toEqual([
    ['b', 1],
    ['a', 0],
  ]);
  expect(reports[1]?.falseAmongRight).toBeNull();
});
