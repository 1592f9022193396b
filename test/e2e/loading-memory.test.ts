// A model of 400 MB in float32, in shards and GGUF parts -> the peak of memory while it is loaded.
// In `npm run test:all` alone: a minute, 1 GB of disk.
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openInProcessPolicy } from '../../src/backends/local/in-process-policy.ts';
import { Engine } from '../../src/engine/runtime/session.ts';
import { architectureOf } from '../../src/models/architectures/architectures.ts';
import { decoderOf } from '../../src/models/architectures/form.ts';
import { openModelFiles } from '../../src/models/files/model-files.ts';
import { declaredWeights } from '../../src/models/weights/declared-weights.ts';
import { ggufBytes } from '../fixtures/gguf-bytes.ts';
import { metadataOf, storedNames } from '../fixtures/gguf-model.ts';
import { collect } from '../memory-in-use.ts';
import { safetensorsBytes } from '../model-folder.ts';
import { isFull } from '../tier.ts';
import { fixtures } from '../tiny-model.ts';

const CONFIG = {
  model_type: 'llama',
  hidden_act: 'silu',
  vocab_size: 32_768,
  hidden_size: 768,
  intermediate_size: 3072,
  num_hidden_layers: 8,
  num_attention_heads: 12,
  num_key_value_heads: 12,
  head_dim: 64,
  max_position_embeddings: 256,
  rms_norm_eps: 1e-5,
  rope_parameters: { rope_type: 'default', rope_theta: 10_000 },
  tie_word_embeddings: true,
};
const PARTS = 4;

const architecture = architectureOf(CONFIG);
const shapes = [...declaredWeights(decoderOf(architecture, CONFIG)).shapes];
const count = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);
const FINAL = shapes.reduce((bytes, [, shape]) => bytes + 4 * count(shape), 0);
const partOf = (n: number) => shapes.filter((_, i) => i % PARTS === n);

/** Zeros in bfloat16, in several files behind an index. */
async function writeShards(folder: string): Promise<string> {
  await mkdir(folder);
  const map: Record<string, string> = {};
  for (let n = 0; n < PARTS; n++) {
    const shard = `model-${n}.safetensors`;
    const own = partOf(n).map(([name, shape]) => [name, ['BF16', [...shape], 2 * count(shape)]] as const);
    await writeFile(join(folder, shard), safetensorsBytes(Object.fromEntries(own)));
    for (const [name] of own) map[name] = shard;
  }
  await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }));
  await writeFile(join(folder, 'config.json'), JSON.stringify(CONFIG));
  await copyFile(join(fixtures, 'tokenizer/tokenizer.json'), join(folder, 'tokenizer.json'));
  return folder;
}

/** Zeros in Q8_0, in several files. */
async function writeGguf(folder: string): Promise<string> {
  await mkdir(folder);
  const files = Array.from({ length: PARTS }, (_, n) => join(folder, `m-0000${n + 1}-of-0000${PARTS}.gguf`));
  for (const [n, file] of files.entries()) {
    const own = new Map(partOf(n));
    const tensors = [...storedNames(architecture.gguf, [...own.keys()], false)].map(([name, [held = '']]) => {
      const shape = own.get(held) ?? [];
      const isVector = shape.length === 1;
      const bytes = new Uint8Array(isVector ? 4 * count(shape) : (count(shape) / 32) * 34);
      return { name, shape, type: isVector ? 0 : 8, bytes };
    });
    const metadata = n === 0 ? metadataOf(architecture.gguf, CONFIG, CONFIG.rope_parameters) : {};
    await writeFile(file, ggufBytes({ ...metadata, 'split.no': n, 'split.count': PARTS }, tensors));
  }
  return files[0] as string;
}

/** The most that the process has held above what it had at the start. */
const peak = (start: number): number => 1024 * process.resourceUsage().maxRSS - start;
const inMegabytes = (bytes: number): number => Math.round(bytes / 1e6);

describe.skipIf(!isFull || process.platform !== 'linux')(`${inMegabytes(FINAL)} MB of weights`, () => {
  let root: string;
  let start: number;
  const sources: Record<string, string> = {};
  beforeAll(async () => {
    collect();
    start = process.memoryUsage.rss();
    root = await mkdtemp(join(tmpdir(), 'sipf-loading-'));
    sources['shards'] = await writeShards(join(root, 'shards'));
    sources['GGUF parts'] = await writeGguf(join(root, 'gguf'));
  });
  afterAll(() => rm(root, { recursive: true }));

  it.each(['shards', 'GGUF parts'])('are converted from %s in less than 1.2 times their size', async (name) => {
    const files = await openModelFiles(sources[name] as string, { cache: join(root, 'cache') });
    const weights = await files.weights();
    expect([...weights.values()].reduce((bytes, { length }) => bytes + length, 0)).toBe(FINAL);
    console.log(`${name}: ${inMegabytes(peak(start))} MB at most, the making of the files included`);
    expect(peak(start)).toBeLessThan(1.2 * FINAL);
  });

  it('are open for inference with a peak of less than 1.2 times what stays', async () => {
    const model = sources['shards'] as string;
    await using engine = new Engine({ provider: 'cpu', threads: 1 });
    await using policy = await openInProcessPolicy(engine, { model }, { cache: join(root, 'cache'), slots: 1 });
    const request = { id: 'a', context: [[1, 2, 3]], key: '', sampling: { temperature: 0, maxTokens: 1 } };
    await policy.generate([request], () => []);
    const stays = process.memoryUsage.rss() - start;
    console.log(`open: ${inMegabytes(stays)} MB, at most ${inMegabytes(peak(start))} MB`);
    expect(peak(start)).toBeLessThan(1.2 * stays);
  });
});
