// Samples with answers and scores -> who wins a vote, who is best, and what the report says of it.
import { describe, expect, test } from 'vitest';
import { createRandom } from '../random.ts';
import type { Answer } from '../records.ts';
import type { Estimate } from '../reports.ts';
import { bootstrap, mean, pairedDifference, sum, wilson } from '../statistics/intervals.ts';
import { passAt } from '../statistics/pass-at.ts';
import { sameAnswer } from '../tasks/math/answer-values.ts';
import { bestOf, bestOfReports, cheapScores, majorityOf, type SampledQuestion } from './best-of.ts';

describe('majority vote', () => {
  test.each([
    [['1', '2', '2'], 1],
    [['1', '2', '2', '1'], 0],
    [['3', '1/2', '0.5', '$3', '50%'], 1],
    [[null, null, '4'], 2],
    [[null, null], null],
    [['a', 'A ', 'b'], 0],
  ])('%j: the first of the winners is sample %j', async (answers, index) => {
    expect(await majorityOf(answers, sameAnswer)).toBe(index);
  });

  test('as counting each answer against all others says', async () => {
    const random = createRandom('votes');
    for (let round = 0; round < 300; round += 1) {
      const answers = Array.from({ length: 7 }, () => random.pick([null, '1', '2', '3', '4']));
      const votes = answers.map((one) => (one === null ? 0 : answers.filter((other) => other === one).length));
      const most = Math.max(...votes);
      const slow = most === 0 ? null : votes.indexOf(most);
      expect(await majorityOf(answers, (a, b) => a === b)).toBe(slow);
    }
  });
});

test('the best is the first of the highest; without a score a sample comes last', () => {
  expect(bestOf([0.2, 0.9, 0.9])).toBe(1);
  expect(bestOf([null, -5, null])).toBe(1);
  expect(bestOf([null, null])).toBe(0);
});

interface Drawn {
  readonly right: boolean;
  readonly truth?: Answer['truth'];
  readonly answer?: string | null;
  readonly error?: boolean;
  readonly sumLogp?: number | null;
}

const answerOf = (id: number, { right, truth = [true], answer, error, sumLogp = -3 }: Drawn): Answer => ({
  task: 'mini',
  split: 'test',
  questionId: `q${id}`,
  question: '',
  reference: '',
  completion: '',
  extracted: answer === undefined ? String(Number(right)) : answer,
  outcome: error
    ? { kind: 'error', reason: 'outage' }
    : right
      ? { kind: 'right' }
      : { kind: 'wrong', reason: 'other-answer' },
  finishReason: 'stop',
  tokens: 3,
  sumLogp,
  truth,
});

const task = { sameAnswer };

function question(
  id: number,
  greedy: Drawn,
  drawn: readonly Drawn[],
  prm: readonly (number | null)[],
): SampledQuestion {
  const samples = drawn.map((one) => answerOf(id, one));
  return { task, greedy: answerOf(id, greedy), samples, scores: { prm } };
}

const [yes, no] = [{ right: true }, { right: false }];
const unsound = { right: true, truth: [false] };

test('a report by hand', async () => {
  const questions = [
    question(0, no, [yes, no, no], [0.9, 0.1, 0.2]),
    question(1, yes, [no, unsound, yes], [0.1, 0.8, 0.8]),
    question(2, no, [no, no, no], [null, null, null]),
    question(3, yes, [yes, yes, { right: false, error: true }], [1, 1, 1]),
  ];
  const [report] = await bestOfReports(questions, 3);
  expect(report).toMatchObject({ task: 'mini', split: 'test', questions: 3, samples: 3 });
  const thirds = (figure: Estimate) => (figure === null ? null : Math.round(3000 * figure.value) / 1000 + 0);
  const values = report?.rules.map(({ rule, accuracy, sound, againstGreedy, againstMajority }) => [
    rule,
    ...[accuracy, sound, againstGreedy, againstMajority].map(thirds),
  ]);
  // Thirds of a question: accuracy, sound, against greedy, against majority.
  expect(values).toEqual([
    ['greedy', 1, 1, null, 0],
    ['random', 1, 0.667, 0, 0],
    ['majority', 1, 0, 0, null],
    ['prm', 2, 1, 1, 1],
    ['any', 2, 2, 1, 1],
  ]);
});

test('intervals: of yes or no Wilson and Agresti-Min, of means a bootstrap; any is pass@N, random pass@1', async () => {
  const random = createRandom('report');
  const questions = Array.from({ length: 40 }, (_, id) => {
    const drawn = Array.from({ length: 4 }, () => ({ right: random.next() < 0.4 }));
    return question(
      id,
      { right: random.next() < 0.5 },
      drawn,
      drawn.map(() => random.next()),
    );
  });
  const [report] = await bestOfReports(questions, 4);
  const right = (answer: Answer | undefined) => Number(answer?.outcome.kind === 'right');
  const counts = questions.map(({ samples }) => samples.filter((one) => right(one) === 1).length);
  const best = questions.map(({ samples, scores }) =>
    right(samples[scores.prm!.indexOf(Math.max(...(scores.prm as number[])))]),
  );
  const greedy = questions.map((one) => right(one.greedy));
  const rule = (name: string) => report!.rules.find((one) => one.rule === name)!;
  const shares = counts.map((c) => passAt(4, c, 1));
  const slow = (values: readonly number[]) => bootstrap(values, mean, { random: createRandom('best-of') });
  const share = (values: readonly number[]) => ({ value: mean(values), ci95: wilson(sum(values), 40), n: 40 });
  expect(rule('any').accuracy).toEqual(share(counts.map((c) => passAt(4, c, 4))));
  expect(rule('prm').accuracy).toEqual(share(best));
  expect(rule('random').accuracy).toEqual(slow(shares));
  const { difference: value, ci95 } = pairedDifference(best.map(Boolean), greedy.map(Boolean));
  expect(rule('prm').againstGreedy).toEqual({ value, ci95, n: 40 });
  expect(rule('random').againstGreedy).toEqual(slow(shares.map((one, i) => one - greedy[i]!)));
  // None right of two is not certain.
  const [none] = await bestOfReports(
    [0, 1].map((id) => question(id, no, [no, no], [1, 0])),
    2,
  );
  expect(none?.rules.every(({ accuracy }) => accuracy!.ci95[1] > 0.5)).toBe(true);
});

test('without votes there is no majority; without checked steps nothing is sound; without log-probabilities no such rank', async () => {
  const free = { right: true, truth: [null] };
  const questions = [0, 1].map((id) => ({ ...question(id, free, [free, no], [1, 0]), task: {} }));
  const unchecked = questions.map((one) => ({ ...one, samples: one.samples.map((s) => ({ ...s, truth: [null] })) }));
  const [report] = await bestOfReports(unchecked, 2);
  expect(report?.rules.map(({ rule }) => rule)).toEqual(['greedy', 'random', 'prm', 'any']);
  expect(report?.rules.every(({ sound, againstMajority }) => sound === null && againstMajority === null)).toBe(true);
  const told = [answerOf(0, { right: true, sumLogp: -1 }), answerOf(0, { right: true, sumLogp: -6 })];
  expect(cheapScores(told)).toEqual({ logprob: [-1 / 3, -2], shortness: [-3, -3] });
  expect(cheapScores([...told, answerOf(0, { right: true, sumLogp: null })])).toEqual({ shortness: [-3, -3, -3] });
});
