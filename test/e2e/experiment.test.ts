// sipf experiment on a scripted model: rows, table, resume, refusals, Ctrl-C, runs that fail.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { CellSummary } from '../../src/experiment/cell-summary.ts';
import type { Comparison } from '../../src/experiment/comparison.ts';
import { askCli, buildCli, type CliResult, SCRIPTED, startCli } from './run-cli.ts';
import { sumLines } from './sum-questions.ts';

let folder = '';
let first: CliResult;

const grid = {
  preset: 'quickstart',
  settings: {
    model: 'base',
    task: { name: 'jsonl', data: 'data' },
    iterations: 1,
    sampling: { samples: 4 },
    labels: { K: 4, heldOut: 0.3 },
    evaluate: { final: [{ split: 'test' }] },
  },
  tokens: 4000,
  seeds: [5, 6],
  tuningSeeds: [1],
  methods: { 'continued-sft': {}, sipf: {}, srf: { 'align.loss.beta': 0.2 } },
  reference: 'sipf',
  equalFlops: ['continued-sft'],
};

const words = (out: string, ...more: string[]) => ['experiment', 'grid.json', '--jobs', '2', '--out', out, ...more];
const experiment = (args: readonly string[], engine = SCRIPTED) => askCli(args, { engine, cwd: folder });
const read = (...path: string[]) => readFileSync(join(folder, ...path), 'utf8');
const at = (...path: string[]) => join(folder, ...path);
const summary = (out: string, name: string) => JSON.parse(read(out, 'results', `${name}.json`)) as CellSummary;

