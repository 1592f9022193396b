// npm run experiment on a scripted model: arms, table, resume, refusals, Ctrl-C, arms that fail.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ArmSummary } from '../../experiments/driver/arm-summary.ts';
import type { Comparison } from '../../experiments/driver/comparison.ts';
import { buildTool, type CliResult, root, runCli, SCRIPTED, startCli } from './run-cli.ts';
import { sumLines } from './sum-questions.ts';

const DOCUMENT = '# Results\n\nBefore.\n\n<!-- experiment:mini -->\nSTALE\n<!-- /experiment:mini -->\n\nAfter.\n';

const program = join(root, '.cache', 'tools', 'experiments', 'driver', 'experiment.js');
let folder = '';
let first: CliResult;

const settings = (out: string, ...more: string[]) => [
  ...'mini --seeds 5,6 --methods continued-sft,sipf,siof --flops-methods continued-sft --jobs 2'.split(' '),
  ...'--task.name jsonl --task.data data --model base --align.train.tokens 4000'.split(' '),
  ...'--sampling.samples 4 --labels.K 4 --labels.heldOut 0.3'.split(' '),
  ...['--out', out, ...more],
];
const experiment = (args: readonly string[], engine = SCRIPTED) => runCli(args, { engine, cwd: folder, program });
const read = (...path: string[]) => readFileSync(join(folder, ...path), 'utf8');
const summary = (out: string, name: string) => JSON.parse(read(out, 'results', `${name}.json`)) as ArmSummary;

