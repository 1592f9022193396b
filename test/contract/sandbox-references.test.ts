// Reference solutions of MBPP and HumanEval -> the same verdicts from the sandbox and CPython.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Program, Verdict } from '../../src/sandbox.ts';
import { createPyodideSandbox } from '../../src/sandboxes/embedded.ts';
import { sized } from '../tier.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const shared = join(root, '../shared/data');
const missing = !existsSync(join(shared, 'mbpp/mbpp.jsonl'))
  ? 'no ../shared/data beside the repository'
  : spawnSync('python3', ['--version']).status !== 0
    ? 'no python3 on the PATH'
    : null;
if (missing) console.warn(`Reference solutions are not graded: ${missing}.`);

/** A program, and the same as one text for CPython. */
interface Reference {
  readonly id: string;
  readonly program: Program;
  readonly text: string;
}

interface MbppRow {
  readonly task_id: number;
  readonly code: string;
  readonly test_setup_code: string;
  readonly test_list: readonly string[];
}

interface HumanEvalRow {
  readonly task_id: string;
  readonly prompt: string;
  readonly entry_point: string;
  readonly canonical_solution: string;
  readonly test: string;
}

function rowsOf<T>(file: string): T[] {
  const lines = readFileSync(join(shared, file), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as T);
}

function mbpp(): Reference[] {
  return rowsOf<MbppRow>('mbpp/mbpp.jsonl').map(({ task_id, code, test_setup_code, test_list }) => ({
    id: `mbpp ${task_id}`,
    program: { code, setup: test_setup_code, tests: test_list, timeoutMs: 120_000 },
    text: [test_setup_code, code, ...test_list].join('\n'),
  }));
}

function humanEval(): Reference[] {
  return rowsOf<HumanEvalRow>('humaneval/HumanEval.jsonl').map((row) => {
    const code = row.prompt + row.canonical_solution;
    const test = `${row.test}\ncheck(${row.entry_point})\n`;
    return {
      id: row.task_id,
      program: { code, tests: [test], entryPoint: row.entry_point, timeoutMs: 120_000 },
      text: `${code}\n${test}`,
    };
  });
}

/** CPython's verdicts, a process for each program. */
async function gradeByCPython(references: readonly Reference[]): Promise<string[]> {
  const child = spawn('python3', [join(root, 'bench/sandbox/human_eval_peer.py'), '2', '120'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stdin.end(references.map(({ text }) => JSON.stringify(text)).join('\n'));
  await new Promise((resolve) => child.on('close', resolve));
  return (JSON.parse(Buffer.concat(chunks).toString()) as { verdicts: string[] }).verdicts;
}

async function gradeHere(references: readonly Reference[]): Promise<Verdict[]> {
  const sandbox = createPyodideSandbox({ workers: 2 });
  try {
    return await Promise.all(references.map(({ program }) => sandbox.grade(program)));
  } finally {
    await sandbox[Symbol.asyncDispose]();
  }
}

describe.skipIf(missing !== null)('reference solutions', () => {
  it.each([
    // Their setup makes objects of a class that only the code defines: before the code, that fails on CPython, and here it is our side's mistake.
    ['MBPP', mbpp, 974, ['mbpp 367', 'mbpp 927']],
    ['HumanEval', humanEval, 164, []],
  ] as const)('%s: the verdicts that CPython gives', { timeout: 900_000 }, async (_, load, count, failing) => {
    const all = load();
    expect(all).toHaveLength(count);
    const references = all.filter(({ id }, index) => index % sized(8, 1) === 0 || failing.some((one) => one === id));
    const cpython = await gradeByCPython(references);
    const here = await gradeHere(references);
    const ids = (passes: (index: number) => boolean) =>
      references.filter((_, index) => !passes(index)).map(({ id }) => id);
    expect(ids((index) => cpython[index] === 'passed')).toEqual(failing);
    expect(ids((index) => here[index]?.kind === 'right')).toEqual(failing);
    for (const id of failing) {
      const index = references.findIndex((reference) => reference.id === id);
      expect(here[index]).toMatchObject({
        kind: 'error',
        detail: "The setup failed: NameError: name 'Node' is not defined",
      });
    }
  });

  it('MBPP 367 and 927 are right on both where their setup comes after the code', async () => {
    const rows = mbpp().filter(({ id }) => id === 'mbpp 367' || id === 'mbpp 927');
    const references = rows.map(({ id, program }) => {
      const tests = [program.setup ?? '', ...program.tests];
      return { id, program: { code: program.code, tests }, text: [program.code, ...tests].join('\n') };
    });
    expect(await gradeByCPython(references)).toEqual(['passed', 'passed']);
    expect(await gradeHere(references)).toEqual([{ kind: 'right' }, { kind: 'right' }]);
  });
});
