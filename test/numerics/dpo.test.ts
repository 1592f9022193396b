// TRL's DPO batches and trajectories -> loss, metrics, gradients and the final adapter.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { PreferenceExample } from '../../src/backend.ts';
import { openInProcessPolicy } from '../../src/backends/local/in-process-policy.ts';
import { referenceUnit, rowsToCompare, withReferences } from '../../src/method/reference-logps.ts';
import { readAdapter } from '../../src/models/files/adapter-files.ts';
import { readSafetensors } from '../../src/models/files/safetensors.ts';
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

interface Part {
  batch: {
    loss: number;
    metrics: Record<string, number>;
    input_ids: number[][];
    attention_mask: number[][];
    completion_mask: number[][];
  };
  trajectory: { loss: number; grad_norm: number; learning_rate: number }[];
}
interface Reference extends Record<'dpo' | 'rpo', Part> {
  pairs: { prompt: string; chosen: string; rejected: string }[];
  reference: { chosen: number; rejected: number }[];
}
const reference = readJson<Reference>('dpo/reference.json');
const adapterStart = join(fixtures, 'dpo/adapter-start');
const lora = { rank: 4, alpha: 8, dropout: 0, targets: 'all-linear' } as const;

const CASES = [
  ['dpo', { kind: 'dpo', beta: 0.1, nllWeight: 0 }],
  ['rpo', { kind: 'dpo', beta: 0.1, nllWeight: 0.5 }],
] as const;

/** TRL's padded rows, the chosen ones first, as prompt and two branches. */
function examplesOf({ input_ids, attention_mask, completion_mask }: Part['batch']) {
  const pairs = input_ids.length / 2;
  const tokens = (row: number, completion: number) =>
    (input_ids[row] ?? []).filter((_, i) => attention_mask[row]?.[i] === 1 && completion_mask[row]?.[i] === completion);
  return Array.from({ length: pairs }, (_, row) => {
    const { chosen = 0, rejected = 0 } = reference.reference[row] ?? {};
    return tokenExample(tokens(row, 0), [tokens(row, 1), tokens(row + pairs, 1)], [], row, [chosen, rejected]);
  });
}

test.each(CASES)('%s: loss, metrics and gradients of a batch', async (name, objective) => {
  const { batch } = reference[name];
  const model = modelWithTokenizer('models/llama-tied');
  await using opened = await gradientsOf({ model, adapter: adapterStart, objective, lora });
  const { loss, gradients, figures } = await opened.run([rowEach(examplesOf(batch), 512)]);
  expect(Math.abs(loss / batch.loss - 1)).toBeLessThan(1e-5);
  for (const [key, value] of Object.entries(batch.metrics)) {
    expect(Math.abs((figures[key] as number) - value), key).toBeLessThan(1e-4 * Math.max(1, Math.abs(value)));
  }
  expect(Object.keys(batch.metrics).length).toBe(6);
  const expected = await readSafetensors(join(fixtures, `dpo/${name}-gradients.safetensors`));
  expect(gradients.size).toBe(expected.size);
  const errors = [...expected].map(([key, { data }]) => {
    const gradient = gradients.get(key.replace('base_model.model.', ''));
    return [key, gradient ? relativeError(gradient, data) : Number.NaN] as const;
  });
  expect(errors.filter(([, error]) => !(error <= 1e-4))).toEqual([]);
});

test.each(CASES)("%s: TRL's training, four optimizer steps", async (name, objective) => {
  const { trajectory } = reference[name];
  const examples = reference.pairs.map(({ prompt, chosen, rejected }, n): PreferenceExample => {
    const side = { chosen: [chosen], rejected: [rejected], reference: reference.reference[n] };
    return { kind: 'preference', prompt, ...side };
  });
  const out = join(scratch, `${name}-out`);
  const options = {
    ...OPTIONS,
    objective,
    lora,
    learningRate: 1e-3,
    schedule: 'linear' as const,
    warmup: 1,
    clip: 0.3,
    batchSize: 8,
    maxLength: 1024,
  };
  const source = { model: modelWithTokenizer('models/llama-tied', 1024), adapter: adapterStart };
  const { steps, dropped } = await train(engine, { source, examples, out, options }, { cache });
  expect(dropped).toEqual([]);
  expect(steps.length).toBe(trajectory.length);
  steps.forEach((step, n) => {
    const expected = trajectory[n] as Part['trajectory'][number];
    expect(Math.abs(step.loss / expected.loss - 1)).toBeLessThan(1e-4);
    expect(Math.abs(step.gradNorm / expected.grad_norm - 1)).toBeLessThan(1e-3);
    expect(step.learningRate).toBeCloseTo(expected.learning_rate, 12);
  });
  const folders = [out, adapterStart, join(fixtures, `dpo/${name}-end`)];
  const [found, start, end] = await Promise.all(folders.map((folder) => readAdapter(folder)));
  if (!found || !start || !end) throw new Error('an adapter is missing');
  const share = adapterDistance(found, end) / adapterDistance(start, end);
  console.log(`${name}: ||found - end|| / ||end - start|| = ${share.toExponential(2)}`);
  expect(share).toBeLessThan(1e-3);
});

test('the reference of the policy that training starts from: a margin of 0 and a loss of log 2', async () => {
  const source = { model: modelWithTokenizer('models/llama-tied', 1024), adapter: adapterStart };
  const objective = { kind: 'dpo', beta: 0.1, nllWeight: 0 } as const;
  const rows = reference.pairs.slice(0, 8).map(({ prompt, chosen, rejected }): PreferenceExample => {
    return { kind: 'preference', prompt, chosen: [chosen.slice(0, 20), chosen.slice(20)], rejected: [rejected] };
  });
  await using policy = await openInProcessPolicy(engine, source, { cache });
  const { records } = await referenceUnit(rowsToCompare(rows, objective), { policy, calculatorLoss: true });
  const options = { ...OPTIONS, objective, lora, batchSize: 8, maxLength: 1024 };
  const job = { source, examples: withReferences(rows, records), out: join(scratch, 'start-out'), options };
  const [first] = (await train(engine, job, { cache })).steps;
  expect(first?.loss).toBeCloseTo(Math.LN2, 4);
  expect(first?.metrics['rewards/margins']).toBeCloseTo(0, 4);
  expect(first?.metrics).toMatchObject({ pairs: 8, nllRows: 0 });
});