beforeAll(async () => {
  buildTool('experiments/driver/experiment');
  folder = mkdtempSync(join(tmpdir(), 'sipf-experiment-'));
  mkdirSync(join(folder, 'data'));
  for (const [offset, name] of ['train', 'valid', 'test'].entries())
    writeFileSync(join(folder, 'data', `${name}.jsonl`), sumLines(name === 'train' ? 30 : 40, offset));
  writeFileSync(join(folder, 'RESULTS.md'), DOCUMENT);
  first = await experiment(settings('whole', '--report', 'RESULTS.md', '--json'));
  expect({ code: first.code, stderr: first.code === 0 ? '' : first.stderr }).toEqual({ code: 0, stderr: '' });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('npm run experiment', () => {
  it('gives a row to each arm, whose accuracy is that of its answers to test', () => {
    const { rows } = JSON.parse(first.stdout) as Comparison;
    expect(rows.map(({ arm, column }) => `${column} ${arm}`)).toEqual([
      'tokens start',
      'tokens sipf',
      'tokens continued-sft',
      'tokens siof',
      'flops continued-sft',
    ]);
    for (const { arm, column, seeds } of rows.slice(1)) {
      for (const { seed, accuracy, n } of seeds) {
        const place = column === 'flops' ? `${arm}-equal-flops` : arm;
        const lines = read('whole', `seed-${seed}`, place, 'final', 'last-answers.jsonl').trim().split('\n');
        const right = lines.filter((line) => line.includes('"outcome":{"kind":"right"}')).length;
        expect([n, accuracy]).toEqual([40, right / 40]);
      }
    }
  });

  it('starts every arm of a seed from the same warm-up and shares what is the same', () => {
    for (const seed of [5, 6]) {
      const names = ['sipf', 'siof', 'continued-sft', 'continued-sft-equal-flops'];
      const starts = names.map((name) => summary('whole', `seed-${seed}-${name}`).policies.start);
      expect(new Set(starts).size).toBe(1);
      const samples = (name: string) => read('whole', `seed-${seed}`, name, 'iteration-1', '1-samples.jsonl');
      expect(samples('siof')).toBe(samples('sipf'));
    }
    expect(summary('whole', 'seed-5-sipf').policies.start).not.toBe(summary('whole', 'seed-6-sipf').policies.start);
    expect(first.stderr).toContain('seed 5 siof | round 1 1-samples: done before');
    expect(summary('whole', 'seed-5-siof').total.seconds).not.toBeNull();
  });

  it('spends the rest of the FLOPs of sipf on training in the second column', () => {
    const [equal, own] = [
      summary('whole', 'seed-5-continued-sft-equal-flops'),
      summary('whole', 'seed-5-continued-sft'),
    ];
    const sipf = summary('whole', 'seed-5-sipf');
    expect(own.total.flops).toBeLessThan(sipf.total.flops);
    const { config } = JSON.parse(read('whole', 'seed-5', 'continued-sft-equal-flops', 'config.json')) as {
      config: { iterations: number; align: { train: { tokens: number } } };
    };
    const tokens = config.iterations * config.align.train.tokens;
    expect(Math.abs((tokens * 6 * sipf.parameters) / sipf.total.flops - 1)).toBeLessThan(1e-3);
    expect(equal.total.optimizerTokens).toBeGreaterThan(own.total.optimizerTokens);
  });

  it('writes the table between the markers and nothing else', () => {
    const text = read('RESULTS.md');
    const [before, rest = ''] = text.split('<!-- experiment:mini -->');
    const [body = '', after] = rest.split('<!-- /experiment:mini -->');
    expect([before, after]).toEqual(['# Results\n\nBefore.\n\n', '\n\nAfter.\n']);
    expect(body).toMatch(/^\| siof /m);
    expect(body).not.toContain('STALE');
    expect(body.trim()).toBe(read('whole', 'results', 'table.md').trim());
    expect(body).not.toContain(folder);
  });

  it('does nothing again, and needs no model for the table alone', async () => {
    const again = await experiment(settings('whole', '--json'));
    expect([again.code, again.stdout]).toEqual([0, first.stdout]);
    expect(again.stderr).not.toContain('begins');
    const table = await experiment(settings('whole', '--table-only'), 'nowhere.mjs');
    expect([table.code, table.stdout.trim()]).toEqual([0, read('whole', 'results', 'table.md').trim()]);
    expect(existsSync(join(folder, 'docs'))).toBe(false);
    expect(existsSync(join(folder, 'experiments'))).toBe(false);
  });

  it('refuses other settings on old runs, naming them, before anything runs', async () => {
    const { code, stderr } = await experiment(settings('whole', '--align.loss.lambda', '0.3'));
    expect(code).toBe(2);
    expect(stderr).toMatch(/seed-5.start was made with[\s\S]*align\.loss\.lambda: 0\.02 -> 0\.3/);
    expect(stderr).not.toContain('begins');
  });

  it('stops on Ctrl-C and continues to the same figures', async () => {
    const child = startCli(settings('stopped'), {
      engine: SCRIPTED,
      env: { SIPF_SLOW_MS: '15' },
      cwd: folder,
      program,
    });
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      const before = stderr.includes('sipf | round 1 1-samples: begins');
      stderr += chunk.toString();
      if (!before && stderr.includes('sipf | round 1 1-samples: begins')) child.kill('SIGINT');
    });
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(130);
    expect(stderr).not.toMatch(/^\s+at /m);
    const locks = ['seed-5', 'seed-6'].flatMap((seed) =>
      readdirSync(join(folder, 'stopped', seed)).filter((arm) =>
        existsSync(join(folder, 'stopped', seed, arm, 'lock')),
      ),
    );
    expect(locks).toEqual([]);
    expect((await experiment(settings('stopped'))).code).toBe(0);
    const plain = ({ test, policies, rounds }: ArmSummary) => ({
      test,
      policies,
      rounds: rounds.map(({ seconds: _, ...round }) => round),
    });
    for (const name of ['seed-5-sipf', 'seed-6-siof', 'seed-6-continued-sft-equal-flops'])
      expect(plain(summary('stopped', name))).toEqual(plain(summary('whole', name)));
  });

  it('keeps the other arms where one fails, and says which', async () => {
    const { code, stderr, stdout } = await experiment(settings('whole', '--oracle'));
    expect(code).toBe(2);
    expect(stderr).toContain('seed 5 oracle: failed: Expected a task that knows which steps are true');
    expect(stdout).toMatch(/^\| siof /m);
    expect(stdout).toContain('- seed 6 oracle failed:');
  });

  it.each([
    [['mini', '--seeds', '1x'], /integer/],
    [['mini', '--methods', 'sipff'], /sipf, prm-logprob, tallies/],
    [['other'], /mini/],
    [['mini', '--algn.lambda', '1'], /align\.loss\.lambda/],
    [['mini', '--table-only', '--out', 'nowhere'], /finished arm/],
  ])('says what is wrong with %j', async (args, message) => {
    const { code, stderr } = await experiment(args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it('shows its options and an example', async () => {
    const { code, stdout } = await experiment(['--help']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/--flops-methods[\s\S]*\$ npm run experiment -- mini --jobs 2/);
  });
});
