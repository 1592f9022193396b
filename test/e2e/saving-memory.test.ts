// A long example trained with layers computed again -> the same losses, a fraction of the memory.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { initModelFolder } from '../../src/models/weights/init-model.ts';
import { fixtures } from '../tiny-model.ts';
import { buildCli, runCli } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'sipf-saving-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const CONFIG = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_act: 'silu',
  hidden_size: 128,
  intermediate_size: 512,
  num_hidden_layers: 12,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: true,
};
/** Every process of the command says its peak, in KiB, when it ends. */
const PEAK = `data:text/javascript,process.on('exit',()=>console.error('peak',process.resourceUsage().maxRSS))`;

beforeAll(async () => {
  buildCli();
  const tokenizer = JSON.parse(readFileSync(join(fixtures, 'tokenizer/tokenizer.json'), 'utf8')) as object;
  await initModelFolder(join(folder, 'model'), { config: CONFIG, tokenizer, seed: 1 });
  const solution = Array.from({ length: 50 }, (_, i) => `Then ${i} + ${i} = ${2 * i} pens are left.`).join('\n');
  writeFileSync(join(folder, 'train.jsonl'), `${JSON.stringify({ question: 'How many?', answer: 6, solution })}\n`);
});

async function train(activationsGiB: number): Promise<{ losses: number[]; peak: number }> {
  const out = join(folder, `out-${activationsGiB}`);
  const args = ['sft', '--model', join(folder, 'model'), '--task', 'jsonl', '--data', join(folder, 'train.jsonl')];
  const settings = { maxLength: 2048, maxSteps: 2, learningRate: 0.001, activationsGiB };
  const flags = Object.entries(settings).flatMap(([key, value]) => [`--sft.train.${key}`, String(value)]);
  const env = { NODE_OPTIONS: `--import="${PEAK}"` };
  const { code, stdout, stderr } = await runCli([...args, ...flags, '--out', out, '--json'], { env });
  expect(code, stderr).toBe(0);
  const { firstLoss, lastLoss } = JSON.parse(stdout) as { firstLoss: number; lastLoss: number };
  const peaks = [...stderr.matchAll(/^peak (\d+)$/gm)].map(([, kib]) => Number(kib) / 1024);
  return { losses: [firstLoss, lastLoss], peak: Math.max(...peaks) };
}

describe.skipIf(process.platform !== 'linux')('activationsGiB', () => {
  it('bounds what a pass keeps', async () => {
    const [plain, saving] = [await train(8), await train(0)];
    expect(saving.losses[0]).toBeCloseTo(plain.losses[0] as number, 5);
    expect(saving.losses[1]).toBeCloseTo(plain.losses[1] as number, 5);
    console.log(`peak of the process: ${Math.round(plain.peak)} MiB, saving ${Math.round(saving.peak)} MiB`);
    expect(saving.peak).toBeLessThan(0.7 * plain.peak);
  });
});
