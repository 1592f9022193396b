// A killed run, copied to another place without its sources -> it continues to the same bytes.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { isTemporary } from '../../src/io/files.ts';
import { askCli, buildCli, SCRIPTED, startCli } from './run-cli.ts';
import { artefacts } from './run-files.ts';

const SETTINGS =
  '--task jsonl --iterations 1 --sampling.samples 4 --sampling.unit 4 --labels.K 2 --labels.unit 4 --labels.heldOut 0.3 --pairs.chosenGate none'.split(
    ' ',
  );

let folder = '';
let whole = new Map<string, string>();
const sipf = (cwd: string, ...args: string[]) => askCli(args, { engine: SCRIPTED, cwd: join(folder, cwd) });

beforeAll(async () => {
  buildCli();
  folder = mkdtempSync(join(tmpdir(), 'sipf-moved-'));
  mkdirSync(join(folder, 'home', 'data'), { recursive: true });
  mkdirSync(join(folder, 'home', 'base'));
  writeFileSync(join(folder, 'home', 'base', 'scripted.json'), '{"hash":"aa","skill":1}');
  const lines = Array.from({ length: 20 }, (_, i) => {
    const [a, b, c] = [1 + (i % 9), 1 + ((i * 3) % 9), 1 + ((i * 5) % 9)];
    const solution = [`${a}+${b}=${a + b}`, `${a + b}+${c}=${a + b + c}`];
    return JSON.stringify({ id: `q${i}`, question: `${a}+${b}+${c}`, answer: a + b + c, solution });
  });
  for (const [i, name] of ['train', 'valid', 'test'].entries())
    writeFileSync(
      join(folder, 'home', 'data', `${name}.jsonl`),
      `${lines.map((line) => line.replace('"q', `"${i}q`)).join('\n')}\n`,
    );
  const { code, stderr } = await sipf(
    'home',
    'run',
    '--model',
    'base',
    '--data',
    'data',
    ...SETTINGS,
    '--out',
    'whole',
  );
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  whole = await artefacts(join(folder, 'home', 'whole'));
  await killHalfway();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Leaves home/half with a lock of a process that is gone. */
async function killHalfway(): Promise<void> {
  const child = startCli(['run', '--model', 'base', '--data', 'data', ...SETTINGS, '--out', 'half'], {
    engine: SCRIPTED,
    env: { SIPF_SLOW_MS: '10' },
    cwd: join(folder, 'home'),
  });
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    if (said.includes('2-step-labels: begins')) child.kill('SIGKILL');
  });
  await new Promise((resolve) => child.on('close', resolve));
  expect(readFileSync(join(folder, 'home', 'half', 'lock'), 'utf8')).toContain('pid');
}

/** As a user who copies again when a file went away during the copy: drafts are there for a moment. */
function copyAtWork(from: string, to: string): void {
  for (let tries = 1; ; tries++) {
    try {
      cpSync(from, to, { recursive: true });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries === 20) throw error;
      rmSync(to, { recursive: true, force: true });
    }
  }
}

let copies = 0;
let place = '';
beforeEach(() => {
  place = `place-${copies++}`;
  mkdirSync(join(folder, place));
});

/** The copy's artefacts are those of the run that was never stopped. Where its paths differ, config.json does. */
async function expectWhole(dir: string, ...besides: string[]): Promise<void> {
  const found = await artefacts(join(folder, dir));
  const names = [...whole.keys()].filter((name) => !besides.includes(name));
  // A draft that was copied from a run at work is deleted by the first command after that run has ended.
  const kept = [...found.keys()].filter((name) => !isTemporary(basename(name)));
  expect(kept.filter((name) => !besides.includes(name))).toEqual(names);
  // The engine's module did not move with the run.
  const bytes = (all: ReadonlyMap<string, string>, name: string) => all.get(name)?.replace(/"module": ".*"/, '');
  for (const name of names) expect(bytes(found, name), name).toBe(bytes(whole, name));
}

it('with its model and data beside it: the same command continues', async () => {
  cpSync(join(folder, 'home'), join(folder, place, 'home'), { recursive: true });
  renameSync(join(folder, 'home'), join(folder, 'gone'));
  try {
    const { code, stderr } = await sipf(join(place, 'home'), 'run', '--out', 'half');
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    expect(stderr).toContain('1-samples: done before');
  } finally {
    renameSync(join(folder, 'gone'), join(folder, 'home'));
  }
  await expectWhole(join(place, 'home', 'half'));
});

