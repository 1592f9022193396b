// Records good and broken, and the real sets -> what the code tasks load, grade and refuse.
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { pythonSandbox } from '../../../test/python-sandbox.ts';
import { hasPython } from '../../../test/python3.ts';
import type { Question } from '../../records.ts';
import type { Verdict } from '../../sandbox.ts';
import { closing, gradeWithRetries, type Task } from '../../task.ts';
import { createCode, createHumanEval, createMbpp } from './code-tasks.ts';

const shared = join(import.meta.dirname, '../../../../shared/data');
const hasShared = existsSync(shared);
if (!hasShared) console.warn('No ../shared/data beside the repository: tests of MBPP and HumanEval are skipped.');

const sandbox = pythonSandbox();
const none = () => {
  throw new Error('No program is graded here.');
};

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-code-'));
});

async function file(name: string, rows: readonly unknown[]): Promise<string> {
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return path;
}

const mbppRow = (id: number, extra: object = {}) => ({
  text: `Add ${id}.`,
  code: `def helper(x):\r\n    return x\r\ndef add(x):\r\n    return helper(x) + ${id}`,
  task_id: id,
  test_setup_code: '',
  test_list: [`assert add(1) == ${id + 1}`, `assert add(0) == ${id}\r\n`],
  challenge_test_list: [],
  ...extra,
});

const outcome = async (task: Task, question: Question, text: string, reason: 'stop' | 'length' = 'stop') =>
  (await task.grade(question, text, reason)).outcome;

describe('mbpp', () => {
  const task = createMbpp({ sandbox: none });

  test('task_id decides the split; prompt, tests, entry point and steps', async () => {
    const data = await file(
      'mbpp/mbpp.jsonl',
      [1, 10, 11, 510, 511, 600, 601, 974].map((id) => mbppRow(id)),
    );
    const ids = async (split: 'train' | 'valid' | 'test') => (await task.load({ data, split })).map(({ id }) => id);
    expect(await ids('test')).toEqual(['mbpp/11', 'mbpp/510']);
    expect(await ids('valid')).toEqual(['mbpp/511', 'mbpp/600']);
    expect(await ids('train')).toEqual(['mbpp/601', 'mbpp/974']);
    expect((await task.examples?.({ data: folder }))?.map(({ id }) => id)).toEqual(['mbpp/1', 'mbpp/10']);
    const [question] = await task.load({ data: join(folder, 'mbpp'), split: 'train', limit: 1 });
    expect(question).toEqual({
      id: 'mbpp/601',
      task: 'mbpp',
      question: 'Add 601.\nYour code should pass these tests:\nassert add(1) == 602\nassert add(0) == 601',
      answer: '',
      solution: ['def helper(x):\n    return x\n', 'def add(x):\n    return helper(x) + 601\n'],
      tests: { setup: '', cases: ['assert add(1) == 602', 'assert add(0) == 601'], entryPoint: 'add' },
    });
    expect(task.prompt(question!)).toBe(`Question: ${question!.question}\nAnswer:\n`);
  });

  test('setup runs after the program, before each test; imports before it', async () => {
    const data = await file('setup.jsonl', [
      mbppRow(601, { test_setup_code: 'y = add(1)\r\n', test_list: ['assert y == 602'] }),
      { ...mbppRow(602), text: undefined, prompt: 'Add.', test_imports: ['import math'] },
    ]);
    const [first, second] = await task.load({ data, split: 'train' });
    expect(first?.tests?.cases).toEqual(['y = add(1)\nassert y == 602']);
    expect(first?.question).toContain('tests:\ny = add(1)\nassert y == 602');
    expect(second?.tests?.setup).toBe('import math');
  });

  test.each([
    ['no tests', { test_list: [] }, /line 1, field "test_list", got \[\]/],
    ['a test that is no text', { test_list: ['assert x', 1] }, /field "test_list"/],
    ['a test within a bracket', { test_list: ['assert f((1) == 2'] }, /whole Python in .* line 1, field "test_list"/],
    ['a test within a string', { test_list: ['assert f("1) == 2'] }, /ends within a string or bracket/],
    ['no text', { text: ' ' }, /line 1, field "text"/],
    ['no code', { code: undefined }, /line 1, field "code"/],
    ['setup that is no text', { test_setup_code: 5 }, /field "test_setup_code"/],
    ['another split', { task_id: 20 }, /Expected train problems of MBPP \(task_id 601 to 974\) in .*, got 1 others/],
  ])('%s: refused with its place', async (name, change, message) => {
    const data = await file(`bad/${name.replaceAll(' ', '-')}.jsonl`, [mbppRow(601, change)]);
    await expect(task.load({ data, split: 'train' })).rejects.toThrow(message);
  });

  test('an id twice is refused', async () => {
    const data = await file('twice.jsonl', [mbppRow(601), mbppRow(601)]);
    await expect(task.load({ data, split: 'train' })).rejects.toThrow(/got "mbpp\/601" again/);
  });
});

