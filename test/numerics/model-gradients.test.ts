// Completion loss of the fixtures' models -> every gradient, full and LoRA, against transformers and PEFT.
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readSafetensors } from '../../src/models/files/safetensors.ts';
import type { TokenExample } from '../../src/training/examples.ts';
import {
  fixtures,
  gradientsOf,
  modelWithTokenizer,
  readJson,
  relativeError,
  rowEach,
  tokenExample,
} from '../training-fixtures.ts';

const objective = { kind: 'sft', scope: 'completion' } as const;
const lora = { rank: 4, alpha: 8, dropout: 0, targets: 'all-linear' } as const;

interface Reference {
  completion_loss: number;
  adapter_completion_loss: number;
}

async function reference(name: string) {
  const tensors = await readSafetensors(join(fixtures, 'models', name, 'reference.safetensors'));
  const [ids, mask, completion] = ['input_ids', 'attention_mask', 'completion_mask'].map((key) => tensors.get(key));
  if (!ids || !mask || !completion) throw new Error('incomplete fixture');
  const width = ids.shape[1] as number;
  const examples: TokenExample[] = [0, 1].map((row) => {
    const part = (from: { data: Float32Array }) => [...from.data.subarray(row * width, (row + 1) * width)];
    const length = part(mask).reduce((a, b) => a + b);
    const start = part(completion).indexOf(1);
    return tokenExample(part(ids).slice(0, start), [part(ids).slice(start, length)], [], row);
  });
  return { examples, tensors, losses: readJson<Reference>(`models/${name}/reference.json`) };
}

function compare(
  found: Map<string, Float32Array>,
  tensors: Awaited<ReturnType<typeof reference>>['tensors'],
  prefix: string,
) {
  const expected = [...tensors].filter(([name]) => name.startsWith(prefix));
  const errors = expected.map(([name, { data }]) => {
    const gradient = found.get(name.slice(prefix.length));
    if (!gradient) throw new Error(`no gradient of ${name}`);
    return [name, relativeError(gradient, data)] as const;
  });
  expect(found.size).toBe(expected.length);
  expect(expected.length).toBeGreaterThan(30);
  expect(errors.filter(([, error]) => !(error <= 1e-4))).toEqual([]);
}

describe.each(['llama', 'llama-tied', 'llama-3.2'])('%s', (name) => {
  test('full gradients', async () => {
    const { examples, tensors, losses } = await reference(name);
    await using model = await gradientsOf({ model: modelWithTokenizer(`models/${name}`), objective });
    const { loss, gradients } = await model.run([rowEach(examples, 40)]);
    expect(Math.abs(loss / losses.completion_loss - 1)).toBeLessThan(1e-5);
    compare(gradients, tensors, 'grad.');
  });

  test('gradients of an adapter', async () => {
    const { examples, tensors, losses } = await reference(name);
    const adapter = join(fixtures, 'models', name, 'adapter');
    await using model = await gradientsOf({ model: modelWithTokenizer(`models/${name}`), adapter, objective, lora });
    const { loss, gradients } = await model.run([rowEach(examples, 40)]);
    expect(Math.abs(loss / losses.adapter_completion_loss - 1)).toBeLessThan(1e-5);
    compare(gradients, tensors, 'adapter.grad.base_model.model.');
  });

  test('an adapter below new factors: the same loss while the new ones are zero', async () => {
    const { examples, losses } = await reference(name);
    const adapter = join(fixtures, 'models', name, 'adapter');
    const other = { ...lora, rank: 2 };
    await using model = await gradientsOf({
      model: modelWithTokenizer(`models/${name}`),
      adapter,
      objective,
      lora: other,
    });
    const { loss } = await model.run([rowEach(examples, 40)]);
    expect(Math.abs(loss / losses.adapter_completion_loss - 1)).toBeLessThan(1e-5);
  });

  test('an adapter merged for full training: the same loss', async () => {
    const { examples, losses } = await reference(name);
    const adapter = join(fixtures, 'models', name, 'adapter');
    await using model = await gradientsOf({ model: modelWithTokenizer(`models/${name}`), adapter, objective });
    const { loss } = await model.run([rowEach(examples, 40)]);
    expect(Math.abs(loss / losses.adapter_completion_loss - 1)).toBeLessThan(1e-5);
  });
});