it('alone, to another depth: it says what it does not find, and continues where that is now', async () => {
  mkdirSync(join(folder, place, 'deep'));
  cpSync(join(folder, 'home', 'half'), join(folder, place, 'deep', 'half'), { recursive: true });
  const lost = await sipf(place, 'run', '--out', 'deep/half');
  expect(lost.code).toBe(2);
  expect(lost.stderr).toMatch(/Expected \.\.\/base where the run deep\/half has it .*--model PATH/);
  const model = ['--model', '../home/base'];
  const half = await sipf(place, 'run', '--out', 'deep/half', ...model);
  mkdirSync(join(folder, place, 'wrong'));
  writeFileSync(join(folder, place, 'wrong', 'scripted.json'), '{"hash":"bb","skill":1}');
  const wrong = await sipf(place, 'run', '--out', 'deep/half', '--model', 'wrong', '--data', '../home/data');
  expect(wrong.stderr).toMatch(/model: "aa" -> "bb"/);
  expect(half.stderr).toMatch(/Expected \.\.\/data where the run .*--data PATH/);
  const found = await sipf(place, 'run', '--out', 'deep/half', ...model, '--data', '../home/data');
  expect({ code: found.code, stderr: found.code === 0 ? '' : found.stderr }).toEqual({ code: 0, stderr: '' });
  expect(found.stderr).toMatch(/continues with others:\n {2}model: "\.\.\/base" -> "\.\.\/\.\.\/\.\.\/home\/base"/);
  await expectWhole(join(place, 'deep', 'half'), 'config.json');
  // The new paths are the run's own from then on.
  expect((await sipf(place, 'run', '--out', 'deep/half')).code).toBe(0);
  const show = await sipf(place, 'show', 'deep/half');
  expect(show.code).toBe(0);
});

it('by the command that began it, typed elsewhere', async () => {
  mkdirSync(join(folder, place, 'deep'));
  cpSync(join(folder, 'home', 'half'), join(folder, place, 'deep', 'half'), { recursive: true });
  const words = ['--model', join(folder, 'home', 'base'), '--data', join(folder, 'home', 'data'), ...SETTINGS];
  const { code, stderr } = await sipf(place, 'run', ...words, '--out', 'deep/half');
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  await expectWhole(join(place, 'deep', 'half'), 'config.json');
});

it('but another setting, or a model that is where it was, is another configuration as ever', async () => {
  mkdirSync(join(folder, place, 'other'));
  cpSync(join(folder, 'home', 'half'), join(folder, 'home', `half-${place}`), { recursive: true });
  const out = ['--out', `half-${place}`];
  const model = await sipf(
    'home',
    'run',
    '--model',
    join(folder, place, 'other'),
    '--data',
    'data',
    ...SETTINGS,
    ...out,
  );
  expect(model.stderr).toMatch(/model: "\.\.\/base" -> /);
  expect(model.code).toBe(2);
  const setting = await sipf('home', 'run', ...out, '--labels.K', '3');
  expect(setting.stderr).toMatch(/labels\.K: 2 -> 3/);
});

it('while the run that it was copied from is at work', async () => {
  const child = startCli(['run', '--model', 'base', '--data', 'data', ...SETTINGS, '--out', 'busy'], {
    engine: SCRIPTED,
    env: { SIPF_SLOW_MS: '40' },
    cwd: join(folder, 'home'),
  });
  let said = '';
  await new Promise((resolve) =>
    child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('1-samples: begins')) resolve(null);
    }),
  );
  copyAtWork(join(folder, 'home', 'busy'), join(folder, 'home', 'copy'));
  expect((await sipf('home', 'run', '--out', 'busy')).stderr).toMatch(/only writer/);
  const copy = await sipf('home', 'run', '--out', 'copy');
  child.kill('SIGKILL');
  expect({ code: copy.code, stderr: copy.code === 0 ? '' : copy.stderr }).toEqual({ code: 0, stderr: '' });
  await expectWhole('home/copy');
});
