// One file of somebody's own questions -> what run, eval and the stage commands make of it.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { askCli, buildCli, SCRIPTED } from './run-cli.ts';

let folder = '';
const sipf = (...args: string[]) => askCli(args, { engine: SCRIPTED, cwd: folder });
const lines = (file: string) => readFileSync(join(folder, file), 'utf8').trim().split('\n');

/** Sums of three numbers, with their partial sums where `solved`. */
function questions(count: number, solved: boolean): string {
  return Array.from({ length: count }, (_, i) => {
    const [a, b, c] = [i + 1, 1 + (i % 9), 2];
    const solution = [`${a}+${b}=${a + b}`, `${a + b}+${c}=${a + b + c}`];
    return `${JSON.stringify({ question: `${a}+${b}+${c}`, answer: a + b + c, ...(solved ? { solution } : {}) })}\n`;
  }).join('');
}

beforeAll(async () => {
  buildCli();
  folder = mkdtempSync(join(tmpdir(), 'sipf-own-data-'));
  writeFileSync(join(folder, 'solved.jsonl'), questions(30, true));
  writeFileSync(join(folder, 'bare.jsonl'), questions(30, false));
  writeFileSync(join(folder, 'two.jsonl'), questions(2, true));
  mkdirSync(join(folder, 'runs'));
  const settings =
    '--iterations 1 --sampling.samples 4 --labels.K 2 --labels.heldOut 0.3 --evaluate.final [{"split":"test"}]';
  const run = `run --task jsonl --data solved.jsonl --model base --out runs/own ${settings}`.split(' ');
  const { code, stderr } = await sipf(...run);
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  expect(stderr).toContain('Questions: 24 to train on, 3 of jsonl/valid, 3 of jsonl/test');
  expect(stderr).toContain('Warning: jsonl/test has 3 questions: one answer is 33 points');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('sipf eval on one file', () => {
  it('reads all of it, says so, and says how many the model was trained on', async () => {
    const { code, stdout, stderr } = await sipf(
      ...'eval --task jsonl --data solved.jsonl --model runs/own/iteration-1/6-policy --json'.split(' '),
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ n: 30 });
    expect(stderr).toContain('Reads all 30 questions of solved.jsonl.');
    expect(stderr).toContain('--split test reads the part that a run keeps for test');
    expect(stderr).toContain(
      'Warning: 24 of 30 questions of solved.jsonl were train questions of the run own, which the model comes from',
    );
  });

  it('reads the part of a run with --split, in which the model was not trained', async () => {
    const { stdout, stderr } = await sipf(
      ...'eval --task jsonl --data solved.jsonl --split test --model runs/own/iteration-1/6-policy --json'.split(' '),
    );
    expect(JSON.parse(stdout)).toMatchObject({ n: 3 });
    expect(stderr).toContain('Reads the 3 questions that are the test part of solved.jsonl.');
    expect(stderr).not.toContain('Warning');
  });

  it('says nothing of runs for another model, and how many --limit leaves', async () => {
    const { stdout, stderr } = await sipf(
      ...'eval --task jsonl --data solved.jsonl --model base --limit 5 --json'.split(' '),
    );
    expect(JSON.parse(stdout)).toMatchObject({ n: 5 });
    expect(stderr).toContain('Reads the first 5 of the 30 questions of solved.jsonl.');
    expect(stderr).not.toContain('Warning');
  });

  it('does not ask what it shows as an example', async () => {
    const { stdout, stderr } = await sipf(
      ...'eval --task jsonl --data solved.jsonl --model base --shots 4 --json'.split(' '),
    );
    expect(JSON.parse(stdout)).toMatchObject({ n: 26 });
    expect(stderr).toContain('4 more are shown as worked examples');
  });

  it('reads a file too small for a run', async () => {
    for (const split of [[], ['--split', 'test']]) {
      const { stdout } = await sipf(...'eval --task jsonl --data two.jsonl --model base --json'.split(' '), ...split);
      expect(JSON.parse(stdout)).toMatchObject({ n: 2 });
    }
    const { stderr } = await sipf(...'eval --task jsonl --data two.jsonl --model base'.split(' '));
    expect(stderr).toContain('Reads all 2 questions of two.jsonl.');
    expect(stderr, 'a run keeps no part of so small a file').not.toContain('--split');
  });
});

describe('sipf run on one file', () => {
  it('without solutions starts from worked examples of a file, and says what such a file holds', async () => {
    const run =
      'run --task jsonl --data bare.jsonl --model base --iterations 1 --sft.enabled false --prompt.shots 4'.split(' ');
    const without = await sipf(...run, '--out', 'runs/none');
    expect(without.code).toBe(2);
    expect(without.stderr).toMatch(/Expected 4 worked examples in the train questions, got 0\. Give prompt\.shotsFile/);
    expect(without.stderr).toContain('a JSONL of {"question": "...", "solution": "one step a line"}');
    expect(existsSync(join(folder, 'runs/none'))).toBe(false);
    const warm = await sipf(...'run --task jsonl --data bare.jsonl --model base --out runs/none'.split(' '));
    expect(warm.stderr).toMatch(
      /Expected worked solutions for the warm-up \(sft\), got none in the 24 train questions/,
    );
    expect(existsSync(join(folder, 'runs/none'))).toBe(false);
    writeFileSync(join(folder, 'shots.jsonl'), questions(4, true));
    const shown = ['--prompt.shotsFile', 'shots.jsonl', '--sampling.samples', '4', '--labels.K', '2'];
    const { code, stderr } = await sipf(...run, '--out', 'runs/bare', ...shown);
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    expect(lines('runs/bare/iteration-0/0-questions.jsonl')).toHaveLength(24);
  });

  it('shows the first solutions as examples and does not train on them', async () => {
    const run =
      'run --task jsonl --data solved.jsonl --model base --iterations 1 --sft.enabled false --prompt.shots 4'.split(
        ' ',
      );
    const { code } = await sipf(...run, '--out', 'runs/shots', '--sampling.samples', '4', '--labels.K', '2');
    expect(code).toBe(0);
    const asked = new Set(lines('runs/shots/iteration-1/1-samples.jsonl').map((line) => JSON.parse(line).questionId));
    expect(asked.size).toBeLessThanOrEqual(20);
  });
});

describe('records written by hand', () => {
  const samples = [
    { question: '1+2+3', answer: 6, steps: ['1+2=3', '3+3=6', 'The answer is 6'] },
    { question: '1+2+3', answer: 6, steps: ['1+2=4', '4+3=7', 'The answer is 7'] },
    { question: '4+4+1', answer: 9, steps: ['4+4=8', '8+1=9', 'The answer is 9'] },
    { question: '4+4+1', answer: 9, steps: ['4+4=9', '9+1=10', 'The answer is 10'] },
  ];
  const jsonl = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

  it('go through label, train-prm, score, pair and align without any other data', async () => {
    writeFileSync(join(folder, 'mine.jsonl'), jsonl(samples));
    const stages = [
      'label --task jsonl --in mine.jsonl --model base --labels.K 2 --out labels.jsonl',
      'train-prm --task jsonl --in labels.jsonl --samples mine.jsonl --model base --labels.heldOut 0 --out prm',
      'score --task jsonl --samples mine.jsonl --prm prm --out scores.jsonl',
      'pair --task jsonl --in scores.jsonl --samples mine.jsonl --pairs.eta 0.01 --out pairs.jsonl',
      'align --task jsonl --in pairs.jsonl --model base --out policy',
    ];
    for (const stage of stages) {
      const { code, stderr } = await sipf(...stage.split(' '));
      expect({ stage, code, stderr: code === 0 ? '' : stderr }).toEqual({ stage, code: 0, stderr: '' });
    }
    const pairs = lines('pairs.jsonl').map((line) => JSON.parse(line));
    expect(pairs).toHaveLength(2);
    expect(pairs[0]).toMatchObject({ question: '1+2+3', chosen: { steps: samples[0]?.steps } });
  });

  it('may be TRL pairs', async () => {
    const pair = {
      prompt: '1+2+3',
      chosen: '1+2=3\n3+3=6\nThe answer is 6',
      rejected: '1+2=4\n4+3=7\nThe answer is 7',
    };
    writeFileSync(join(folder, 'trl.jsonl'), jsonl([pair]));
    const align = 'align --task jsonl --in trl.jsonl --model base --out policy-trl'.split(' ');
    const { code, stderr } = await sipf(...align);
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    expect(stderr).toContain('1 pairs, 0 rows without a rejected path');
    writeFileSync(join(folder, 'mixed.jsonl'), jsonl([pair, { prompt: '1+2+3', chosen: 'a' }]));
    const mixed = await sipf(...'align --task jsonl --in mixed.jsonl --model base --out policy-2'.split(' '));
    expect(mixed.code).toBe(2);
    expect(mixed.stderr).toContain('mixed.jsonl, line 2, field "rejected": Expected a text, got nothing.');
  });

  it('need an answer for what grades them', async () => {
    const [{ answer: _answer, ...bare }] = samples as [(typeof samples)[0]];
    writeFileSync(join(folder, 'open.jsonl'), jsonl([bare]));
    const label = await sipf(...'label --task jsonl --in open.jsonl --model base --out l2.jsonl'.split(' '));
    expect(label.code).toBe(2);
    expect(label.stderr).toContain(
      'open.jsonl, line 1, field "answer": Expected what tells whether these steps are right',
    );
    const score = await sipf(...'score --task jsonl --samples open.jsonl --prm base --out s2.jsonl'.split(' '));
    expect({ code: score.code, stderr: score.stderr }).toMatchObject({ code: 0 });
    expect(score.stderr).toContain('1 of 1 samples have no known answer');
  });
});

describe('a file without a record that counts', () => {
  it.each([
    ['logps --model base --in empty.jsonl', /Expected completions in empty\.jsonl, got an empty file/],
    ['grade --task jsonl --in empty.jsonl', /Expected answers to grade in empty\.jsonl, got an empty file/],
    [
      'label --task jsonl --in empty.jsonl --model base --out l3.jsonl',
      /Expected samples in empty\.jsonl, got an empty/,
    ],
    [
      'align --task jsonl --in empty.jsonl --model base --out p3',
      /Expected preference pairs in empty\.jsonl, got none/,
    ],
    ['align --task jsonl --in same.jsonl --model base --out p3', /Expected preference pairs in same\.jsonl, got none/],
  ])('sipf %s', async (args, message) => {
    writeFileSync(join(folder, 'empty.jsonl'), '');
    writeFileSync(join(folder, 'same.jsonl'), JSON.stringify({ prompt: '1+1?', chosen: '2', rejected: '2' }));
    const { code, stderr } = await sipf(...args.split(' '));
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});

describe('a task that makes its own questions', () => {
  it.each([
    'run --preset smoke --data solved.jsonl --out runs/mini',
    'run --preset smoke --data solved.jsonl --out runs/mini --dry-run',
    'run --preset quickstart-code --data solved.jsonl --out runs/mini',
    'eval --task mini --data solved.jsonl --model base',
    'sample --task mini --data solved.jsonl --model base --out m.jsonl',
  ])('refuses --data, which it would not read: sipf %s', async (args) => {
    const { code, stderr } = await sipf(...args.split(' '));
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /Expected a task that reads solved\.jsonl, got mini(-code)?, which makes its own questions\./,
    );
    expect(existsSync(join(folder, 'runs/mini'))).toBe(false);
  });
});

describe('a wrong run name', () => {
  it.each([
    ['show runs/wn', /no run there: nothing has that name\. In runs: the runs own, .*Did you mean runs\/own\?/],
    ['show runs', /the folder holds the runs .*own/],
    ['show runs/own/iteration-1', /it is inside the run runs\/own\. Give runs\/own\./],
    ['run --from-run runs/onw --out runs/new', /Expected a run to copy stages from at runs\/onw, got no run there/],
    ['run --out runs/onw', /Expected a run to continue .*Did you mean runs\/own\?/],
  ])('sipf %s', async (args, message) => {
    const { code, stderr } = await sipf(...args.split(' '));
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(existsSync(join(folder, 'runs/new'))).toBe(false);
    expect(existsSync(join(folder, 'runs/onw'))).toBe(false);
  });
});
