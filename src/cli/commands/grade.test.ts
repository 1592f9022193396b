// Lines good and broken -> what sipf grade prints. Programs run in the machine's python3.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import picocolors from 'picocolors';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pythonSandbox } from '../../../test/python-sandbox.ts';
import { hasPython } from '../../../test/python3.ts';
import type { Sandbox, Verdict } from '../../sandbox.ts';
import { openTasks } from '../../tasks/index.ts';
import type { Terminal } from '../terminal.ts';
import { type GradeOptions, grade, inOrder } from './grade.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sipf-grade-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, lines: readonly unknown[]): string {
  const path = join(folder, name);
  writeFileSync(path, lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'));
  return path;
}

/** What is printed, parsed, and what is thrown. */
async function run(
  options: Omit<GradeOptions, 'json'>,
  sandbox?: () => Sandbox,
): Promise<{ lines: unknown[]; error: unknown; counts: { made: number; disposed: number } }> {
  const lines: unknown[] = [];
  const counts = { made: 0, disposed: 0, graded: 0 };
  const terminal = {
    signal: new AbortController().signal,
    print: async (line: string) => void lines.push(JSON.parse(line)),
    log: () => undefined,
    colors: picocolors.createColors(false),
  } as unknown as Terminal;
  const tasks = openTasks({ sandbox: sandbox ?? pythonSandbox(counts) });
  const error = await grade({ ...options, json: true }, terminal, tasks).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  return { lines, error, counts };
}

test('numbers keep their digits: references, and ids as they are given back', async () => {
  const path = write('long.jsonl', [
    '{"id":"same","reference":12345678901234567891,"completion":"The answer is 12345678901234567891"}',
    '{"id":"other","reference":9007199254740993,"completion":"The answer is 9007199254740992"}',
    '{"id":"decimal","reference":0.1234567890123456789,"completion":"The answer is 0.1234567890123456788"}',
    '{"id":"power","reference":1E2,"completion":"The answer is 100"}',
    '{"id":"nought","reference":-0.0,"completion":"The answer is 0"}',
  ]);
  const { lines, error } = await run({ task: 'jsonl', in: path });
  expect(error).toBe(null);
  expect(lines).toMatchObject([true, false, false, true, true].map((correct) => ({ correct })));
  const printed: string[] = [];
  const terminal = {
    signal: new AbortController().signal,
    print: async (line: string) => void printed.push(line),
  } as unknown as Terminal;
  const row = '{"id":9007199254740993,"reference":"1","completion":"The answer is 1"}';
  const colors = picocolors.createColors(false);
  const even = row.replace('993', '992');
  const options = { task: 'jsonl', in: write('ids.jsonl', [row, even]), json: true };
  await grade(options, { ...terminal, colors } as Terminal, openTasks());
  expect(printed).toEqual([
    '{"id":9007199254740993,"extracted":"1","correct":true}',
    '{"id":9007199254740992,"extracted":"1","correct":true}',
  ]);
});

test('choices: the reference is a letter, an index or a text, and so is the answer', async () => {
  const choices = ['p = 4', 'p = 8', 'p = 12', 'p = 24'];
  const path = write('choices.jsonl', [
    { reference: 2, choices, completion: 'The answer is 12' },
    { reference: 'C', choices, completion: 'C' },
    { reference: 'p = 12', options: choices, completion: 'The answer is 2' },
  ]);
  const { lines, error } = await run({ task: 'mmlu-math', in: path });
  expect(error).toBe(null);
  expect(lines).toMatchObject([
    { extracted: 'C', correct: true },
    { correct: true },
    { extracted: '2', correct: false },
  ]);
  const bad = await run({
    task: 'jsonl',
    in: write('bad-choices.jsonl', [{ reference: 4, choices, completion: 'x' }]),
  });
  expect(String(bad.error)).toMatch(/bad-choices.jsonl, line 1, field "reference", got 4/);
});