const humanEvalRow = {
  task_id: 'HumanEval/0',
  prompt: 'import math\n\n\ndef f(x: int) -> int:\n    """ Adds one.\n    """\n',
  entry_point: 'f',
  canonical_solution: '    y = x\n    return y + 1\n',
  test: "\n\nMETADATA = {}\n\n\ndef check(candidate):\n    assert candidate(1) == 2\n    assert candidate(2) == 3, 'two'\n",
};

describe('humaneval', () => {
  const task = createHumanEval({ sandbox: none });

  test('the prompt is code that the answer continues', async () => {
    const data = await file('he/HumanEval.jsonl', [humanEvalRow]);
    const [question] = await task.load({ data, split: 'test' });
    expect(question).toMatchObject({
      id: 'HumanEval/0',
      solution: ['\n    y = x\n', '    return y + 1\n'],
      prefix: humanEvalRow.prompt.trimEnd(),
      tests: { entryPoint: 'f', cases: [humanEvalRow.test] },
    });
    expect(task.prompt(question!)).toBe(
      `Question: Complete the Python function f.\nAnswer:\n${humanEvalRow.prompt.trimEnd()}`,
    );
    await expect(task.load({ data, split: 'train' })).rejects.toThrow(/a test set only/);
  });

  test.each([
    ['entry_point', { entry_point: undefined }],
    ['test', { test: 'def check(candidate):\n    assert (candidate(1)' }],
    ['prompt', { prompt: '' }],
  ])('a broken %s is refused', async (field, change) => {
    const data = await file(`he-bad/${field}.jsonl`, [{ ...humanEvalRow, ...change }]);
    await expect(task.load({ data, split: 'test' })).rejects.toThrow(new RegExp(`line 1, field "${field}"`));
  });
});

test('code: the user’s own fields', async () => {
  const task = createCode({ sandbox: none });
  const data = await file('own/mine.jsonl', [
    { id: 'a', prompt: 'Add one.', tests: ['assert f(1) == 2'], code: 'def f(x): return x + 1', setup: 'import math' },
    { task_id: 7, text: 'Hard.', test_list: ['assert g() == 1'], test_setup_code: 'a = 1', show_tests: false },
    { prompt: 'def h(x):\n    """One."""\n', entry_point: 'h', tests: 'assert h(1) == 1', solution: '    return 1' },
    { ...humanEvalRow, task_id: 'own' },
  ]);
  const questions = await task.load({ data, split: 'test' });
  expect(questions).toMatchObject([
    {
      id: 'a',
      question: 'Add one.\nYour code should pass these tests:\nassert f(1) == 2',
      tests: { setup: 'import math', cases: ['assert f(1) == 2'], entryPoint: 'f' },
      solution: ['def f(x): return x + 1\n'],
    },
    { id: '7', question: 'Hard.', tests: { setup: '', cases: ['a = 1\nassert g() == 1'], entryPoint: null } },
    {
      id: 'code/mine/2',
      question: 'Complete the Python function h.',
      prefix: 'def h(x):\n    """One."""',
      solution: ['\n    return 1\n'],
    },
    { id: 'own', prefix: humanEvalRow.prompt.trimEnd(), tests: { entryPoint: 'f' } },
  ]);
  expect(questions[1]).not.toHaveProperty('solution');
  await expect(task.load({ data: await file('own/bad.jsonl', [{ prompt: 'x' }]), split: 'test' })).rejects.toThrow(
    /field "tests", got nothing/,
  );
});

