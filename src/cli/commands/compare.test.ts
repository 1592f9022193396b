// Two scripted runs -> the printed comparison, against their answers counted one by one.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import picocolors from 'picocolors';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { scoreSum, sumsTask, writeSum } from '../../../test/scripted-sums.ts';
import { createScriptedBackend } from '../../backends/scripted.ts';
import { parseConfig } from '../../config/load.ts';
import type { ConfigInput } from '../../config/schema.ts';
import { runLoop } from '../../pipeline/run-loop.ts';
import type { Terminal } from '../terminal.ts';
import { compareCommand } from './compare.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-compare-'));
  await run('sipf', { method: 'sipf' });
  await run('rft', { method: 'online-rft' });
  await run('longer', { method: 'online-rft' }, 70);
  await run('rounds', { method: 'online-rft' }, 0);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const at = (name: string) => join(folder, name);

/** `limit`: questions of the final set; 0: none is named. */
async function run(name: string, change: ConfigInput, limit = 60): Promise<void> {
  const config = parseConfig({
    model: { init: {} },
    task: { name: 'sums', limit: 20 },
    iterations: 1,
    sampling: { samples: 4, unit: 8 },
    labels: { K: 2, heldOut: 0.3, unit: 8 },
    evaluate: {
      sets: [{ split: 'valid', limit: 30 }],
      final: limit === 0 ? [] : [{ split: 'test', limit }],
      unit: 64,
    },
    ...change,
  });
  const backend = createScriptedBackend({ write: writeSum, score: scoreSum });
  await runLoop({ config, out: at(name), backend, tasks: () => sumsTask });
}

async function compare(...words: string[]) {
  const said = { printed: [] as string[], logged: [] as string[], warned: [] as string[] };
  const terminal = {
    print: async (line: string) => void said.printed.push(line),
    log: (line: string) => void said.logged.push(line),
    warn: (line: string) => void said.warned.push(line),
    colors: picocolors.createColors(false),
    columns: 160,
  } as unknown as Terminal;
  await compareCommand(terminal).exitOverride().parseAsync(words, { from: 'user' });
  return said;
}

async function rightIn(name: string, file: string): Promise<boolean[]> {
  const text = await readFile(join(at(name), file), 'utf8');
  const kinds = text.trim().split('\n');
  return kinds.map((line) => JSON.parse(line).outcome.kind === 'right');
}

it('tells differences, wins and losses as the answers have them', async () => {
  const { printed, logged } = await compare(at('sipf'), at('rft'), '--json');
  const { of, rows } = JSON.parse(printed[0]!);
  expect({ of, logged }).toEqual({ of: 'final', logged: [] });
  expect(rows.map(({ compared }: { compared: string }) => compared)).toEqual([
    'last - last',
    'start - start',
    'first run: last - start',
    'second run: last - start',
  ]);
  const [a, b] = [await rightIn('sipf', 'final/last-answers.jsonl'), await rightIn('rft', 'final/last-answers.jsonl')];
  const won = a.filter((right, i) => right && !b[i]).length;
  const lost = a.filter((right, i) => !right && b[i]).length;
  const share = (right: boolean[]) => right.filter(Boolean).length / 60;
  expect(rows[0].accuracies).toEqual([share(a), share(b)]);
  expect(rows[0].accuracy).toMatchObject({ n: 60, better: won, worse: lost, difference: (won - lost) / 60 });
  // Both starts are one policy.
  expect(rows[1]).toMatchObject({ accuracy: { difference: 0, pValue: 1 }, sound: { n: 60, difference: 0 } });
  const shown = await compare(at('sipf'), at('rft'));
  expect(shown.printed.filter((line) => /^last - last +sums\/test \(60\) /.test(line))).toHaveLength(1);
});

it('compares what both answered, and tells what only one did', async () => {
  const { printed, logged } = await compare(at('rft'), at('longer'), '--json');
  expect(JSON.parse(printed[0]!).rows[0]).toMatchObject({ accuracy: { n: 60 }, onlyFirst: 0, onlySecond: 10 });
  expect(logged).toEqual([
    expect.stringContaining('0 questions were answered by the first run only, 10 by the second'),
  ]);
});

it('takes the last rounds where a run has no final sets', async () => {
  const { printed } = await compare(at('rft'), at('rounds'), '--json');
  expect(JSON.parse(printed[0]!)).toMatchObject({
    of: 'last round',
    rows: [{ split: 'valid', accuracy: { n: 30 } }, {}, {}, {}],
  });
});

it('leaves out questions with one id and two texts, and says so', async () => {
  await run('changed', { method: 'online-rft' });
  for (const file of ['final/last-answers.jsonl', 'final/start-answers.jsonl']) {
    const path = join(at('changed'), file);
    await writeFile(path, (await readFile(path, 'utf8')).replace(/"question":"/, '"question":"1+'));
  }
  const { printed, warned } = await compare(at('rft'), at('changed'), '--json');
  expect(JSON.parse(printed[0]!).rows[0]).toMatchObject({ accuracy: { n: 59 }, different: 1 });
  expect(warned).toEqual([
    expect.stringMatching(/^1 questions of sums\/test have one id in both runs and another text/),
  ]);
});

it('refuses what cannot be compared', async () => {
  await expect(compare(at('nowhere'), at('rft'))).rejects.toMatchObject({ code: 'not-found' });
  await run('other', { method: 'online-rft', evaluate: { sets: [], final: [{ split: 'train', limit: 5 }] } });
  await expect(compare(at('rft'), at('other'))).rejects.toThrow(
    /Expected questions that both runs answered, got none: .*60 of sums\/test; .*5 of sums\/train/,
  );
});