describe.skipIf(!hasPython)('programs', () => {
  test('code with its tests runs as it is, in the order of the lines', async () => {
    const path = write('programs.jsonl', [
      { id: 'slow', code: 'import time\ntime.sleep(0.3)\ndef f(x):\n    return x', tests: ['assert f(1) == 1'] },
      { code: 'def f(x): return x', tests: ['assert f(1) == 1', 'assert f(2) == 1, "two"'] },
      { id: 7, code: 'def f(x): return y\nf(1)', tests: 'assert f(1)' },
      { code: 'def f(:', tests: ['assert f(1)'] },
      { code: 'import sys\nsys.exit(0)', tests: ['assert f(1)'] },
      { code: 'def f(x): return K', setup: 'K = 3', tests: ['assert f(1) == 3'], entry_point: 'f' },
    ]);
    const { lines, error, counts } = await run({ task: 'mbpp', in: path });
    expect(error).toBeNull();
    expect(lines).toMatchObject([
      { id: 'slow', correct: true, verdict: 'right', reason: null, detail: null },
      { id: 1, correct: false, verdict: 'wrong', reason: 'assertion', detail: expect.stringContaining('two') },
      { id: 7, correct: false, reason: 'exception', detail: expect.stringContaining('NameError') },
      { id: 3, correct: false, reason: 'syntax' },
      { id: 4, correct: false, reason: 'exit' },
      { id: 5, correct: true },
    ]);
    expect(counts).toMatchObject({ made: 1, disposed: 1 });
  });

  test('a program that cannot be graded is null and ends the command with an error', async () => {
    const path = write('ungraded.jsonl', [
      { code: 'x = 1', tests: ['assert ('] },
      { code: 'x = 1', tests: ['assert x'] },
    ]);
    const { lines, error } = await run({ task: 'humaneval', in: path });
    expect(lines).toMatchObject([
      { id: 0, correct: null, verdict: 'error', reason: null },
      { id: 1, correct: true },
    ]);
    expect(error).toMatchObject({ code: 'bad-input', message: expect.stringContaining('no grade for 1') });
  });

  test('completions of problems that the data holds', async () => {
    const data = write('mbpp.jsonl', [
      {
        text: 'Add.',
        code: 'def add(x):\n    return x + 1',
        task_id: 11,
        test_setup_code: '',
        test_list: ['assert add(1) == 2'],
      },
      {
        text: 'Sub.',
        code: 'def sub(x):\n    return x - 1',
        task_id: 601,
        test_setup_code: '',
        test_list: ['assert sub(1) == 0'],
      },
    ]);
    const path = write('completions.jsonl', [
      { task_id: 11, completion: 'Sure:\n```python\ndef add(x):\n    return x + 1\n```' },
      { task_id: 'mbpp/601', completion: 'def sub(x):\n    return x' },
      { task_id: 'Mbpp/601', id: 'own', completion: '' },
    ]);
    const { lines, error } = await run({ task: 'mbpp', in: path, data });
    expect(error).toBeNull();
    expect(lines).toMatchObject([
      { id: 11, correct: true },
      { id: 'mbpp/601', correct: false, reason: 'assertion' },
      { id: 'own', correct: false, reason: 'no-answer', detail: null },
    ]);
    const unknown = await run({ task: 'mbpp', in: write('unknown.jsonl', [{ task_id: 12, completion: '' }]), data });
    expect(unknown.error).toMatchObject({
      message: expect.stringMatching(
        /unknown.jsonl, line 1, field "task_id": Expected the id of one of 2 problems of mbpp, got 12/,
      ),
    });
  });

  test('earlier lines are printed before a broken one ends the command', async () => {
    const path = write('broken.jsonl', [
      { code: 'x = 1', tests: ['assert x'] },
      { code: 'x = 1', tests: ['assert x'] },
      '{"code": 5}',
    ]);
    const { lines, error } = await run({ task: 'code', in: path });
    expect(lines).toHaveLength(2);
    expect(error).toMatchObject({
      code: 'bad-input',
      message: expect.stringMatching(/broken.jsonl, line 3, field "code": Expected a string, got 5/),
    });
  });

  test.each([
    [{ code: 'x' }, /line 1, field "tests": Expected a list of tests, got nothing/],
    [{ code: 'x', tests: [] }, /line 1, field "tests"/],
    [{ code: 'x', tests: [1] }, /line 1, field "tests\[0\]": Expected a string, got 1/],
    [{ task_id: 1 }, /line 1, field "completion": Expected a text, got nothing/],
    [{ completion: 'x' }, /line 1, field "code": Expected a program \(or task_id and completion\)/],
    ['{', /line 1: Expected one JSON object/],
  ])('%j is refused', async (line, message) => {
    const { error, counts } = await run({ task: 'mbpp', in: write('bad.jsonl', [line]) });
    expect(error).toMatchObject({ code: 'bad-input', message: expect.stringMatching(message) });
    expect(counts.made).toBe(0);
  });
});