test('what the tests use of a program: as the reference shows it', async () => {
  const task = createCode({ sandbox: none });
  const check = 'def check(candidate):\n    assert candidate(1) == 2';
  const data = await file('own/used.jsonl', [
    { prompt: 'a', tests: [check], code: 'def g(x): return x + 1' },
    { prompt: 'b', tests: [check], code: 'def h(x): return x\ndef g(x): return h(x) + 1' },
    { prompt: 'c', tests: ['assert g(Pair(1)) == 2'], code: 'class Pair: pass\nclass Other: pass\ndef g(p): return 2' },
    { prompt: 'd', tests: ['assert g(1) == 2'], entry_point: 'g' },
    {
      prompt: 'e',
      tests: ['assert g(1) == sys.maxsize + K'],
      code: 'import os, sys\nK = 1\ndef g(x): return sys.maxsize + K',
    },
  ]);
  const questions = await task.load({ data, split: 'test' });
  expect(questions.map(({ tests }) => [tests?.entryPoint, tests?.names])).toEqual([
    ['g', undefined],
    [null, undefined],
    ['g', ['Pair']],
    ['g', undefined],
    ['g', ['sys', 'K']],
  ]);
});

test('an error that is the tests’ fault is graded once, another one again', async () => {
  const verdicts: Verdict[] = [];
  let graded = 0;
  const task = createMbpp({
    sandbox: () => ({
      grade: async () => {
        graded += 1;
        return verdicts.shift() ?? { kind: 'right' };
      },
      [Symbol.asyncDispose]: async () => {},
    }),
  });
  const questions = await task.load({ data: await file('fault.jsonl', [mbppRow(601)]), split: 'train' });
  const answer = { question: questions[0]!, text: 'def add(x): return x + 601', finishReason: 'stop' as const };
  const fault: Verdict = { kind: 'error', detail: 'they assert nothing', fault: 'tests' };
  verdicts.push(fault);
  const outcome = { kind: 'error', reason: 'they assert nothing', fault: 'tests' };
  expect((await gradeWithRetries(task, answer, 3)).outcome).toEqual(outcome);
  verdicts.push({ kind: 'error', detail: 'lost' });
  expect((await gradeWithRetries(task, answer, 3)).outcome).toEqual({ kind: 'right' });
  verdicts.push(fault);
  await expect(task.brokenReferences!(questions)).rejects.toMatchObject({
    code: 'bad-input',
    message: expect.stringMatching(/Expected tests that can grade the 1 reference solutions.*they assert nothing/),
  });
  expect(graded).toBe(4);
});

test('a folder as the hub has it: all of its split files are read, records say their split', async () => {
  for (const [name, id] of [
    ['train', 601],
    ['validation', 511],
    ['test', 11],
    ['prompt', 2],
  ] as const) {
    await file(`hub/full/${name}-00000-of-00001.jsonl`, [mbppRow(id)]);
  }
  const task = createMbpp({ sandbox: none });
  const data = join(folder, 'hub');
  const of = async (split: 'train' | 'valid' | 'test') => (await task.load({ data, split })).map(({ id }) => id);
  expect([await of('train'), await of('valid'), await of('test')]).toEqual([['mbpp/601'], ['mbpp/511'], ['mbpp/11']]);
  expect((await task.examples?.({ data }))?.map(({ id }) => id)).toEqual(['mbpp/2']);
  await file('hub-he/openai_humaneval/test-00000-of-00001.jsonl', [humanEvalRow]);
  const humaneval = createHumanEval({ sandbox: none });
  expect(await humaneval.load({ data: join(folder, 'hub-he'), split: 'test' })).toHaveLength(1);
  await expect(task.load({ data: join(folder, 'he'), split: 'train' })).rejects.toThrow(/Expected mbpp.jsonl/);
});

