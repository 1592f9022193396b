// Lines of programs and completions -> what `sipf grade` says, by the embedded sandbox.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { programGrader } from '../../src/cli/commands/grade-programs.ts';
import { createPyodideSandbox } from '../../src/sandboxes/embedded.ts';
import { createCode, createHumanEval } from '../../src/tasks/code/code-tasks.ts';

const folder = mkdtempSync(join(tmpdir(), 'sipf-grade-programs-'));
const sandbox = createPyodideSandbox({ workers: 1 });
afterAll(async () => {
  await sandbox[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const PROBLEM = {
  task_id: 'HumanEval/0',
  prompt: 'def plus_one(x: int) -> int:\n    """ Returns x plus one.\n    >>> plus_one(1)\n    2\n    """\n',
  entry_point: 'plus_one',
  canonical_solution: '    return x + 1\n',
  test: 'def check(candidate):\n    assert candidate(1) == 2\n',
};

async function verdicts(problem: object, completions: readonly string[]): Promise<(string | null)[]> {
  const data = join(folder, `${completions.length}-${Object.values(problem).join('').length}.jsonl`);
  writeFileSync(data, `${JSON.stringify({ ...PROBLEM, ...problem })}\n`);
  const task = createHumanEval({ sandbox: () => sandbox });
  const grade = programGrader({ task, data, sandbox, signal: new AbortController().signal });
  const values = completions.map((completion) => ({ task_id: 'HumanEval/0', completion }));
  const graded = await Promise.all(values.map((value, index) => grade({ index, place: `line ${index}`, value })));
  return graded.map(({ verdict, reason, detail }) =>
    verdict === 'right' ? 'right' : `${reason ?? verdict}: ${detail}`,
  );
}

it('completions with left-over tokens, reasoning, one-line fences and fences in docstrings', {
  timeout: 120_000,
}, async () => {
  const completions = [
    '    return x + 1\n<|endoftext|>',
    '    return x + 1<|endoftext|>',
    'def plus_one(x):\n    return x + 1\n<|im_end|>\n<|im_start|>user\nThanks',
    '<think>\nFirst try:\n```python\ndef plus_one(x):\n    return x\n```\nWrong.\n</think>\n```python\ndef plus_one(x):\n    return x + 1\n```',
    '<think>\nMaybe\ndef plus_one(x):\n    return x\nNo.\n</think>\ndef plus_one(x):\n    return x + 1\n',
    '```python def plus_one(x): return x + 1```',
    '```python def plus_one(x):\n    return x + 1\n```',
    '```python\ndef plus_one(x):\n    """Adds one.\n\n    ```\n    plus_one(1)\n    ```\n    """\n    return x + 1\n```',
    '    def plus_one(y):\n        return y + 1\n    return plus_one(x)\n',
    'from __future__ import annotations\n\ndef plus_one(x):\n    return x + 1\n',
  ];
  expect(await verdicts({}, completions)).toEqual(completions.map(() => 'right'));
  expect(await verdicts({}, ['<think>\nMaybe\ndef plus_one(x):\n    return x + 1\n'])).toEqual(['no-answer: null']);
});

it('an entry point called check', { timeout: 120_000 }, async () => {
  const problem = {
    prompt: 'def check(n: int) -> bool:\n    """ True where n is one less than twice its reverse. """\n',
    entry_point: 'check',
    test: 'def check(candidate):\n    assert candidate(70) == False\n    assert candidate(73) == True\n',
  };
  const right = '    return 2 * int(str(n)[::-1]) == n + 1\n';
  expect(await verdicts(problem, [right, '    return True\n'])).toEqual(['right', expect.stringMatching(/^assertion/)]);
});

it('tests that import numpy are no verdict on the program', { timeout: 120_000 }, async () => {
  const test =
    'import numpy as np\n\ndef close(out, exp, atol):\n    if atol:\n        assert np.allclose(out, exp, atol=atol)\n    else:\n        assert out == exp\n\ndef check(candidate):\n    for inp, exp in [([1], 2), ([0], 1)]:\n        close(candidate(*inp), exp, 0)\n';
  expect(await verdicts({ test }, ['    return x + 1\n'])).toEqual([
    expect.stringMatching(/^error: Expected the module numpy in the sandbox, got none/),
  ]);
});

it('tests that are only defined are run; where nothing is asserted there is no verdict', {
  timeout: 120_000,
}, async () => {
  const task = createCode({ sandbox: () => sandbox });
  const grade = programGrader({ task, data: undefined, sandbox, signal: new AbortController().signal });
  const rows = [
    { tests: ['def test_one():\n    assert f(1) == 2\n'], entry_point: 'f' },
    {
      tests: [
        'import unittest\n\nclass T(unittest.TestCase):\n    def test(self):\n        self.assertEqual(f(1), 2)\n',
      ],
      entry_point: 'f',
    },
    { tests: ['def check(candidate):\n    assert candidate(1) == 2\n'] },
    { tests: ['import math'], entry_point: 'f' },
  ];
  const graded = rows.map((row, index) =>
    grade({ index, place: '', value: { code: 'def f(x):\n    return 0', ...row } }),
  );
  expect((await Promise.all(graded)).map(({ correct }) => correct)).toEqual([false, false, false, null]);
});
