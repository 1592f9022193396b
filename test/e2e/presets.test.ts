// sipf presets, and --dry-run of presets whose models are not on this machine.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DryRunEstimate } from '../../src/cli/commands/dry-run.ts';
import { PRESETS } from '../../src/config/presets.ts';
import { askCli, buildCli, runCli } from './run-cli.ts';
import { sumLines } from './sum-questions.ts';

let folder = '';
beforeAll(() => {
  buildCli();
  folder = mkdtempSync(join(tmpdir(), 'sipf-presets-'));
  mkdirSync(join(folder, 'data'));
  for (const [offset, name] of ['train', 'valid', 'test'].entries())
    writeFileSync(join(folder, 'data', `${name}.jsonl`), sumLines(40, offset));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('sipf presets', () => {
  it('lists every preset with its model, needs, memory and cost', async () => {
    const { code, stdout } = await askCli(['presets', '--json']);
    expect(code).toBe(0);
    const rows = JSON.parse(stdout) as { name: string; model: string | null; needs: string[]; flops: number | null }[];
    expect(rows.map(({ name }) => name)).toEqual(Object.keys(PRESETS));
    const of = new Map(rows.map((row) => [row.name, row]));
    expect(of.get('gsm8k-gemma-2b')).toMatchObject({ model: 'google/gemma-2b', task: 'gsm8k' });
    expect(of.get('gsm8k-gemma-2b')?.needs).toContain('HF_TOKEN');
    expect(of.get('paper')).toMatchObject({ model: null, flops: null });
    // Four times the parameters, the same budget.
    const [small, large] = ['gsm8k-smollm2-135m', 'gsm8k-qwen2.5-0.5b'].map((name) => of.get(name)?.flops ?? 0);
    expect((large ?? 0) / (small ?? 1)).toBeGreaterThan(3);
    const { stdout: table } = await askCli(['presets']);
    for (const name of Object.keys(PRESETS)) expect(table).toMatch(new RegExp(`^${name.replaceAll('.', '\\.')} `, 'm'));
  });

  it('shows a whole configuration with the source of each value', async () => {
    const { stdout } = await askCli(['presets', 'gsm8k-gemma-2b', '--json']);
    const { config, sources } = JSON.parse(stdout) as { config: object; sources: Record<string, string> };
    expect(config).toMatchObject({ model: 'google/gemma-2b', align: { train: { learningRate: 8e-5 } } });
    expect(sources['align.train.learningRate']).toContain('self_optimization.py');
    expect(sources['seed']).toBe('default');
    const { stdout: shown } = await askCli(['presets', 'gsm8k-smollm2+paper']);
    expect(shown).toMatch(/^labels\.K +8 +inferred/m);
    expect(shown).toMatch(/^labels\.unit +128 +preset gsm8k-smollm2$/m);
  });

  it('names the nearest where there is no such preset', async () => {
    const { code, stderr } = await askCli(['presets', 'gsm8k-phi']);
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringMatching(/Did you mean gsm8k-phi-1\.5\?/) });
  });
});

describe('--dry-run of a preset whose model is on the hub alone', () => {
  const offline = () => ({ HF_HUB_OFFLINE: '1', HF_HOME: join(folder, 'cache'), SIPF_CACHE: join(folder, 'cache') });
  const dryRun = (...words: string[]) =>
    runCli(['run', ...words, '--out', 'out', '--dry-run'], { cwd: folder, env: offline() });

  it('estimates from its known size, without a time, and downloads nothing', async () => {
    const words = ['--preset', 'gsm8k-gemma-2b', '--task', 'jsonl', '--data', 'data', '--evaluate.final', '[]'];
    const { code, stdout, stderr } = await dryRun(...words, '--json');
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    const { estimate } = JSON.parse(stdout) as { estimate: DryRunEstimate };
    expect(estimate.unmeasured).toBe('google/gemma-2b and deepseek-ai/deepseek-math-7b-rl are not on this machine');
    expect(estimate.total.seconds).toBeNull();
    expect(estimate.assumptions.simulatorSize).toBeCloseTo(6910 / 2506, 2);
    // A 7B PRM in 4 bits: 6.4 GiB of weights and at most 8 of activations.
    expect(estimate.memoryBytes / 2 ** 30).toBeGreaterThan(14);
    expect(estimate.memoryBytes / 2 ** 30).toBeLessThan(24);
    expect(readdirSync(folder)).toEqual(['data']);
  });

  it('says what it lacks where there are no data', async () => {
    const { code, stderr } = await dryRun('--preset', 'gsm8k-phi-1.5');
    expect(code).toBe(2);
    expect(stderr).toMatch(/the data set openai\/gsm8k from the hub.*name a local file or folder with --data/);
  });

  it('refuses a preset without a model, and names a mistyped one', async () => {
    expect((await dryRun('--preset', 'gsm8k-smollm2')).stderr).toMatch(/Give --model, or a preset that has one/);
    expect((await dryRun('--preset', 'gsm8k-tinylama')).stderr).toMatch(/Did you mean gsm8k-tinyllama\?/);
  });
});