describe.skipIf(!hasPython)('grading', () => {
  test('right, wrong with its reason and detail, no program, cut off', async () => {
    const task = createMbpp({ sandbox });
    const [question] = await task.load({ data: await file('grade.jsonl', [mbppRow(601)]), split: 'train' });
    const of = (text: string, reason?: 'stop' | 'length') => outcome(task, question!, text, reason);
    expect(await of('```python\ndef add(x):\n    return x + 601\n```')).toEqual({ kind: 'right' });
    expect(await of('def add(x):\n    return x')).toMatchObject({ kind: 'wrong', reason: 'assertion' });
    expect(await of('def sub(x):\n    return x')).toMatchObject({
      reason: 'exception',
      detail: expect.stringContaining('add'),
    });
    expect(await of('def add(x)\n    return x')).toMatchObject({ reason: 'syntax' });
    expect(await of('\n')).toEqual({ kind: 'wrong', reason: 'no-answer' });
    expect(await of('', 'length')).toEqual({ kind: 'wrong', reason: 'truncated' });
    expect(await of('def add(x):\n    y = x +', 'length')).toMatchObject({ kind: 'wrong', reason: 'truncated' });
    expect(await of('def add(x):\n    return x + 601\n\ndef more(x):\n   if', 'length')).toEqual({ kind: 'right' });
    expect(await of(`raise ValueError('${'z'.repeat(900)}')`)).toMatchObject({
      detail: expect.stringMatching(/^.{200}…$/),
    });
    await expect(task.grade({ ...question!, tests: undefined } as unknown as Question, 'x', 'stop')).rejects.toThrow(
      /Expected tests/,
    );
  });

  test('a function is completed, or written whole', async () => {
    const task = createHumanEval({ sandbox });
    const [question] = await task.load({ data: await file('he-grade.jsonl', [humanEvalRow]), split: 'test' });
    for (const right of [
      '    return x + 1\n',
      '\n    return x + 1\n',
      'return x + 1',
      'def f(x):\n    return x + 1\n',
      '```python\ndef f(x):\n    return math.floor(x + 1)\n```\nSo.',
    ]) {
      expect(await outcome(task, question!, right)).toEqual({ kind: 'right' });
    }
    expect(await outcome(task, question!, '    return x\n')).toMatchObject({ reason: 'assertion' });
  });

  test('EvalPlus: the reference says what is expected, floats within a tolerance', async () => {
    const row = {
      ...humanEvalRow,
      test: undefined,
      base_input: [[1], [2]],
      plus_input: [[3], [1e21]],
      atol: 0,
    };
    const task = createHumanEval({ sandbox });
    const [question] = await task.load({ data: await file('plus.jsonl', [row]), split: 'test' });
    expect(question?.tests?.cases).toHaveLength(2);
    expect(await outcome(task, question!, '    return x + 1\n')).toEqual({ kind: 'right' });
    expect(await outcome(task, question!, '    return x + 1 + 1e-9\n')).toEqual({ kind: 'right' });
    expect(await outcome(task, question!, '    return 4 if x == 3 else x + 1 if x < 3 else 0\n')).toMatchObject({
      reason: 'assertion',
    });
    const mbpp = createMbpp({ sandbox });
    const plus = {
      task_id: 'Mbpp/20',
      prompt: '"""\nAdd.\nassert add(1) == 2\n"""\n',
      entry_point: 'add',
      canonical_solution: '\ndef add(x):\n    return x + 1\n',
      base_input: [[1]],
      plus_input: [[[1]]],
    };
    await expect(mbpp.load({ data: await file('plus-mbpp.jsonl', [plus]), split: 'train' })).rejects.toThrow(
      /got 1 others/,
    );
    const [own] = await mbpp.load({ data: join(folder, 'plus-mbpp.jsonl'), split: 'test' });
    expect(own).toMatchObject({ id: 'mbpp/20', solution: ['\ndef add(x):\n    return x + 1\n'] });
  });

  test('references that fail their own tests are found; a sandbox that grades nothing is an error', async () => {
    const data = await file('broken.jsonl', [
      mbppRow(601),
      mbppRow(602, { test_list: ['assert add(1) == 0'] }),
      mbppRow(603, { code: 'def add(x): return' }),
    ]);
    const task = createMbpp({ sandbox });
    const questions = await task.load({ data, split: 'train' });
    const done: number[] = [];
    const broken = await task.brokenReferences!(questions, { onDone: (n) => done.push(n) });
    expect(broken).toMatchObject([
      { id: 'mbpp/602', reason: 'assertion' },
      { id: 'mbpp/603', reason: 'assertion' },
    ]);
    expect(done).toEqual([3]);
    const dead = createMbpp({
      sandbox: () => ({
        grade: async () => ({ kind: 'error', detail: 'no interpreter' }),
        [Symbol.asyncDispose]: async () => {},
      }),
    });
    await expect(dead.brokenReferences!(questions)).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('no interpreter'),
    });
  });

  test('the sandbox is made with the first program and disposed of with the task', async () => {
    const counts = { made: 0, disposed: 0, graded: 0 };
    const task = createMbpp({ sandbox: pythonSandbox(counts) });
    const [question] = await task.load({ data: await file('lazy.jsonl', [mbppRow(601)]), split: 'train' });
    await closing(task)[Symbol.asyncDispose]();
    expect(counts).toEqual({ made: 0, disposed: 0, graded: 0 });
    await task.grade(question!, 'x = 1', 'stop');
    await task.grade(question!, 'x = 1', 'stop');
    await closing(task)[Symbol.asyncDispose]();
    await closing(task)[Symbol.asyncDispose]();
    expect(counts).toEqual({ made: 1, disposed: 1, graded: 2 });
  });
});

