// Helpers that a prompt defines (HumanEval 32, 38, 50) are ours: to define them again is no answer.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createPyodideSandbox } from '../../src/sandboxes/embedded.ts';
import { closing } from '../../src/task.ts';
import { createHumanEval } from '../../src/tasks/code/code-tasks.ts';

const PROMPT = `import math

def poly(xs: list, x: float):
    """Value of a polynomial at x."""
    return sum([c * math.pow(x, i) for i, c in enumerate(xs)])


def find_zero(xs: list):
    """A zero of the polynomial.
    """
`;
const RECORD = {
  task_id: 'HumanEval/32',
  prompt: PROMPT,
  entry_point: 'find_zero',
  canonical_solution: '    return -xs[0] / xs[1]\n',
  test: 'def check(candidate):\n    for xs in ([1, 2], [3, 4], [-6, 3]):\n        assert math.fabs(poly(xs, candidate(xs))) < 1e-4\n',
};

it('grades by the prompt’s own helpers, whatever the program calls by their names', { timeout: 120_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sipf-helpers-'));
  const data = join(folder, 'humaneval.jsonl');
  writeFileSync(data, `${JSON.stringify(RECORD)}\n`);
  const task = createHumanEval({ sandbox: () => createPyodideSandbox({ workers: 1 }) });
  await using _ = closing(task);
  const [question] = await task.load({ split: 'test', data });
  const graded = async (completion: string) => (await task.grade(question!, completion, 'stop')).outcome;
  expect(await graded('    return -xs[0] / xs[1]\n')).toEqual({ kind: 'right' });
  expect(await graded('    return 0\n\ndef poly(xs, x):\n    return 0\n')).toMatchObject({ kind: 'wrong' });
  expect(await graded('    math.fabs = lambda x: 0\n    return 0\n')).toMatchObject({ kind: 'wrong' });
  rmSync(folder, { recursive: true });
});
