// Every command that writes, with an --out that it must not touch -> refused, every byte as before.
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import picocolors from 'picocolors';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildProgram } from './program.ts';
import type { Terminal } from './terminal.ts';

const records = {
  question: { id: 'q', question: '1+1', answer: '2', solution: ['1+1=2'] },
  sample: {
    id: 'q/1/0',
    questionId: 'q',
    source: 'policy',
    iteration: 1,
    index: 0,
    policy: 'p',
    steps: ['1+1=2'],
    finishReason: 'stop',
    tokens: 1,
    sumLogp: -1,
    extracted: '2',
    outcome: { kind: 'right' },
  },
  label: { sampleId: 'q/1/0', questionId: 'q', simulator: 'p', K: 1, steps: [] },
  score: { sampleId: 'q/1/0', questionId: 'q', scorer: 'prm', scores: [1] },
  pair: { questionId: 'q', question: '1+1', chosen: { sampleId: 'a', steps: ['x'], score: 1 }, rejected: null },
};

let folder = '';
let untouched: Record<string, string> = {};
const before = process.cwd();
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sipf-outputs-'));
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
  mkdirSync(join(folder, 'data'));
  mkdirSync(join(folder, 'base', 'adapter'), { recursive: true });
  mkdirSync(join(folder, 'photos'));
  for (const name of ['train', 'valid', 'test']) write(`data/${name}.jsonl`, `${JSON.stringify(records.question)}\n`);
  write('base/config.json', '{"model_type":"llama"}');
  write('base/model.safetensors', 'weights');
  write('base/training.json', '{}');
  write('photos/cat.jpg', 'cat');
  write('notes.txt', 'my notes\n');
  write('q.jsonl', `${JSON.stringify(records.question)}\n`);
  for (const name of ['sample', 'label', 'score', 'pair'] as const)
    write(`${name}.jsonl`, `${JSON.stringify(records[name])}\n`);
  write('settings.json', '{}');
  for (const stage of ['run/iteration-1/6-policy', 'run/final']) mkdirSync(join(folder, stage), { recursive: true });
  write('run/config.json', '{"config":{},"versions":{}}');
  for (const name of ['sample', 'label', 'score', 'pair'] as const)
    write(`run/iteration-1/${name}.jsonl`, `${JSON.stringify(records[name])}\n`);
  write('run/iteration-1/6-policy/training.json', '{}');
  symlinkSync('run/iteration-1', join(folder, 'round-link'));
  write('mine.journal', `${JSON.stringify(records.question)}\n`);
  write('yours.journal', 'a diary');
  symlinkSync('base', join(folder, 'base-link'));
  symlinkSync('photos', join(folder, 'photos-link'));
  for (const name of ['q', 'sample', 'label', 'score', 'pair']) {
    symlinkSync(`${name}.jsonl`, join(folder, `${name}-link.jsonl`));
    linkSync(join(folder, `${name}.jsonl`), join(folder, `${name}-hard.jsonl`));
  }
  process.chdir(folder);
  untouched = contents(folder);
});
afterAll(() => {
  process.chdir(before);
  rmSync(folder, { recursive: true, force: true });
});

/** Everything below a folder, by name. */
function contents(dir: string): Record<string, string> {
  const entries = readdirSync(dir, { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    entries.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const text = entry.isSymbolicLink() ? readlinkSync(path) : entry.isFile() ? readFileSync(path, 'latin1') : '/';
      return [relative(dir, path), text];
    }),
  );
}

const terminal = {
  signal: new AbortController().signal,
  print: async () => undefined,
  log: () => undefined,
  warn: () => undefined,
  progress: () => ({ update: () => undefined, end: () => undefined, [Symbol.dispose]: () => undefined }),
  stages: () => ({ onProgress: () => undefined, end: () => undefined }),
  resumes: () => undefined,
  endsByStop: () => undefined,
  colors: picocolors.createColors(false),
  now: () => 0,
} as unknown as Terminal;

/** Runs a command in the folder. Returns what it threw, once nothing there has changed. */
async function refused(words: string): Promise<string> {
  const error = await buildProgram(terminal)
    .parseAsync(words.split(' '), { from: 'user' })
    .then(
      () => null,
      (thrown: unknown) => thrown as Error,
    );
  expect(contents(folder)).toEqual(untouched);
  return error === null ? 'nothing was refused' : `${error.name}: ${error.message}`;
}

