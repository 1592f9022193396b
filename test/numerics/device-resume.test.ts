// A training killed and continued on a provider, or begun on the CPU -> the unbroken one's result.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { TrainExample, TrainJob, TrainOptions, TrainStep } from '../../src/backend.ts';
import { Engine } from '../../src/engine/runtime/session.ts';
import { readSafetensors } from '../../src/models/files/safetensors.ts';
import { train } from '../../src/training/train.ts';
import { cache, engine, modelWithTokenizer, OPTIONS, readJson, scratch } from '../training-fixtures.ts';

const cpu = new Engine({ provider: 'cpu', threads: 1 });
afterAll(async () => {
  for (const each of [engine, cpu]) await each[Symbol.asyncDispose]();
});

const { pairs } = readJson<{ pairs: { prompt: string; chosen: string; rejected: string }[] }>('orpo/reference.json');
const STEPS = 4;

function jobOf(name: string, change: Partial<TrainOptions>): TrainJob {
  const options = { ...OPTIONS, batchSize: 2, maxSteps: STEPS, maxLength: 512, checkpointEverySteps: 2, ...change };
  const preference = options.objective.kind === 'orpo';
  const examples = pairs.slice(0, 4).map((pair): TrainExample => {
    const [prompt, chosen, rejected] = [pair.prompt, pair.chosen, pair.rejected].map((text) => text.slice(0, 40)) as [
      string,
      string,
      string,
    ];
    if (!preference) return { kind: 'sft', prompt, completion: [chosen] };
    return { kind: 'preference', prompt, chosen: [chosen], rejected: [rejected] };
  });
  return { source: { model: modelWithTokenizer('models/llama', 512) }, examples, options, out: join(scratch, name) };
}

/** Trains on `engine` until step 3 has run, when checkpoints of the first two steps are there, and dies. */
async function killed(on: Engine, job: TrainJob): Promise<void> {
  const onStep = ({ step }: TrainStep): void => {
    if (step === 2) throw new Error('killed');
  };
  await expect(train(on, job, { cache, onStep })).rejects.toThrow('killed');
}

const lora = { rank: 2, alpha: 4, dropout: 0, targets: 'all-linear' } as const;
const orpo = { kind: 'orpo', lambda: 0.1, nllScope: 'completion', normalise: 'step', maxLogp: -0.005 } as const;

/** ||a - b|| / ||b|| over all tensors of two files. */
async function distance(a: string, b: string): Promise<number> {
  const [found, expected] = await Promise.all([readSafetensors(a), readSafetensors(b)]);
  expect([...found.keys()]).toEqual([...expected.keys()]);
  let [difference, size] = [0, 0];
  for (const [name, { data }] of expected) {
    for (const [i, value] of data.entries()) {
      difference += ((found.get(name)?.data[i] ?? Number.NaN) - value) ** 2;
      size += value ** 2;
    }
  }
  return Math.sqrt(difference / size);
}

function expectSameLosses(found: readonly TrainStep[], expected: readonly TrainStep[]): void {
  expect(found.length).toBe(expected.length);
  for (const [n, { loss }] of found.entries())
    expect(Math.abs(loss / (expected[n] as TrainStep).loss - 1)).toBeLessThan(1e-4);
}

// On the CPU, training-resume.test.ts tries more. All weights of a device agree within rounding only: it adds up an embedding's gradient in any order.
describe.skipIf(engine.provider === 'cpu').each([
  ['ORPO with LoRA', { lora, objective: orpo }, 'adapter_model.safetensors', 'bytes'],
  ['SFT of all weights', {}, 'model.safetensors', 'numbers'],
] as const)(`%s on ${engine.provider}`, (name, change, file, same) => {
  const [whole, resumed, moved, onCpu] = ['whole', 'resumed', 'moved', 'cpu'].map((part) =>
    jobOf(`${name} ${part}`, change),
  ) as [TrainJob, TrainJob, TrainJob, TrainJob];
  const weights = ({ out }: TrainJob) => join(out, file);

  test(`killed and resumed there: the same ${same} as unbroken`, async () => {
    const expected = await train(engine, whole, { cache });
    await killed(engine, resumed);
    const news: number[] = [];
    const found = await train(engine, resumed, { cache, onStep: ({ step }) => news.push(step) });
    expect(news).toEqual([2, 3]);
    expectSameLosses(found.steps, expected.steps);
    expect(await distance(weights(resumed), weights(whole))).toBeLessThan(1e-4);
    if (same === 'numbers') return;
    for (const each of readdirSync(whole.out))
      expect(readFileSync(join(resumed.out, each)).equals(readFileSync(join(whole.out, each))), each).toBe(true);
  });

  test('killed on the CPU and resumed there: the numbers of the CPU', async () => {
    const expected = await train(cpu, onCpu, { cache });
    await killed(cpu, moved);
    const found = await train(engine, moved, { cache });
    expect(found.steps.slice(0, 2)).toEqual(expected.steps.slice(0, 2));
    expectSameLosses(found.steps, expected.steps);
    expect(await distance(weights(moved), weights(onCpu))).toBeLessThan(1e-4);
  });
});
