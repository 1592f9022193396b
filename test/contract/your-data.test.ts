// docs/your-data.md -> its examples are read, its commands exist, its messages are the program's.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadConfig, parseConfig } from '../../src/config/load.ts';
import { type ConfigInput, configKeys } from '../../src/config/schema.ts';
import { alignRows } from '../../src/method/align-rows.ts';
import { METHODS } from '../../src/method/methods.ts';
import { readPairs } from '../../src/pipeline/files/own-pairs.ts';
import { readSamples } from '../../src/pipeline/files/own-samples.ts';
import { readRun } from '../../src/pipeline/run-reader.ts';
import { loadShots } from '../../src/pipeline/shots.ts';
import { loadRunQuestions } from '../../src/pipeline/train-questions.ts';
import { taskNamed } from '../../src/tasks/index.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const text = readFileSync(join(root, 'docs', 'your-data.md'), 'utf8');
const terminal = { signal: new AbortController().signal, log: () => undefined, warn: () => undefined };

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sipf-your-data-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The examples of one kind, in a file; how many lines they are. */
function examples(kind: string): { path: string; count: number } {
  const blocks = [...text.matchAll(new RegExp(`\`\`\`jsonl ${kind}\n(.*?)\`\`\``, 'gs'))].map(
    ([, block]) => block ?? '',
  );
  const path = join(folder, `${kind}.jsonl`);
  writeFileSync(path, blocks.join(''));
  return { path, count: blocks.join('').trim().split('\n').length };
}

test('questions and code problems are read by their tasks', async () => {
  const { path, count } = examples('question');
  const questions = await taskNamed('jsonl').load({ data: path, split: 'test', whole: true });
  expect(questions.map(({ answer }) => answer)).toEqual(['10', '0.25', 'paris']);
  expect(questions[2]).toMatchObject({
    id: 'paris-1',
    solution: ['The Louvre is a museum in Paris.\nThe answer is paris'],
  });
  expect(count).toBe(3);
  const [problem] = await taskNamed('code').load({ data: examples('code').path, split: 'test', whole: true });
  expect(problem?.tests).toMatchObject({ entryPoint: 'double', cases: { length: 2 } });
});

test('worked examples are read', async () => {
  const { path, count } = examples('shot');
  const shots = await loadShots({ task: taskNamed('jsonl'), count, file: path, fallback: [] });
  expect(shots.map(({ steps }) => steps)).toEqual([['5+7=12\nThe answer is 12'], ['9-4=5\nThe answer is 5']]);
});

test('samples need no data, and are graded', async () => {
  const stage = { config: parseConfig({ task: { name: 'jsonl' } }), task: taskNamed('jsonl') };
  const { samples } = await readSamples({ path: examples('sample').path, stage, options: {}, graded: true }, terminal);
  expect([...samples.values()].flat().map(({ outcome }) => outcome.kind)).toEqual(['right', 'wrong']);
});

test('pairs are read in each shape', async () => {
  const { path, count } = examples('pair');
  const pairs = await readPairs(path, taskNamed('jsonl'), terminal);
  expect(pairs).toHaveLength(count);
  expect(pairs.map(({ chosen }) => chosen.steps.length)).toEqual([2, 1, 1]);
});

test('every command names a preset and settings that exist', async () => {
  const commands = text.split('\n').filter((line) => line.startsWith('    sipf '));
  expect(commands.length).toBeGreaterThan(8);
  const keys = new Set(configKeys());
  for (const line of commands) {
    for (const [, key] of line.matchAll(/--([a-z]+(?:\.\w+)+)/g)) expect(keys, line).toContain(key);
    for (const [, preset] of line.matchAll(/--preset (\S+)/g)) await loadConfig({ preset });
  }
});

test('the messages that it explains are those of the program', async () => {
  const write = (name: string, lines: readonly object[]) => {
    writeFileSync(join(folder, name), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    return join(folder, name);
  };
  const jsonl = taskNamed('jsonl');
  const questions = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ question: `${i}+1?`, answer: i + 1 }));
  const run = (name: string, lines: readonly object[], change: ConfigInput = {}) =>
    loadRunQuestions(parseConfig({ ...change, task: { name: 'jsonl', data: write(name, lines) } }), jsonl, taskNamed);
  mkdirSync(join(folder, 'data'));
  const thrown: Readonly<Record<string, () => Promise<unknown>>> = {
    'Expected a question in q.jsonl': () => run('q.jsonl', [{ prompt: 'q', answer: 1 }]),
    'Expected at least 10 different': () => run('q.jsonl', questions(9)),
    'Expected worked solutions for': () => run('q.jsonl', questions(20)),
    'Expected 4 worked examples in': () =>
      run('q.jsonl', questions(20), { sft: { enabled: false }, prompt: { shots: 4 } }),
    'Expected test.jsonl in data': () => jsonl.load({ data: join(folder, 'data'), split: 'test' }),
    'Expected JSONL (.jsonl), a JSON': () => run('q.csv', questions(20)),
    'Expected preference pairs to al': async () =>
      alignRows({
        ...{ method: METHODS.sipf, pairs: [], questions: [], options: parseConfig({}).align, scope: 'full', key: '' },
        ...{ task: jsonl, prompt: () => '' },
      }),
    'no run there': () => readRun(join(folder, 'data')),
  };
  const section = text.slice(text.indexOf('## Common errors'));
  const explained = [...section.matchAll(/^\| `([^`]+)`/gm)].map(([, message]) =>
    (message ?? '').replace(/ \.\.\.$/, ''),
  );
  expect(explained.map((message) => Object.keys(thrown).find((start) => message.startsWith(start)))).toEqual(
    Object.keys(thrown),
  );
  for (const [i, trigger] of Object.values(thrown).entries()) {
    const error: unknown = await trigger().catch((cause: unknown) => cause);
    expect(String(error).replaceAll(`${folder}/`, '')).toContain(explained[i]);
  }
});
