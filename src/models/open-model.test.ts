// Model folders whose parts do not belong together -> an error that names the file and the fault.
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type FolderChanges, makeModelFolder } from '../../test/model-folder.ts';
import { UNIGRAM } from '../../test/mutations/small-tokenizers.ts';
import { fixtures } from '../../test/tiny-model.ts';
import { openModel } from './open-model.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sipf-open-'));
});
afterAll(() => rm(root, { recursive: true }));

const QUERY = 'model.layers.0.self_attn.q_proj.weight';
const MANY = Array.from({ length: 600 }, (_, n) => [`<${n}>`, -n]);
const many = { ...UNIGRAM, added_tokens: [], post_processor: null, model: { ...UNIGRAM.model, vocab: MANY } };

it.each<[string, FolderChanges, RegExp]>([
  [
    'a weight of another shape',
    { weights: (tensors) => tensors.set(QUERY, { shape: [48, 24], data: new Float32Array(48 * 24) }) },
    /q_proj\.weight in (\S+) to be \[48, 48\] by its configuration, got \[48, 24\]/,
  ],
  [
    'a configuration of another size',
    { config: { intermediate_size: 96 } },
    /gate_proj\.weight in (\S+) to be \[96, 48\] by its configuration/,
  ],
  ['a missing weight', { weights: (tensors) => tensors.delete(QUERY) }, /q_proj\.weight \[48, 48\] in (\S+), got none/],
  [
    'a larger tokenizer',
    { files: { 'tokenizer.json': many } },
    /at most 512 ids \(rows of the embedding\) in (\S+), got 600/,
  ],
])('%s', async (_, changes, message) => {
  const model = await makeModelFolder(root, changes);
  const error: unknown = await openModel({ model }, { cache: join(root, 'cache') }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'bad-input', message: expect.stringMatching(message) });
  expect(message.exec((error as Error).message)?.[1]).toBe(model);
});

it('a missing shard, and a tensor that its shard lacks', async () => {
  const index = (shard: string) =>
    makeModelFolder(root, { files: { 'model.safetensors.index.json': { weight_map: { [QUERY]: shard, x: shard } } } });
  const [missing, lacking] = [await index('model-2-of-2.safetensors'), await index('other.safetensors')];
  await rm(join(missing, 'model.safetensors'));
  await expect(openModel({ model: missing })).rejects.toMatchObject({
    code: 'not-found',
    message: expect.stringMatching(
      /model-2-of-2\.safetensors with .*q_proj\.weight, as .*index\.json says, got nothing/,
    ),
  });
  await rename(join(lacking, 'model.safetensors'), join(lacking, 'other.safetensors'));
  await expect(openModel({ model: lacking })).rejects.toThrow(/tensor x in other\.safetensors, as .*index\.json says/);
});

it('an adapter of another base', () =>
  expect(
    openModel({ model: join(fixtures, 'models/llama-tied'), adapter: join(fixtures, 'models/llama/adapter') }),
  ).rejects.toThrow(/llama\/adapter, got factors of model\.layers\.0\.self_attn\.[kv]_proj for \[24, 48\]/));
