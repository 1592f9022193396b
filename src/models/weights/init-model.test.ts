// New models -> folders that open, with the statistics asked for and numbers by the seed alone.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { openModelFiles } from '../files/model-files.ts';
import { readSafetensors } from '../files/safetensors.ts';
import { loadTokenizer } from '../tokenizer/tokenizer.ts';
import { initModelFolder } from './init-model.ts';

const scratch = mkdtempSync(join(tmpdir(), 'sipf-init-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const fixture = join(import.meta.dirname, '../../../test/fixtures/tokenizer');
const json = (name: string): object => JSON.parse(readFileSync(join(fixture, name), 'utf8')) as object;
const shape = {
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 128,
  tie_word_embeddings: true,
};
const args = { config: { ...shape, initializer_range: 0.1 }, tokenizer: json('tokenizer.json'), seed: 7 };

test('vocabulary and token ids from the tokenizer, normal weights, norms of 1', async () => {
  const folder = join(scratch, 'a');
  await initModelFolder(folder, { ...args, tokenizerConfig: json('tokenizer_config.json') });
  const { config, shapes } = await openModelFiles(folder);
  expect(config).toMatchObject({
    vocab_size: 512,
    eos_token_id: 2,
    bos_token_id: 1,
    pad_token_id: 0,
    model_type: 'llama',
  });
  expect(shapes.has('lm_head.weight')).toBe(false);
  const tokenizer = await loadTokenizer(folder);
  expect(tokenizer.eosIds).toEqual([2]);
  const tensors = await readSafetensors(join(folder, 'model.safetensors'));
  expect(tensors.get('model.norm.weight')?.data.every((x) => x === 1)).toBe(true);
  const { data } = tensors.get('model.embed_tokens.weight') as { data: Float32Array };
  const mean = data.reduce((a, b) => a + b) / data.length;
  expect(Math.abs(mean)).toBeLessThan(0.003);
  expect(Math.sqrt(data.reduce((a, b) => a + b * b) / data.length)).toBeCloseTo(0.1, 2);
});

test('the same seed gives the same bytes, another seed others; without a configuration usual special tokens are found', async () => {
  const bytes = (name: string) => readFileSync(join(scratch, name, 'model.safetensors')).toString('base64');
  for (const [name, seed] of [
    ['b', 7],
    ['c', 7],
    ['d', 8],
  ] as const)
    await initModelFolder(join(scratch, name), { ...args, seed });
  expect(bytes('b')).toBe(bytes('c'));
  expect(bytes('b')).not.toBe(bytes('d'));
  expect((await loadTokenizer(join(scratch, 'b'))).eosIds).toEqual([2]);
});

test('an untied model has a head, attention_bias has biases of zero, a vocabulary too small is refused', async () => {
  const config = { ...shape, tie_word_embeddings: false, attention_bias: true };
  await initModelFolder(join(scratch, 'e'), { ...args, config });
  const tensors = await readSafetensors(join(scratch, 'e', 'model.safetensors'));
  expect(tensors.get('lm_head.weight')?.shape).toEqual([512, 64]);
  expect(tensors.get('model.layers.1.self_attn.q_proj.bias')?.data.every((x) => x === 0)).toBe(true);
  expect(tensors.has('model.layers.1.mlp.up_proj.bias')).toBe(false);
  await expect(initModelFolder(join(scratch, 'f'), { ...args, config: { ...shape, vocab_size: 100 } })).rejects.toThrow(
    /512.*100/,
  );
});

test.each([
  [{ hidden_size: 1e12 }, 'hidden_size'],
  [{ num_hidden_layers: 1e9 }, 'num_hidden_layers'],
  [{ vocab_size: 1e12 }, 'vocab_size'],
  [{ hidden_size: 1 << 20, num_attention_heads: 1 << 10 }, 'parameters'],
  [{ intermediate_size: 1 << 24, num_hidden_layers: 100 }, 'parameters'],
])('sizes that no memory holds are refused: %j', async (change, word) => {
  const made = initModelFolder(join(scratch, 'absurd'), { ...args, config: { ...shape, ...change } });
  await expect(made).rejects.toThrow(
    new RegExp(`Expected .*${word}.* model\\.init|Expected .*${word} in model\\.init`),
  );
});
