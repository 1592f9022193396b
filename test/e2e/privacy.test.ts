// Everything that loads the runtime -> no file of the runtime's telemetry in an empty home.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isFull } from '../tier.ts';
import { buildCli, root } from './run-cli.ts';

const fixtures = join(root, 'test', 'fixtures');
let folder = '';
let model = '';
beforeAll(() => {
  buildCli();
  folder = mkdtempSync(join(tmpdir(), 'sipf-privacy-'));
  model = join(folder, 'llama');
  cpSync(join(fixtures, 'models', 'llama'), model, { recursive: true });
  cpSync(join(fixtures, 'tokenizer'), model, { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Left {
  readonly code: number | null;
  readonly said: string;
  /** Files outside the folder that sipf itself writes to. */
  readonly files: readonly string[];
}

/** Runs Node in an environment without CI's names, all of which silence the runtime by themselves, and lists what is left in its home. */
function inEmptyHome(args: readonly string[], env: Readonly<Record<string, string>> = {}): Left {
  const home = mkdtempSync(join(folder, 'home-'));
  for (const name of ['cache', 'tmp', 'cwd']) mkdirSync(join(home, name));
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: join(home, 'cwd'),
    encoding: 'utf8',
    env: {
      PATH: process.env['PATH'],
      HOME: home,
      USERPROFILE: home,
      XDG_CACHE_HOME: join(home, 'cache'),
      TMPDIR: join(home, 'tmp'),
      SIPF_CACHE: join(folder, 'sipf'),
      ...env,
    },
  });
  const files = readdirSync(home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return { code: status, said: `${stdout}${stderr}`, files: files.map(({ name }) => name) };
}

const main = join(root, 'dist', 'cli', 'main.js');
const path = (name: string) => join(folder, name);
const generate = () => [main, 'generate', '--model', model, '--prompt', 'a b c', '--max-tokens', '2', '--threads', '1'];
/** A program of a user's, as a file: a worker thread refuses --input-type. */
function library(body: string): string[] {
  const file = join(mkdtempSync(join(folder, 'program-')), 'program.mjs');
  writeFileSync(file, body);
  return [file];
}
const index = () => JSON.stringify(pathToFileURL(join(root, 'dist', 'index.js')).href);

const run = () => `run --preset smoke --iterations 1 --task.limit 24 --out ${path('run')} --json`;
const stage = (name: string) => `${name} --task mini --limit 8 --model ${model} --threads 1 --json`;
const rows = (name: string) => path(join('run', 'iteration-1', name));
const given = () => `--task mini --questions ${path('run/iteration-0/0-questions.jsonl')} --json`;
const base = () => `--model ${path('run/iteration-0/6-policy')}`;

/** `npm test` has one of each kind: a whole run, one that trains, those that only read, log-probabilities. */
const TELLING = ['run', 'show', 'sft', 'logps'];

/** Each in turn: later ones read what earlier ones wrote. */
const COMMANDS: readonly (readonly [string, () => string])[] = [
  ['run', run],
  ['show', () => `show ${path('run')} --json`],
  ['sample', () => `${stage('sample')} --sampling.samples 2 --out ${path('samples.jsonl')}`],
  [
    'label',
    () => `label --in ${rows('1-samples.jsonl')} ${given()} ${base()} --labels.K 1 --out ${path('labels.jsonl')}`,
  ],
  [
    'train-prm',
    () =>
      `train-prm --in ${rows('2-step-labels.jsonl')} --samples ${rows('1-samples.jsonl')} ${given()} ${base()} --prm.train.maxSteps 1 --out ${path('prm')}`,
  ],
  [
    'score',
    () => `score --prm ${path('prm')} --samples ${rows('1-samples.jsonl')} ${given()} --out ${path('scores.jsonl')}`,
  ],
  [
    'align',
    () => `align --in ${rows('5-pairs.jsonl')} ${given()} ${base()} --align.train.maxSteps 1 --out ${path('policy')}`,
  ],
  ['sft', () => `sft ${given()} ${base()} --sft.train.maxSteps 1 --out ${path('sft')}`],
  ['eval', () => `${stage('eval')} --max-tokens 2`],
  ['logps', () => `logps --model ${model} --in ${path('rows.jsonl')} --threads 1 --json`],
];

describe('the command line', () => {
  it('is tried where the runtime does leave files once telemetry is on', () => {
    const { code, files } = inEmptyHome(generate(), { ORT_DISABLE_TELEMETRY: '0' });
    expect(code).toBe(0);
    expect(files).toContain('deviceid');
  });

  it.each(COMMANDS.filter(([name]) => isFull || TELLING.includes(name)))('sipf %s leaves none', (name, words) => {
    if (name === 'logps') writeFileSync(path('rows.jsonl'), '{"prompt":"a","completion":"b"}\n');
    const left = inEmptyHome([main, ...words().split(' ')]);
    expect(left, left.said).toMatchObject({ code: 0, files: [] });
  });

  it('sipf generate leaves none, whatever is in the switch that is not a no', () => {
    for (const value of ['', '2', 'yes']) {
      expect(inEmptyHome(generate(), { ORT_DISABLE_TELEMETRY: value })).toMatchObject({ code: 0, files: [] });
    }
  });

  it('sipf doctor leaves none, and says whether it is off', () => {
    const telemetry = (env: Readonly<Record<string, string>>) => {
      const { said, files } = inEmptyHome([main, 'doctor', '--json'], env);
      const { findings } = JSON.parse(said) as { findings: { name: string; state: string; value: string }[] };
      return { files, ...findings.find(({ name }) => name === 'telemetry') };
    };
    const off = telemetry({});
    expect(off).toMatchObject({ files: [], state: 'ok' });
    expect(off.value).toMatch(/^off: ORT_DISABLE_TELEMETRY=1;/);
    const on = telemetry({ ORT_DISABLE_TELEMETRY: '0' });
    expect(on.state).toBe('warn');
    expect(on.value).toMatch(/^on: .*deviceid/);
  });
});

describe('the library', () => {
  const open = () => `const { openBackend } = await import(${index()});
    const backend = await openBackend({ provider: 'cpu', threads: 1 });
    const policy = await backend.openPolicy({ model: ${JSON.stringify(model)} });
    console.log((await policy.logps([{ context: [[1]], completion: [2] }])).length);
    await policy[Symbol.asyncDispose]();
    await backend[Symbol.asyncDispose]();`;

  it('leaves none', () => {
    expect(inEmptyHome(library(open()))).toEqual({ code: 0, said: '1\n', files: [] });
  });

  it('leaves none with the engine in the calling thread', () => {
    const inProcess = JSON.stringify(pathToFileURL(join(root, 'dist', 'backends', 'local', 'in-process.js')).href);
    const body = open().replace(index(), inProcess).replaceAll('openBackend', 'createInProcessBackend');
    expect(inEmptyHome(library(body))).toEqual({ code: 0, said: '1\n', files: [] });
  });

  it('does not start the engine in a worker thread whose environment the runtime would not see', () => {
    const inWorker = (body: string) =>
      library(`import { Worker } from 'node:worker_threads';
        new Worker(${JSON.stringify(library(body)[0])});`);
    const refused = inEmptyHome(inWorker(open()));
    expect(refused).toMatchObject({ code: 1, files: [] });
    expect(refused.said).toContain('Set it in the main thread');
    const allowed = inEmptyHome(inWorker(open()), { ORT_DISABLE_TELEMETRY: '1' });
    expect(allowed).toEqual({ code: 0, said: '1\n', files: [] });
  });
});
