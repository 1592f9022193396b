// TRL's ORPO batches and trajectory -> loss, metrics, gradients, final adapter; log1mexp.
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { PreferenceExample } from '../../src/backend.ts';
import { gradients } from '../../src/engine/backward.ts';
import { reduceSum } from '../../src/engine/build.ts';
import { Graph } from '../../src/engine/graph.ts';
import { readAdapter } from '../../src/models/files/adapter-files.ts';
import { readSafetensors } from '../../src/models/files/safetensors.ts';
import type { Objective } from '../../src/objectives/objectives.ts';
import { log1mexp } from '../../src/objectives/orpo.ts';
import type { TokenExample } from '../../src/training/examples.ts';
import { train } from '../../src/training/train.ts';
import {
  adapterDistance,
  cache,
  engine,
  fixtures,
  gradientsOf,
  modelWithTokenizer,
  OPTIONS,
  readJson,
  relativeError,
  rowEach,
  scratch,
  tokenExample,
} from '../training-fixtures.ts';

const objective: Objective = { kind: 'orpo', lambda: 0.1, nllScope: 'all', normalise: 'microbatch', maxLogp: null };
const lora = { rank: 4, alpha: 8, dropout: 0, targets: 'all-linear' } as const;
const adapterStart = join(fixtures, 'orpo/adapter-start');

interface Batch {
  loss: number;
  metrics: Record<string, number>;
  chosen_input_ids: number[][];
  chosen_labels: number[][];
  rejected_input_ids: number[][];
  rejected_labels: number[][];
}
interface Reference {
  pairs: { prompt: string; chosen: string; rejected: string }[];
  batches: Batch[];
  trajectory: { loss: number; grad_norm: number; learning_rate: number }[];
}
const reference = readJson<Reference>('orpo/reference.json');

/** TRL's padded rows as prompt and two branches. */
function examplesOf(batch: Batch): TokenExample[] {
  const side = (ids: number[], labels: number[]) => ids.filter((_, i) => labels[i] !== -100);
  return batch.chosen_input_ids.map((ids, row) => {
    const labels = batch.chosen_labels[row] as number[];
    const prompt = ids.slice(
      0,
      labels.findIndex((label) => label !== -100),
    );
    const rejected = side(batch.rejected_input_ids[row] as number[], batch.rejected_labels[row] as number[]);
    return tokenExample(prompt, [side(ids, labels), rejected], [], row);
  });
}

test.each([0, 1])('batch %i: loss, metrics and gradients, the prompt run once for both sides', async (index) => {
  const batch = reference.batches[index] as Batch;
  await using model = await gradientsOf({
    model: modelWithTokenizer('models/llama-tied'),
    adapter: adapterStart,
    objective,
    lora,
  });
  const { loss, gradients: found, figures } = await model.run([rowEach(examplesOf(batch), 256)]);
  expect(Math.abs(loss / batch.loss - 1)).toBeLessThan(1e-5);
  for (const [name, value] of Object.entries(batch.metrics)) {
    if (name.startsWith('logits/')) continue; // means over all logits: not computed here
    expect(figures[name], name).toBeDefined();
    expect(Math.abs((figures[name] as number) - value), name).toBeLessThan(1e-4 * Math.max(1, Math.abs(value)));
  }
  const expected = await readSafetensors(join(fixtures, `orpo/batch-${index}-gradients.safetensors`));
  expect(found.size).toBe(expected.size);
  const errors = [...expected].map(([name, { data }]) => {
    const gradient = found.get(name.replace('base_model.model.', ''));
    return [name, gradient ? relativeError(gradient, data) : Number.NaN] as const;
  });
  expect(errors.filter(([, error]) => !(error <= 1e-4))).toEqual([]);
});

test("TRL's training: four optimizer steps of two microbatches", async () => {
  const examples = reference.pairs.map(({ prompt, chosen, rejected }): PreferenceExample => {
    // TRL puts BOS before the prompt; the fixtures' tokenizer adds none of its own.
    return { kind: 'preference', prompt: `<s>${prompt}`, chosen: [chosen], rejected: [rejected] };
  });
  const out = join(scratch, 'orpo-out');
  const options = {
    ...OPTIONS,
    objective,
    lora,
    learningRate: 1e-3,
    schedule: 'linear' as const,
    warmup: 1,
    clip: 0.3,
    batchSize: 8,
    examplesPerPass: 4,
    maxLength: 1024,
  };
  const job = {
    source: { model: modelWithTokenizer('models/llama-tied', 1024), adapter: adapterStart },
    examples,
    out,
    options,
  };
  const { steps, dropped } = await train(engine, job, { cache });
  expect(dropped).toEqual([]);
  expect(steps.length).toBe(reference.trajectory.length);
  steps.forEach((step, n) => {
    const expected = reference.trajectory[n] as Reference['trajectory'][number];
    expect(Math.abs(step.loss / expected.loss - 1)).toBeLessThan(1e-4);
    expect(Math.abs(step.gradNorm / expected.grad_norm - 1)).toBeLessThan(1e-3);
    expect(step.learningRate).toBeCloseTo(expected.learning_rate, 12);
  });
  const [found, start, end] = await Promise.all(
    [out, adapterStart, join(fixtures, 'orpo/adapter-end')].map(readAdapter),
  );
  if (!found || !start || !end) throw new Error('an adapter is missing');
  const share = adapterDistance(found, end) / adapterDistance(start, end);
  console.log(`ORPO: ||found - end|| / ||end - start|| = ${share.toExponential(2)}`);
  expect(share).toBeLessThan(1e-3);
});

describe('log1mexp', () => {
  test('value and derivative agree with float64 from -1e-6 to -60', async () => {
    const xs = Float32Array.from({ length: 400 }, (_, i) => -1e-6 * 6e7 ** (i / 399));
    const graph = new Graph();
    const x = graph.input('x', 'float32', ['n']);
    const y = log1mexp(x);
    const [slope] = gradients(reduceSum(y), [x]);
    if (!slope) throw new Error('no gradient');
    await using program = await engine.compile(graph, { y, slope }, { prepack: true });
    const found = await program.run({ x: { data: xs, shape: [xs.length] } });
    // WebGPU computes tanh by an exponential near 1, so that its error is absolute.
    const nearZero = engine.provider === 'cpu' ? 0 : 2.5e-7;
    xs.forEach((value, i) => {
      const exact = value < -Math.LN2 ? Math.log1p(-Math.exp(value)) : Math.log(-Math.expm1(value));
      const exactSlope = -Math.exp(value) / -Math.expm1(value);
      const [y1, slope1] = [found.floats('y')[i] as number, found.floats('slope')[i] as number];
      expect(Math.abs(y1 - exact), `value at ${value}`).toBeLessThan(2e-6 + 1e-6 * Math.abs(exact) + nearZero / -value);
      expect(Math.abs(slope1 - exactSlope), `slope at ${value}`).toBeLessThan(
        2e-6 + (1e-5 + nearZero / -value) * Math.abs(exactSlope),
      );
    });
  });
});
