// Folders without a run -> what the error says is there, and which runs it names.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readRun } from '../pipeline/run-reader.ts';
import { isRun, noRunAt } from './no-run.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sipf-no-run-'));
  for (const name of ['first', 'second', 'gsm8k-seed-1', 'gsm8k-seed-2']) {
    mkdirSync(join(folder, 'runs', name, 'iteration-1'), { recursive: true });
    writeFileSync(join(folder, 'runs', name, 'config.json'), '{"config": {"model": "x"}, "versions": {"sipf": "1"}}');
  }
  for (const name of ['empty', 'model', 'broken']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'model', 'config.json'), '{"architectures": ["LlamaForCausalLM"]}');
  writeFileSync(join(folder, 'broken', 'config.json'), '{"config": ');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it.each([
  ['runs/frist', /nothing has that name\. In .*runs: the runs first, .*Did you mean .*runs\/first\?/],
  ['runs/First', /Did you mean .*runs\/first\?/],
  ['runs/gsm8k-seed-3', /the runs gsm8k-seed-1, gsm8k-seed-2, .*Did you mean .*gsm8k-seed-1\?/],
  ['runs/zzzzzzzzzzzz', /In .*runs: the runs .*\. Give one of them\./],
  [
    'runs',
    /the folder holds the runs first, gsm8k-seed-1, gsm8k-seed-2, second\. Give one of them, such as .*runs\/first\./,
  ],
  ['runs/first/iteration-1', /it is inside the run .*runs\/first\. Give /],
  ['runs/first/iteration-1/6-policy', /it is inside the run .*runs\/first\./],
  ['runs/first/config.json', /it is inside the run .*runs\/first\./],
  ['model', /it is a model's folder\. /],
  ['model/config.json', /it is a file\. /],
  ['broken', /its config\.json is no run's\. /],
  ['empty', /the folder has no config\.json\. There are no runs in /],
  ['nowhere/at/all', /nothing has that name\. There are no runs in .*nowhere\/at either\. Give the --out of a run\./],
])('%s', async (name, message) => {
  const dir = join(folder, name);
  const { code, message: text } = await noRunAt(dir);
  expect(code).toBe('not-found');
  expect(text).toContain(`Expected a run at ${dir}, got no run there: `);
  expect(text).toMatch(message);
  await expect(readRun(dir)).rejects.toThrow('no run there');
  expect(await isRun(dir)).toBe(false);
});

it('a run is one', async () => {
  expect(await isRun(join(folder, 'runs', 'first'))).toBe(true);
});