beforeAll(async () => {
  buildCli();
  folder = mkdtempSync(join(tmpdir(), 'sipf-experiment-'));
  mkdirSync(join(folder, 'data'));
  for (const [offset, name] of ['train', 'valid', 'test'].entries())
    writeFileSync(join(folder, 'data', `${name}.jsonl`), sumLines(name === 'train' ? 30 : 40, offset));
  writeFileSync(join(folder, 'grid.json'), JSON.stringify(grid));
  const oracle = { ...grid, methods: { ...grid.methods, oracle: { method: 'sipf', 'score.scorer': 'oracle' } } };
  writeFileSync(join(folder, 'oracle.json'), JSON.stringify(oracle));
  first = await experiment(words('whole', '--results', 'kept', '--json'));
  expect({ code: first.code, stderr: first.code === 0 ? '' : first.stderr }).toEqual({ code: 0, stderr: '' });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('sipf experiment', () => {
  it('gives each method a row, whose accuracy is that of its answers to test', () => {
    const { rows, tests } = JSON.parse(first.stdout) as Comparison;
    const names = ['start', 'sipf', 'continued-sft', 'srf', 'continued-sft at equal FLOPs'];
    expect(rows.map(({ name }) => name)).toEqual(names);
    expect(tests.filter(({ measure }) => measure === 'accuracy')).toHaveLength(10);
    for (const { method, column, seeds } of rows) {
      for (const { seed, accuracy, n } of seeds) {
        const place = column === 'flops' ? `${method}-equal-flops` : method;
        const file = method === 'start' ? 'start-answers.jsonl' : 'last-answers.jsonl';
        const lines = read('whole', `seed-${seed}`, place, 'final', file).trim().split('\n');
        const right = lines.filter((line) => line.includes('"outcome":{"kind":"right"}')).length;
        expect([n, accuracy]).toEqual([40, right / 40]);
      }
    }
  });

  it('starts every method of a seed from the same warm-up and shares what is the same', () => {
    for (const seed of [5, 6]) {
      const names = ['start', 'sipf', 'srf', 'continued-sft', 'continued-sft-equal-flops'];
      const starts = names.map((name) => summary('whole', `seed-${seed}-${name}`).policies.start);
      expect(new Set(starts).size).toBe(1);
      const samples = (name: string) => read('whole', `seed-${seed}`, name, 'iteration-1', '1-samples.jsonl');
      expect(samples('srf')).toBe(samples('sipf'));
    }
    expect(summary('whole', 'seed-5-sipf').policies.start).not.toBe(summary('whole', 'seed-6-sipf').policies.start);
    expect(first.stderr).toContain('seed 5 srf | round 1 1-samples: done before');
    expect(summary('whole', 'seed-5-srf').total.seconds).not.toBeNull();
  });

  it('spends the rest of the FLOPs of the reference on training in the second column', () => {
    const [equal, own, sipf] = ['continued-sft-equal-flops', 'continued-sft', 'sipf'].map((name) =>
      summary('whole', `seed-5-${name}`),
    ) as [CellSummary, CellSummary, CellSummary];
    expect(own.total.flops).toBeLessThan(sipf.total.flops);
    const { config } = JSON.parse(read('whole', 'seed-5', 'continued-sft-equal-flops', 'config.json')) as {
      config: { iterations: number; align: { train: { tokens: number } } };
    };
    const tokens = config.iterations * config.align.train.tokens;
    expect(Math.abs((tokens * 6 * sipf.parameters) / sipf.total.flops - 1)).toBeLessThan(1e-3);
    expect(equal.total.optimizerTokens).toBeGreaterThan(own.total.optimizerTokens);
  });

  it('keeps the table and one file a run where --results says', () => {
    expect(readdirSync(join(folder, 'kept')).sort()).toEqual(readdirSync(join(folder, 'whole', 'results')).sort());
    expect(read('kept', 'table.md')).toMatch(/^\| srf /m);
    expect(JSON.parse(read('kept', 'results.json'))).toEqual(JSON.parse(first.stdout));
    expect(read('kept', 'table.md')).not.toContain(folder);
  });

  it('takes results of another machine as done, and makes the same table of them', async () => {
    const cells = (name: string) => readdirSync(join(folder, name)).filter((file) => file.startsWith('seed-'));
    mkdirSync(join(folder, 'some'));
    for (const file of cells('kept')) if (!/srf|seed-6-start/.test(file)) cpSync(at('kept', file), at('some', file));
    const { code, stderr, stdout } = await experiment(words('rest', '--from-results', 'some', '--json'));
    expect({ code, begun: [...stderr.matchAll(/^([^|\n]*): begins$/gm)].map(([, name]) => name).sort() }).toEqual({
      code: 0,
      begun: ['seed 5 srf', 'seed 6 srf', 'seed 6 start'],
    });
    const untimed = ({ rows, tests }: Comparison) => [rows.map(({ seconds: _, ...row }) => row), tests];
    expect(untimed(JSON.parse(stdout) as Comparison)).toEqual(untimed(JSON.parse(first.stdout) as Comparison));
    expect(read('rest', 'results', 'table.md')).toMatch(/^- 7 runs are read from some,/m);
    const table = await experiment(words('nowhere-yet', '--table', '--from-results', 'kept', '--json'), 'nowhere.mjs');
    expect([table.code, table.stdout]).toEqual([0, first.stdout]);
  });

  it('keeps results of other rows where a call has some of them', async () => {
    const before = readdirSync(join(folder, 'kept'));
    expect((await experiment(words('whole', '--methods', 'sipf', '--results', 'kept', '--table'))).code).toBe(0);
    expect(readdirSync(join(folder, 'kept'))).toEqual(before);
    expect((await experiment(words('whole', '--results', 'kept', '--table'))).code).toBe(0);
  });

  it.each([
    [
      'other settings',
      (text: string) => text.replace(/"settings": "./, '"settings": "x'),
      /got those of others in other/,
    ],
    [
      'none',
      (text: string) => text.replace(/ {2}"settings".*\n/, ''),
      /seed-5-sipf\.json, field "settings": Expected (a )?string, got nothing/,
    ],
    ['half a file', (text: string) => text.slice(0, 200), /Expected JSON in other.seed-5-sipf\.json/],
    ['another run', (text: string) => text.replace('"seed": 5', '"seed": 9'), /got those of seed-9-sipf\.json/],
    [
      'marks that are none',
      (text: string) => text.replace(/"right": "./, '"right": "2'),
      /field "sets\[0\]\.right": Expected a character 0, 1 or -/,
    ],
  ])('refuses a file of results with %s, before anything runs', async (_what, change, message) => {
    mkdirSync(join(folder, 'other'), { recursive: true });
    writeFileSync(at('other', 'seed-5-sipf.json'), change(read('kept', 'seed-5-sipf.json')));
    const { code, stderr } = await experiment(words('refused', '--from-results', 'other'));
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) });
    expect(existsSync(join(folder, 'refused'))).toBe(false);
  });

  it('says where there are no results', async () => {
    const { code, stderr } = await experiment(words('refused', '--from-results', 'no-such-folder'));
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/results of an experiment in no-such-/),
    });
  });

  it('does nothing again, and needs no model for the table alone', async () => {
    const again = await experiment(words('whole', '--json'));
    expect([again.code, again.stdout]).toEqual([0, first.stdout]);
    expect(again.stderr).not.toContain('begins');
    const table = await experiment(words('whole', '--table', '--markdown'), 'nowhere.mjs');
    expect([table.code, table.stdout.trim()]).toEqual([0, read('whole', 'results', 'table.md').trim()]);
    expect((await experiment(words('whole', '--table'))).stdout).toMatch(/^srf +\d/m);
  });

  it('refuses other settings on old runs, naming them, before anything runs', async () => {
    const { code, stderr } = await experiment(words('whole', '--pairs.eta', '0.3'));
    expect(code).toBe(2);
    expect(stderr).toMatch(/seed-5.start was made with[\s\S]*pairs\.eta: 0\.02 -> 0\.3/);
    expect(stderr).not.toContain('begins');
  });

  it.each([
    ['SIGINT', 130],
    ['SIGKILL', null],
  ] as const)('stops on %s, its runs, too, and continues to the same figures', async (signal, exitCode) => {
    const out = `stopped-${signal}`;
    const child = startCli(words(out, '--seeds', '5'), {
      engine: SCRIPTED,
      env: { SIPF_SLOW_MS: '15' },
      cwd: folder,
    });
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      const before = stderr.includes('sipf | round 1 1-samples: begins');
      stderr += chunk.toString();
      if (!before && stderr.includes('sipf | round 1 1-samples: begins')) child.kill(signal);
    });
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(exitCode);
    expect(stderr).not.toMatch(/^\s+at /m);
    const places = readdirSync(join(folder, out, 'seed-5'));
    const locked = () => places.filter((name) => existsSync(join(folder, out, 'seed-5', name, 'lock')));
    await vi.waitFor(() => expect(locked()).toEqual([]), { timeout: 10_000 });
    expect((await experiment(words(out, '--seeds', '5'))).code).toBe(0);
    const plain = ({ sets, policies, rounds }: CellSummary) => ({
      sets,
      policies,
      rounds: rounds.map(({ seconds: _, ...round }) => round),
    });
    for (const name of ['seed-5-sipf', 'seed-5-srf', 'seed-5-continued-sft-equal-flops'])
      expect(plain(summary(out, name))).toEqual(plain(summary('whole', name)));
  });

  it('keeps the other rows where one fails, and says which', async () => {
    const { code, stderr, stdout } = await experiment(['experiment', 'oracle.json', '--out', 'whole']);
    expect(code).toBe(2);
    expect(stderr).toContain('seed 5 oracle: failed: Expected a task that knows which steps are true');
    expect(stdout).toMatch(/^srf /m);
    expect(stdout).toContain('seed 6 oracle failed:');
  });

  it('has no tuning seeds in a table of results', async () => {
    for (const args of [
      ['--seeds', '1', '--results', 'kept'],
      ['--seeds', '1,5'],
    ]) {
      const { code, stderr } = await experiment(words('tuned', ...args));
      expect([code, existsSync(join(folder, 'tuned'))]).toEqual([2, false]);
      expect(stderr).toMatch(/not chosen on, got 1, which are in tuningSeeds of grid\.json/);
    }
  });

  it.each([
    [['grid.json', '--seeds', '1x'], /integer/],
    [['grid.json', '--methods', 'sipff'], /sipf, srf.*Did you mean sipf\?/],
    [['other.json'], /other\.json/],
    [['grid.json', '--algn.lambda', '1'], /align\.loss\.lambda/],
    [['grid.json', '--method', 'siof'], /--method/],
    [['grid.json', '--table', '--out', 'nowhere'], /finished run/],
  ])('says what is wrong with %j', async (args, message) => {
    const { code, stderr } = await experiment(['experiment', ...args]);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});
