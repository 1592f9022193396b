// Split GGUF files, good and bad -> one model, or an error that names the part.
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, it } from 'vitest';
import { ggufBytes, type TestTensor, type TestValue } from '../../../test/fixtures/gguf-bytes.ts';
import { readGguf, readGgufTensor } from './gguf.ts';
import { openModelFiles } from './model-files.ts';

const folders: string[] = [];
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-parts-'));
  folders.push(folder);
});
afterAll(() => Promise.all(folders.map((path) => rm(path, { recursive: true }))));

const TENSORS: readonly TestTensor[] = ['token_embd.weight', 'output_norm.weight', 'blk.0.attn_norm.weight'].map(
  (name, n) => ({ name, shape: n === 0 ? [3, 8] : [8], type: 0, bytes: bytesOf(n === 0 ? 24 : 8, n) }),
);
const LLAMA: Readonly<Record<string, TestValue>> = {
  'general.architecture': 'llama',
  'llama.block_count': 1,
  'llama.context_length': 64,
  'llama.embedding_length': 8,
  'llama.feed_forward_length': 16,
  'llama.attention.head_count': 2,
  'llama.attention.layer_norm_rms_epsilon': 0.5,
};

function bytesOf(values: number, first: number): Uint8Array {
  return new Uint8Array(Float32Array.from({ length: values }, (_, n) => first + n).buffer);
}

const nameOf = (part: number): string => join(folder, `tiny-0000${part}-of-00003.gguf`);

/** Parts as llama-gguf-split writes them: metadata in the first, which here has no tensor. */
async function writeParts(changes: Readonly<Record<number, Readonly<Record<string, TestValue>>>> = {}): Promise<void> {
  const tensors = [[], TENSORS.slice(0, 2), TENSORS.slice(2)];
  for (const [n, own] of tensors.entries()) {
    const split = { 'split.no': n, 'split.count': 3, 'split.tensors.count': 3, ...changes[n] };
    await writeFile(nameOf(n + 1), ggufBytes({ ...(n === 0 ? LLAMA : {}), ...split }, own));
  }
}

it('are read from any part, each tensor from its own file', async () => {
  await writeParts();
  for (const part of [1, 2, 3]) {
    const gguf = await readGguf(nameOf(part));
    expect(gguf.files).toEqual([1, 2, 3].map(nameOf));
    expect([gguf.file, gguf.metadata.get('llama.block_count')]).toEqual([nameOf(1), 1]);
    expect([...gguf.tensors.keys()]).toEqual(TENSORS.map(({ name }) => name));
    for (const [n, tensor] of [...gguf.tensors.values()].entries()) expect((await readGgufTensor(tensor))[0]).toBe(n);
  }
});

it('are one model: its weights are converted, and its hash depends on every part', async () => {
  await writeParts();
  const cache = join(folder, 'cache');
  const model = await openModelFiles(nameOf(2), { cache });
  expect([...(await model.weights()).keys()]).toEqual([
    'model.embed_tokens.weight',
    'model.norm.weight',
    'model.layers.0.input_layernorm.weight',
  ]);
  const norm = { name: 'blk.0.attn_norm.weight', shape: [8], type: 0, bytes: bytesOf(8, 9) };
  await writeFile(nameOf(3), ggufBytes({ 'split.no': 2, 'split.count': 3 }, [norm]));
  expect((await openModelFiles(nameOf(2), { cache })).hash).not.toBe(model.hash);
});

it('are refused where one is missing, of another model, or misnamed', async () => {
  await writeParts();
  await rm(nameOf(3));
  await expect(readGguf(nameOf(1))).rejects.toMatchObject({
    code: 'not-found',
    message: expect.stringContaining('tiny-00003-of-00003.gguf'),
  });
  await writeParts({ 2: { 'split.no': 1 } });
  await expect(readGguf(nameOf(1))).rejects.toThrow(/split.no of .*tiny-00003-of-00003.gguf to be 2, got 1/);
  await writeParts({ 1: { 'split.count': 4 } });
  await expect(readGguf(nameOf(1))).rejects.toThrow(/split.count of .*tiny-00002-of-00003.gguf to be 3, got 4/);
  await writeParts({ 0: { 'split.tensors.count': 7 } });
  await expect(readGguf(nameOf(1))).rejects.toThrow(/split.tensors.count .* to be 3, as the parts have, got 7/);
  await writeParts({ 0: { 'split.count': 70_000 } });
  await expect(readGguf(nameOf(1))).rejects.toThrow('a number of parts up to 9999');
  await writeParts();
  await writeFile(nameOf(3), ggufBytes({ 'split.no': 2, 'split.count': 3 }, TENSORS.slice(1)));
  await expect(readGguf(nameOf(1))).rejects.toThrow(/output_norm.weight .* in one part, got it in tiny-00002/);
  await rename(nameOf(2), join(folder, 'other.gguf'));
  await expect(readGguf(join(folder, 'other.gguf'))).rejects.toThrow('named as NAME-00001-of-00003.gguf');
});
