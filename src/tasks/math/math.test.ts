// MATH records, and completions in many forms -> what is loaded, refused and graded, in time.
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { closing } from '../../task.ts';
import { MathComparer } from './formulas/compare.ts';
import { statedMath } from './formulas/stated-math.ts';
import { createMath, createMath500 } from './math.ts';

const task = createMath();
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-math-'));
});
afterAll(() => closing(task)[Symbol.asyncDispose]());

async function file(name: string, ...rows: readonly object[]): Promise<string> {
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return path;
}

const hendrycks = {
  problem: 'What is $\\frac12 + \\frac14$?',
  level: 'Level 1',
  type: 'Algebra',
  solution: 'A half is $\\frac24$.\n\nSo the sum is $\\boxed{\\frac{3}{4}}.$',
};

/** Another question with the same solution. */
const variant = (i: number) => ({ ...hendrycks, problem: `${hendrycks.problem} (${i})` });

describe('records', () => {
  test("Hendrycks' own: the reference is the last box, steps are lines", async () => {
    const data = await file('train.jsonl', ...Array.from({ length: 40 }, (_, i) => variant(i)));
    const [train, valid] = [await task.load({ data, split: 'train' }), await task.load({ data, split: 'valid' })];
    expect([train.length + valid.length, valid.length > 0]).toEqual([40, true]);
    expect(train[0]).toEqual({
      id: expect.stringMatching(/^math\/train\/\d+$/),
      task: 'math',
      question: expect.stringContaining(hendrycks.problem),
      answer: '\\frac{3}{4}',
      solution: ['A half is $\\frac24$.', 'So the sum is $\\boxed{\\frac{3}{4}}.$'],
    });
    expect(task.split(task.pieces(train[0]!.solution!).join(''))).toEqual(train[0]!.solution);
    expect(await task.grade(train[0]!, train[0]!.solution!.join('\n'), 'stop')).toMatchObject({
      outcome: { kind: 'right' },
    });
  });

  test("MATH-500's: answer and unique_id", async () => {
    const row = {
      ...hendrycks,
      answer: '\\left( 3, \\frac{\\pi}{2} \\right)',
      subject: 'Precalculus',
      level: 2,
      unique_id: 'test/precalculus/807.json',
    };
    const data = await file('test.jsonl', row);
    for (const one of [task, createMath500()]) {
      expect(await one.load({ data, split: 'test' })).toMatchObject([
        { id: 'test/precalculus/807.json', answer: row.answer },
      ]);
    }
    await expect(createMath500().load({ data, split: 'train' })).rejects.toThrow(/a test set only/);
  });

  test('a folder with one folder a subject, as the hub has it', async () => {
    await file('hub/algebra/test-00000-of-00001.jsonl', hendrycks);
    await file('hub/geometry/test-00000-of-00001.jsonl', hendrycks, hendrycks);
    await file('hub/geometry/train-00000-of-00001.jsonl', variant(0), variant(1));
    const ids = async (split: 'train' | 'test') => (await task.load({ data: join(folder, 'hub'), split })).length;
    expect([await ids('test'), await ids('train')]).toEqual([3, 1]);
  });

  test('a solution without a box ends with its answer', async () => {
    const data = await file('own.jsonl', { problem: 'q?', solution: 'x is\ntwice y', answer: '12345678901234567' });
    const [question] = await task.load({ data, split: 'test' });
    expect(question).toMatchObject({
      answer: '12345678901234567',
      solution: ['x is', 'twice y\nThe answer is 12345678901234567'],
    });
  });

  test.each([
    [{ solution: 'x' }, /a problem in .* line 1, field "problem"/],
    [{ problem: 'q?', solution: 'It is 5.' }, /Expected an answer in .* line 1: the field "answer", or \\boxed/],
    [{ problem: 'q?' }, /line 1: the field "answer"/],
    [{ problem: 'q?', answer: ' ' }, /line 1, field "answer"/],
    [{ problem: 'q?', answer: ['1'] }, /line 1, field "answer", got \["1"\]/],
    [{ problem: 'q?', answer: '1', solution: 5 }, /^(?!.*TypeError)/],
  ])('%j', async (row, message) => {
    const data = await file('bad.jsonl', row);
    const loaded = task.load({ data, split: 'test' });
    if ('answer' in row && 'solution' in row) expect(await loaded).toHaveLength(1);
    else await expect(loaded).rejects.toThrow(message);
  });
});

