// Reference solutions of MBPP and HumanEval -> exact steps, cut where CPython ends statements.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { splitCode } from '../../src/tasks/code/code-steps.ts';
import { logicalLines } from '../../src/tasks/code/python-tokens.ts';
import { hasPython, runPython } from '../python3.ts';

const data = join(import.meta.dirname, '../../../shared/data');
const hasData = existsSync(data);
if (!hasData) console.warn('No ../shared/data beside the repository: steps of MBPP and HumanEval are not checked.');

function read(file: string): Record<string, string>[] {
  const lines = readFileSync(join(data, file), 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Record<string, string>);
}

/** Whole programs, and bodies that continue a prompt. */
const programs = hasData ? read('mbpp/mbpp.jsonl').map(({ code }) => code ?? '') : [];
const bodies = hasData ? read('humaneval/HumanEval.jsonl').map((row) => row.canonical_solution ?? '') : [];
const prompted = hasData
  ? read('humaneval/HumanEval.jsonl').map((row) => `${row.prompt}${row.canonical_solution}`)
  : [];

test.skipIf(!hasData)('joined, the steps are the text', () => {
  expect([programs.length, bodies.length]).toEqual([974, 164]);
  for (const text of [...programs, ...bodies, ...prompted]) {
    const steps = splitCode(text);
    expect(steps.join('')).toBe(text);
    expect(steps.slice(0, -1).every((step) => /[\r\n]$/.test(step))).toBe(true);
  }
});

const TOKENIZER = `
import io, json, sys, tokenize
for text in json.load(sys.stdin):
    tokens = tokenize.generate_tokens(io.StringIO(text, newline='').readline)
    print(json.dumps([t.start[0] for t in tokens if t.type == tokenize.NEWLINE]))
`;

test.skipIf(!hasData || !hasPython)("logical lines end where CPython's tokenizer ends them", () => {
  // The tokenize module stumbles over a carriage return at the very end; the compiler does not.
  const texts = [...programs, ...prompted].map((text) => text.replace(/\r$/, ''));
  const expected = runPython(TOKENIZER, JSON.stringify(texts)).trim().split('\n');
  for (const [i, text] of texts.entries()) {
    const ends = logicalLines(text).flatMap(({ blank, end }) =>
      blank
        ? []
        : [
            text
              .slice(0, end)
              .replace(/\r?\n$/, '')
              .split('\n').length,
          ],
    );
    expect(ends, text).toEqual(JSON.parse(expected[i] ?? ''));
  }
});

const COMPILER = `
import json, sys
for text in json.load(sys.stdin):
    try:
        compile(text, 'prefix', 'exec')
        print('ok')
    except SyntaxError as error:
        print(error.msg)
`;

test.skipIf(!hasData || !hasPython)('every prefix of steps compiles, an open try apart', () => {
  const prefixes = programs.flatMap((text) => {
    const steps = splitCode(text.replaceAll('\r\n', '\n'));
    return steps.map((_, i) => steps.slice(0, i + 1).join(''));
  });
  const results = runPython(COMPILER, JSON.stringify(prefixes)).trim().split('\n');
  expect(results).toHaveLength(prefixes.length);
  const broken = results.flatMap((result, i) => (result === 'ok' ? [] : [{ result, prefix: prefixes[i] ?? '' }]));
  expect(broken.filter(({ prefix }) => !/^\s*try:/m.test(prefix))).toEqual([]);
  expect(broken.length).toBeLessThan(10);
});
