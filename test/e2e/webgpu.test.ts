// The same commands on CPU and WebGPU -> the same tokens, log-probabilities and losses.
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findWebgpu } from '../webgpu-environment.ts';
import { buildCli, root, runCli } from './run-cli.ts';

const env = await findWebgpu();

describe.skipIf(!env)('the CLI on webgpu', () => {
  let folder: string;
  let model: string;
  beforeAll(() => {
    buildCli();
    folder = mkdtempSync(join(tmpdir(), 'sipf-webgpu-'));
    model = join(folder, 'model');
    for (const part of ['models/llama-tied', 'tokenizer']) {
      cpSync(join(root, 'test', 'fixtures', part), model, { recursive: true });
    }
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** What a command prints as JSON under each provider. */
  async function both(args: (provider: string) => string[]): Promise<[unknown, unknown]> {
    const printed = [];
    for (const provider of ['cpu', 'webgpu']) {
      const { code, stdout, stderr } = await runCli([...args(provider), '--provider', provider, '--json'], {
        env: env!,
      });
      expect(code, stderr).toBe(0);
      printed.push(JSON.parse(stdout));
    }
    return printed as [unknown, unknown];
  }

  it('writes the same tokens, sampled and greedy', { timeout: 300_000 }, async () => {
    for (const temperature of ['0', '0.8']) {
      const options = ['--n', '2', '--temperature', temperature, '--max-tokens', '6', '--seed', '3'];
      const [cpu, gpu] = (await both(() => ['generate', '--model', model, '--prompt', 'The cat', ...options])) as {
        completions: { tokenIds: number[]; logps: number[] }[];
      }[];
      expect(cpu!.completions).toHaveLength(2);
      for (const [n, { tokenIds, logps }] of gpu!.completions.entries()) {
        expect(tokenIds).toEqual(cpu!.completions[n]!.tokenIds);
        for (const [i, logp] of logps.entries()) expect(logp).toBeCloseTo(cpu!.completions[n]!.logps[i]!, 4);
      }
    }
  });

  it('gives the same log-probabilities of given tokens', { timeout: 120_000 }, async () => {
    const file = join(folder, 'rows.jsonl');
    writeFileSync(file, JSON.stringify({ promptIds: [1, 2, 3], completionIds: [4, 5, 6, 7] }));
    const [cpu, gpu] = (await both(() => ['logps', '--model', model, '--in', file])) as { logps: number[] }[];
    expect(cpu!.logps).toHaveLength(4);
    for (const [i, logp] of gpu!.logps.entries()) expect(logp).toBeCloseTo(cpu!.logps[i]!, 4);
  });

  it('trains with the same losses', { timeout: 300_000 }, async () => {
    const file = join(folder, 'questions.jsonl');
    const rows = [1, 2, 3, 4].map((n) => ({
      question: `What is ${n}+${n}?`,
      solution: [`${n}+${n}=${2 * n}`],
      answer: `${2 * n}`,
    }));
    writeFileSync(file, rows.map((row) => JSON.stringify(row)).join('\n'));
    const settings = ['--sft.train.maxSteps', '3', '--sft.train.batchSize', '2', '--sft.train.learningRate', '0.01'];
    const [cpu, gpu] = (await both((provider) => [
      ...['sft', '--model', model, '--task', 'jsonl', '--data', file, '--out', join(folder, `trained-${provider}`)],
      ...settings,
    ])) as { firstLoss: number; lastLoss: number }[];
    expect(cpu!.lastLoss).toBeLessThan(cpu!.firstLoss);
    expect(gpu!.firstLoss).toBeCloseTo(cpu!.firstLoss, 4);
    expect(gpu!.lastLoss).toBeCloseTo(cpu!.lastLoss, 3);
  });
});