test('answers are graded as before, without a sandbox', async () => {
  const path = write('answers.jsonl', [
    { id: 'a', reference: '#### 29', completion: 'It costs $29.00.' },
    { reference: 3, completion: 'The answer is 4' },
  ]);
  const { lines, error, counts } = await run({ task: 'gsm8k', in: path });
  expect(error).toBeNull();
  expect(lines).toEqual([
    { id: 'a', extracted: '29', correct: true },
    { id: 1, extracted: '4', correct: false },
  ]);
  expect(counts.made).toBe(0);
});

/** A sandbox that fails so often before each verdict, and how often it was asked. */
function failing(times: number, error: Verdict): { sandbox: () => Sandbox; asked: () => number } {
  let asked = 0;
  const grade = async (): Promise<Verdict> => {
    asked += 1;
    return asked % (times + 1) === 0 ? { kind: 'right' } : error;
  };
  return { sandbox: () => ({ grade, [Symbol.asyncDispose]: async () => {} }), asked: () => asked };
}

test('a program is tried again after an error of the sandbox, as in a run', async () => {
  const data = write('task.jsonl', [
    { text: 'Add.', code: 'f', task_id: 11, test_setup_code: '', test_list: ['assert f(1)'] },
  ]);
  for (const row of [
    { code: 'f = 1', tests: ['assert f'] },
    { task_id: 11, completion: 'def f(x):\n    return x' },
  ]) {
    const path = write('retried.jsonl', [row]);
    const outage: Verdict = { kind: 'error', detail: 'out of memory' };
    const [twice, thrice] = [failing(2, outage), failing(3, outage)];
    expect((await run({ task: 'mbpp', in: path, data }, twice.sandbox)).lines).toMatchObject([{ correct: true }]);
    const { lines } = await run({ task: 'mbpp', in: path, data }, thrice.sandbox);
    expect(lines).toMatchObject([{ correct: null, verdict: 'error', detail: 'out of memory' }]);
    const ofTests = failing(1, { kind: 'error', detail: 'no such module', fault: 'tests' });
    await run({ task: 'mbpp', in: path, data }, ofTests.sandbox);
    expect([twice.asked(), thrice.asked(), ofTests.asked()]).toEqual([3, 3, 1]);
  }
});

test('a mixture is no way to grade', async () => {
  const { error } = await run({ task: 'gsm8k+mbpp', in: write('mixed.jsonl', []) });
  expect(error).toMatchObject({ code: 'unsupported', message: expect.stringContaining('got the mixture gsm8k+mbpp') });
});

test('several at a time, in order, never more than wanted', async () => {
  let [running, most] = [0, 0];
  const work = async (n: number) => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setTimeout(resolve, n % 3 === 0 ? 20 : 2));
    running -= 1;
    return n;
  };
  const results: number[] = [];
  for await (const n of inOrder(
    Array.from({ length: 20 }, (_, i) => i),
    work,
    4,
  ))
    results.push(n);
  expect(results).toEqual(Array.from({ length: 20 }, (_, i) => i));
  expect(most).toBe(4);
});
