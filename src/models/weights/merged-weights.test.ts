// A model and an adapter -> merged weights, or why they do not belong together.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Engine } from '../../engine/runtime/session.ts';
import { readAdapter, writeAdapter } from '../files/adapter-files.ts';
import { readTensor, type TensorEntry } from '../files/safetensors.ts';
import { openModel } from '../open-model.ts';
import { mergeWeights } from './merged-weights.ts';

const folder = join(import.meta.dirname, '../../../test/fixtures/models/llama');
const adapter = join(folder, 'adapter');
const engine = new Engine({ provider: 'cpu', threads: 1 });
const read = async (slice: TensorEntry | undefined) => (await readTensor('x', slice as TensorEntry)).data;

/** W + scale · B A, one element after another. */
function addProduct(
  weight: Float32Array,
  { a, b }: { a: Float32Array; b: Float32Array },
  rank: number,
  scale: number,
): void {
  const width = a.length / rank;
  for (let n = 0; n < weight.length; n++) {
    const [row, column] = [Math.floor(n / width), n % width];
    let sum = 0;
    for (let r = 0; r < rank; r++) sum += (b[row * rank + r] as number) * (a[r * width + column] as number);
    weight[n] = (weight[n] as number) + scale * sum;
  }
}

let cache: string;
beforeAll(async () => {
  cache = await mkdtemp(join(tmpdir(), 'sipf-merged-'));
});
afterAll(() => rm(cache, { recursive: true }));

it('writes only what the adapter changes, and deletes it', async () => {
  const model = await openModel({ model: folder, adapter }, { cache });
  const base = await model.files.weights();
  const { tensors, rank, alpha } = await readAdapter(adapter);
  const merged = await mergeWeights(engine, model, { cache });
  expect(model.hash).not.toBe(model.files.hash);
  expect([...merged.slices.keys()].sort()).toEqual([...base.keys()].sort());
  for (const [name, slice] of merged.slices) {
    const factors = tensors.get(name.replace(/\.weight$/, ''));
    if (!factors) {
      expect(slice).toEqual(base.get(name));
      continue;
    }
    const expected = await read(base.get(name));
    addProduct(expected, factors, rank, alpha / rank);
    const actual = await read(slice);
    const differences = actual.map((value, n) => Math.abs(value - (expected[n] as number)));
    expect(Math.max(...differences)).toBeLessThan(1e-6);
  }
  expect(await readdir(join(cache, 'merged'))).toHaveLength(1);
  await merged[Symbol.asyncDispose]();
  expect(await readdir(join(cache, 'merged'))).toEqual([]);
  expect(engine.sessions).toEqual({ live: 1, created: 1 });
});

it('adds the heads that were trained in full, and leaves a model without adapter alone', async () => {
  const base = await openModel({ model: folder }, { cache });
  const plain = await mergeWeights(engine, base, { cache });
  expect(base.hash).toBe(base.files.hash);
  expect(plain.slices).toEqual(await base.files.weights());
  const withHead = join(cache, 'with-head');
  const head = new Map([['score.weight', { shape: [2, 48], data: new Float32Array(96).fill(0.5) }]]);
  await writeAdapter(withHead, { ...(await readAdapter(adapter)), taskType: 'TOKEN_CLS', extra: head });
  const merged = await mergeWeights(engine, await openModel({ model: folder, adapter: withHead }, { cache }), {
    cache,
  });
  expect(await read(merged.slices.get('score.weight'))).toEqual(head.get('score.weight')?.data);
  await merged[Symbol.asyncDispose]();
});

it('blames the adapter where its product overflows', async () => {
  const huge = join(cache, 'huge');
  await writeAdapter(huge, { ...(await readAdapter(adapter)), alpha: 1e300 });
  const model = await openModel({ model: folder, adapter: huge }, { cache });
  await expect(mergeWeights(engine, model, { cache })).rejects.toMatchObject({
    code: 'bad-input',
    message: expect.stringMatching(/with the adapter .*huge added, got infinity: lora_alpha 1e\+300/),
  });
  expect(await readdir(join(cache, 'merged'))).toEqual([]);
});

it('refuses an adapter of another model by name', () =>
  expect(openModel({ model: join(folder, '../llama-tied'), adapter }, { cache })).rejects.toThrow(
    /got factors of model\.layers\.0\.self_attn\.[kv]_proj for \[24, 48\] where the model has \[12,48\]/,
  ));
