// An adapter's folder -> the base model that it names.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { withBase } from './adapter-base.ts';
import { writeAdapter } from './adapter-files.ts';

let root: string;
let adapter: string;
let base: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sipf-adapter-base-'));
  adapter = join(root, 'run', 'adapter');
  base = join(root, 'base');
  await mkdir(adapter, { recursive: true });
  await mkdir(base);
  await writeFile(join(base, 'config.json'), '{}');
});
afterAll(() => rm(root, { recursive: true }));

const write = (baseModel: string | null) =>
  writeAdapter(adapter, {
    rank: 1,
    alpha: 1,
    dropout: 0,
    targets: ['q_proj'],
    useRslora: false,
    taskType: 'CAUSAL_LM',
    baseModel,
    tensors: new Map([['model.layers.0.self_attn.q_proj', { a: Float32Array.of(1), b: Float32Array.of(1) }]]),
    extra: new Map(),
  });

it("opens an adapter's folder with the base that it names, as a path from there", async () => {
  await write('../../base');
  expect(await withBase({ model: adapter })).toEqual({ model: base, adapter });
});

it('takes an absolute path and a hub id', async () => {
  await write(base);
  expect(await withBase({ model: adapter })).toEqual({ model: base, adapter });
  await write('owner/name');
  expect(await withBase({ model: adapter })).toEqual({ model: 'owner/name', adapter });
});

it('leaves models, given adapters and bases that are gone as they are', async () => {
  await write('../gone.gguf');
  for (const source of [{ model: adapter }, { model: base }, { model: base, adapter }, { model: 'owner/name' }]) {
    expect(await withBase(source)).toEqual(source);
  }
  await write(null);
  expect(await withBase({ model: adapter })).toEqual({ model: adapter });
});