test.each([
  ['So $\\boxed{\\frac{1}{2}}$.', '\\frac{1}{2}'],
  ['\\boxed{x^{2}+\\frac{1}{2}} and then some', 'x^{2}+\\frac{1}{2}'],
  ['\\boxed{\\boxed{5}}', '\\boxed{5}'],
  ['So $\\boxed{\\frac12$.\nDone in 3 steps.', '\\frac12'],
  ['\\boxed 5', '5'],
  ['$\\boxed{1}$ and $\\boxed{2}$', '1, 2'],
  ['$x = \\boxed{1}$ or $x = \\boxed{2}$', '1, 2'],
  ['First \\boxed{1}.\n\nNo, it is \\boxed{2}.', '2'],
  ['\\\\boxed{\\\\frac{1}{2}}', '\\frac{1}{2}'],
  ['The answer is $x+1$.', '$x+1$'],
  ['The answer is $(x+1)^2$ because it is a square.', '$(x+1)^2$'],
  ['Final Answer: The final answer is $[0, 1)$. I hope it is correct.', '$[0, 1)$'],
  ['The answer is $x=1$ and $x=2$.', '$x=1$ and $x=2$'],
  ['<think>\\boxed{7}</think>The answer is $\\sqrt 2$.', '$\\sqrt 2$'],
  ['<answer>\\sqrt{2}</answer>', '\\sqrt{2}'],
  ['So it is $\\frac{\\pi}{3}$', '$\\frac{\\pi}{3}$'],
  ['so x = 7', '7'],
  ["The answer is it's 5.", '5'],
  ['The answer is not $5$. It must be $6$', '$6$'],
  ['The answer is not $5$.', undefined],
  ['\\frac{1}{2}', '\\frac{1}{2}'],
  ['2\\sqrt{3}', '2\\sqrt{3}'],
  ['We solve it.\n\nx = 2\\sqrt{3}', 'x = 2\\sqrt{3}'],
  ['\\boxed{5}\n\nProblem: What is 6?\nAnswer: \\boxed{6}', '5'],
])('%j states %j', (completion, expected) => {
  expect(statedMath(completion)?.text).toBe(expected);
});

describe('grading', () => {
  const grade = async (answer: string, completion: string, finish: 'stop' | 'length' = 'stop') =>
    (await task.grade({ id: '', task: 'math', question: '', answer }, completion, finish)).outcome;

  test('right, wrong, none, cut', async () => {
    expect(await grade('\\frac{\\sqrt2}{2}', 'It is $\\boxed{\\frac{1}{\\sqrt{2}}}$.')).toEqual({ kind: 'right' });
    expect(await grade('\\frac{\\sqrt2}{2}', 'It is $\\boxed{\\frac{1}{\\sqrt{3}}}$.')).toEqual({
      kind: 'wrong',
      reason: 'other-answer',
    });
    expect(await grade('5', 'I do not know.')).toEqual({ kind: 'wrong', reason: 'no-answer' });
    expect(await grade('5', 'First we see that 5', 'length')).toEqual({ kind: 'wrong', reason: 'truncated' });
    expect(await grade('5', '\\boxed{5} and', 'length')).toEqual({ kind: 'right' });
    expect(await grade('5', '\\boxed{5', 'stop')).toEqual({ kind: 'right' });
    expect(await grade('5', '\\boxed{5', 'length')).toEqual({ kind: 'wrong', reason: 'truncated' });
    expect(await grade('\\frac13', '\\boxed{0.3333}')).toEqual({ kind: 'wrong', reason: 'other-answer' });
    expect(await grade('9007199254740993', '\\boxed{9007199254740992}')).toEqual({
      kind: 'wrong',
      reason: 'other-answer',
    });
    expect(await grade('We get \\boxed{x-1}.', '\\boxed{-1+x}')).toEqual({ kind: 'right' });
  });

  test('a reference may be a solution', () => {
    expect(task.reference?.('It is \\boxed{\\frac12}.')).toBe('\\frac12');
    expect(task.reference?.(' x+1 ')).toBe('x+1');
    expect(task.reference?.(' ')).toBe(null);
  });

  test('many at a time are graded each by itself', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 40 }, (_, i) => grade(`\\sqrt{${i}}+1`, `\\boxed{1+\\sqrt{${i % 2 === 0 ? i : i + 1}}}`)),
    );
    expect(outcomes.map(({ kind }) => kind === 'right')).toEqual(outcomes.map((_, i) => i % 2 === 0));
  });
});

test('equations of functions are not read as numbers', () => {
  expect(task.equationsHold('So $f(2)=3\\cdot2+1=7$.')).toBe(true);
  expect(task.equationsHold('So $3\\cdot2+1=8$.')).toBe(false);
});

describe('time', () => {
  test('a comparison that takes too long is ended; the next one starts anew', async () => {
    await using short = new MathComparer({ limitMs: 0 });
    // Some half a second: a pause of this thread must not let the answer come first.
    const sines = Array.from({ length: 60 }, (_, n) => `\\sin(${n + 2}x)`);
    expect(await short.compare(sines.join('+'), sines.toReversed().join('+'))).toBe('timeout');
    await using usual = new MathComparer();
    expect(await usual.compare('\\sqrt{8}', '2\\sqrt{2}')).toBe('same');
  });

  test('plain answers start no thread', async () => {
    await using comparer = new MathComparer({ limitMs: 0 });
    expect(await comparer.compare('\\frac12', '0.5')).toBe('same');
    expect(await comparer.compare('(1,2)', '(1,3)')).toBe('different');
    expect(await comparer.compare('\\text{east}', 'West')).toBe('different');
  });
});
