// Training on a quantised base -> an adapter of the base as named, the same bytes after a stop.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import type { TrainExample, TrainJob, TrainOptions } from '../../src/backend.ts';
import { openInProcessPolicy } from '../../src/backends/local/in-process-policy.ts';
import { openInProcessPrm } from '../../src/backends/local/in-process-prm.ts';
import { train } from '../../src/training/train.ts';
import { restoredModel } from '../quantised-model.ts';
import { cache, engine, modelWithTokenizer, OPTIONS, scratch } from '../training-fixtures.ts';

afterAll(async () => {
  expect(engine.liveArrays).toBe(0);
  await engine[Symbol.asyncDispose]();
});

const model = modelWithTokenizer('models/llama');
const quantisation = 'nf4';
const lora = { rank: 2, alpha: 4, dropout: 0, targets: 'all-linear' } as const;
const sums = Array.from(
  { length: 6 },
  (_, n) => [`${n} + 2?\n`, [`${n} + 2 = ${n + 2}\n`, `The answer is ${n + 2}`]] as const,
);
const sft = sums.map(([prompt, completion]): TrainExample => ({ kind: 'sft', prompt, completion }));
const prm = sums.map(([prompt, steps], n): TrainExample => ({ kind: 'prm', prompt, steps, targets: [1, n % 2] }));

function jobOf(name: string, examples: readonly TrainExample[], change: Partial<TrainOptions> = {}): TrainJob {
  const options = { ...OPTIONS, lora, maxSteps: 4, batchSize: 2, checkpointEverySteps: 1, ...change };
  return { source: { model }, examples, options, out: join(scratch, name) };
}

const bytesOf = (folder: string) =>
  readdirSync(folder).map((name) => [name, readFileSync(join(folder, name)).toString('base64')]);

it('stopped and resumed it writes the same adapter, which names the base', async () => {
  const whole = await train(engine, jobOf('whole', sft), { cache, quantisation });
  const stopped = jobOf('stopped', sft);
  const controller = new AbortController();
  const onStep = ({ step }: { step: number }) => step === 1 && controller.abort();
  const args = { cache, quantisation, signal: controller.signal, onStep } as const;
  await expect(train(engine, stopped, args)).rejects.toMatchObject({ code: 'aborted' });
  const resumed = await train(engine, stopped, { cache, quantisation });
  expect(resumed.steps).toEqual(whole.steps);
  expect(bytesOf(stopped.out)).toEqual(bytesOf(join(scratch, 'whole')));
  const config = JSON.parse(readFileSync(join(stopped.out, 'adapter_config.json'), 'utf8'));
  expect(config.base_model_name_or_path).toBe(relative(stopped.out, model));
  await using policy = await openInProcessPolicy(engine, resumed.source, { cache, quantisation });
  expect(policy.hash).toBe(resumed.hash);
  await using unquantised = await openInProcessPolicy(engine, resumed.source, { cache });
  expect(unquantised.hash).not.toBe(resumed.hash);
});

it('a checkpoint on another base is not continued', async () => {
  const job = jobOf('other-base', sft);
  const kill = () => {
    throw new Error('killed');
  };
  await expect(train(engine, job, { cache, quantisation, onStep: kill })).rejects.toThrow('killed');
  const steps: number[] = [];
  await train(engine, job, { cache, onStep: ({ step }) => steps.push(step) });
  expect(steps).toEqual([0, 1, 2, 3]);
});

it('a process reward model: its head is trained in full, and its scores are those on the restored base', async () => {
  const objective = { kind: 'prm' } as const;
  const found = await train(engine, jobOf('prm', prm, { objective }), { cache, quantisation });
  const { folder } = await restoredModel(model, quantisation, cache);
  const paths = sums.map(([prompt, steps]) => ({ prompt, steps }));
  await using quantised = await openInProcessPrm(engine, found.source, { cache, quantisation });
  await using restored = await openInProcessPrm(engine, { ...found.source, model: folder }, { cache });
  const [scores, expected] = [await quantised.score(paths), await restored.score(paths)];
  for (const [n, score] of scores.flat().entries()) expect(score).toBeCloseTo(expected.flat()[n] as number, 4);
  expect(quantised.hash).toBe(found.hash);
});

it('training of all weights is refused', () =>
  expect(train(engine, jobOf('full', sft, { lora: null }), { cache, quantisation })).rejects.toMatchObject({
    code: 'unsupported',
    message: expect.stringContaining('engine.quantisation nf4'),
  }));