/** Commands that write records, and a file that each reads. */
const RECORDS: readonly (readonly [string, string])[] = [
  ['eval --task jsonl --model base --data q.jsonl', 'q'],
  ['eval --task jsonl --model base --data data --shots 1 --shots-file q.jsonl', 'q'],
  ['sample --task jsonl --model base --data q.jsonl', 'q'],
  ['sample --task jsonl --model base --questions q.jsonl', 'q'],
  ['sample --task jsonl --model base --data data --known label.jsonl --known sample.jsonl', 'sample'],
  ['label --task jsonl --model base --data data --in sample.jsonl', 'sample'],
  ['label --task jsonl --model base --questions q.jsonl --in sample.jsonl', 'q'],
  ['score --task jsonl --prm base --data data --samples sample.jsonl', 'sample'],
  ['score --task jsonl --scorer tallies --data data --samples sample.jsonl --labels label.jsonl', 'label'],
  ['train-probe --task jsonl --model base --data data --in label.jsonl --samples sample.jsonl', 'label'],
  ['pair --task jsonl --data data --samples sample.jsonl --in score.jsonl', 'sample'],
  ['pair --task jsonl --data data --samples sample.jsonl --in score.jsonl', 'score'],
];
/** Other names of one file. */
const NAMES: readonly ((name: string) => string)[] = [
  (name) => `${name}.jsonl`,
  (name) => `./data/../${name}.jsonl`,
  (name) => `${name}-link.jsonl`,
  (name) => `${name}-hard.jsonl`,
  (name) => `photos-link/../${name}.jsonl`,
];

describe.each(RECORDS)('sipf %s', (words, input) => {
  it.each(NAMES.map((name) => name(input)))('--out %s is what it reads', async (out) => {
    expect(await refused(`${words} --out ${out}`)).toMatch(
      /^SipfError: Expected --out of sipf [\w-]+ to be another path/,
    );
  });

  it.each([
    ['notes.txt', /holds something else/],
    ['photos/cat.jpg', /holds something else/],
    ['photos', /which is a folder/],
    ['photos-link', /which is a folder/],
    ['/dev/null', /a device or a pipe/],
    ['/dev/stdout', /a device or a pipe/],
    ['/proc/self/fd/1', /a device or a pipe/],
  ])('--out %s is not its own', async (out, message) => {
    expect(await refused(`${words} --out ${out}`)).toMatch(message);
  });
});

describe.each(RECORDS.filter(([words]) => /--(?:model|prm) /.test(words)))('sipf %s', (words) => {
  it.each(['base/answers.jsonl', 'base-link/deep/answers.jsonl'])('--out %s is inside a model', async (out) =>
    expect(await refused(`${words} --out ${out}`)).toMatch(/outside its models/),
  );
});

describe.each([
  'sft --task jsonl --model base --data data',
  'sft --task jsonl --model base --adapter base/adapter --data data',
  'train-prm --task jsonl --model base --data data --in label.jsonl --samples sample.jsonl',
  'align --task jsonl --model base --in pair.jsonl',
  'run --task jsonl --model base --data data',
  'run --task jsonl --model base --data data --simulator base-link',
])('sipf %s', (words) => {
  it.each([
    ['base', /which is (?:--model|the model)/],
    ['base/', /which is (?:--model|the model)/],
    ['base-link', /which is (?:--model|the model)/],
    ['base/new', /outside its models/],
    ['base/adapter', /outside its models|which is --adapter|which is the adapter/],
    ['data', /which is (?:--data|task\.data)|with .* in it/],
    ['photos', /with cat\.jpg/],
    ['photos-link', /with cat\.jpg/],
    ['.', /in it/],
    ['..', /in it|more/],
    ['notes.txt', /which is a file/],
    ['pair.jsonl', /which is (?:a file|--in)/],
  ])('--out %s is refused', async (out, message) => {
    expect(await refused(`${words} --out ${out}`)).toMatch(message);
  });
});

describe('a finished run', () => {
  it.each(RECORDS)('sipf %s leaves its stages alone', async (words) => {
    const own = `${words.split(' ')[0]}.jsonl`;
    for (const out of [
      `run/iteration-1/${own}`,
      `round-link/${own}`,
      'run/final/new.jsonl',
      'run/iteration-1/6-policy/x',
    ])
      expect(await refused(`${words} --out ${out}`)).toMatch(/outside the stages of a run/);
  });

  it.each(['sft --task jsonl --model base --data data', 'align --task jsonl --model base --in pair.jsonl'])(
    'sipf %s leaves its models alone',
    async (words) => {
      for (const out of ['run/iteration-1/6-policy', 'round-link/6-policy/', 'run/iteration-1', 'run/final/new'])
        expect(await refused(`${words} --out ${out}`)).toMatch(/outside the stages of a run/);
    },
  );
});

it('a draft or journal beside --out that is an input, or not of this command, is refused', async () => {
  const sample = 'sample --task jsonl --model base --data data';
  expect(await refused(`${sample} --config settings.json --out settings.json`)).toMatch(/which is --config/);
  expect(await refused(`${sample} --questions mine.journal --out mine`)).toMatch(/which is --questions/);
  expect(await refused(`${sample} --out yours`)).toMatch(/Expected --out of sipf sample to be room for yours\.journal/);
});