describe.skipIf(!hasShared || !hasPython)('the real sets', () => {
  test('MBPP: 374 train, 90 valid, 500 test; every reference passes its tests and is its steps', async () => {
    const task = createMbpp({ sandbox });
    await using _closing = closing(task);
    const splits = await Promise.all(
      (['train', 'valid', 'test'] as const).map((split) => task.load({ data: shared, split })),
    );
    expect(splits.map(({ length }) => length)).toEqual([374, 90, 500]);
    const all = splits.flat();
    expect(all.every(({ tests }) => tests?.entryPoint !== null)).toBe(true);
    for (const { solution } of all) expect(task.split(task.pieces(solution!).join(''))).toEqual(solution);
    expect(await task.brokenReferences!(all)).toEqual([]);
  });

  test('HumanEval: 164, every reference passes, as a body and as a whole program', async () => {
    const task = createHumanEval({ sandbox });
    await using _closing = closing(task);
    const questions = await task.load({ data: shared, split: 'test' });
    expect(questions).toHaveLength(164);
    expect(await task.brokenReferences!(questions)).toEqual([]);
    const whole = questions.map(({ prefix, solution, ...rest }) => ({
      ...rest,
      prefix: prefix!,
      solution: [`\`\`\`python\n${prefix}${solution!.join('')}\`\`\``],
    }));
    expect(await task.brokenReferences!(whole)).toEqual([]);
  });
});
