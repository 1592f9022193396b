// The SFT fixture's examples -> losses, gradient norms, learning rates and adapter of a torch loop.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { SftExample } from '../../src/backend.ts';
import { readAdapter } from '../../src/models/files/adapter-files.ts';
import { loadTokenizer } from '../../src/models/tokenizer/tokenizer.ts';
import { train } from '../../src/training/train.ts';
import {
  adapterDistance,
  cache,
  engine,
  fixtures,
  modelWithTokenizer,
  OPTIONS,
  readJson,
  scratch,
} from '../training-fixtures.ts';

interface Reference {
  examples: { prompt_ids: number[]; completion_ids: number[] }[];
  trajectory: { loss: number; grad_norm: number; learning_rate: number }[];
}

test('twelve AdamW steps of completion-only SFT with LoRA', async () => {
  const { examples, trajectory } = readJson<Reference>('sft/reference.json');
  const model = modelWithTokenizer('models/llama', 1024);
  const tokenizer = await loadTokenizer(model);
  const texts = examples.map(({ prompt_ids, completion_ids }): SftExample => {
    const prompt = tokenizer.decode(prompt_ids);
    const completion = [tokenizer.decodeContinuation(completion_ids.slice(0, -1))];
    expect(tokenizer.encode(prompt)).toEqual(prompt_ids);
    expect(completion_ids.at(-1)).toBe(tokenizer.eosIds[0]);
    return { kind: 'sft', prompt, completion };
  });
  const start = join(fixtures, 'sft/adapter-start');
  const job = {
    source: { model, adapter: start },
    examples: texts,
    out: join(scratch, 'sft-out'),
    options: {
      ...OPTIONS,
      lora: { rank: 4, alpha: 8, dropout: 0, targets: 'all-linear' as const },
      learningRate: 2e-3,
      schedule: 'linear' as const,
      warmup: 2,
      clip: 0.3,
      maxLength: 1024,
    },
  };
  const { steps, source } = await train(engine, job, { cache });
  expect(steps.length).toBe(trajectory.length);
  steps.forEach((step, n) => {
    const expected = trajectory[n] as Reference['trajectory'][number];
    expect(Math.abs(step.loss / expected.loss - 1)).toBeLessThan(1e-4);
    expect(Math.abs(step.gradNorm / expected.grad_norm - 1)).toBeLessThan(1e-3);
    expect(step.learningRate).toBeCloseTo(expected.learning_rate, 12);
  });
  const adapters = [source.adapter as string, start, join(fixtures, 'sft/adapter-end')].map(readAdapter);
  const [found, first, last] = (await Promise.all(adapters)) as [Adapter, Adapter, Adapter];
  const share = adapterDistance(found, last) / adapterDistance(first, last);
  console.log(`SFT: ||found - end|| / ||end - start|| = ${share.toExponential(2)}`);
  expect(share).toBeLessThan(1e-3);
});

type Adapter = Awaited<ReturnType<typeof readAdapter>>;
