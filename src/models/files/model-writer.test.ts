// A model's weights -> a folder that opens again with the same numbers.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ggufBytes } from '../../../test/fixtures/gguf-bytes.ts';
import { loadTokenizer } from '../tokenizer/tokenizer.ts';
import { openModelFiles } from './model-files.ts';
import { writeModelFolder, writeTokenizer } from './model-writer.ts';

const fixture = join(import.meta.dirname, '../../../test/fixtures/tokenizer');
let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sipf-writer-'));
});
afterAll(() => rm(root, { recursive: true }));

describe('writeModelFolder', () => {
  it('writes a folder that opens in place, with its tokenizer', async () => {
    const folder = join(root, 'model');
    const tensors = [{ name: 'model.norm.weight', shape: [2], data: Float32Array.of(1, 2) }];
    await writeModelFolder(folder, {
      config: { model_type: 'llama', dtype: 'bfloat16' },
      tensors,
      tokenizerFrom: fixture,
    });
    const model = await openModelFiles(folder, { cache: root });
    expect(model.config).toEqual({ model_type: 'llama', dtype: 'float32' });
    expect((await model.weights()).get('model.norm.weight')?.file).toBe(join(folder, 'model.safetensors'));
    expect(await loadTokenizer(folder)).toMatchObject({
      bosId: 1,
      eosIds: [2],
      chatTemplate: expect.stringContaining('assistant'),
    });
  });

  it('writes soft caps as floats, which transformers asks for', async () => {
    const folder = join(root, 'capped');
    const config = { model_type: 'gemma2', final_logit_softcapping: 30, attn_logit_softcapping: 12.5, head_dim: 8 };
    await writeModelFolder(folder, { config, tensors: [], tokenizerFrom: null });
    const text = await readFile(join(folder, 'config.json'), 'utf8');
    expect(text).toContain('"final_logit_softcapping": 30.0,');
    expect(JSON.parse(text)).toEqual({ ...config, dtype: 'float32' });
  });

  it('makes the tokenizer files of a GGUF model, with the same ids', async () => {
    const file = join(root, 'model.gguf');
    const metadata = {
      'general.architecture': 'llama',
      'tokenizer.ggml.model': 'gpt2',
      'tokenizer.ggml.pre': 'smollm',
      'tokenizer.ggml.tokens': ['<bos>', '<eos>', '1', '2', 'a', 'b', 'ab'],
      'tokenizer.ggml.token_type': [3, 3, 1, 1, 1, 1, 1],
      'tokenizer.ggml.merges': ['a b'],
      'tokenizer.ggml.bos_token_id': 0,
      'tokenizer.ggml.eos_token_id': 1,
      'tokenizer.ggml.add_bos_token': true,
      'tokenizer.chat_template': '{{ messages }}',
    };
    await writeFile(file, ggufBytes(metadata));
    const folder = join(root, 'tokenizer');
    await writeTokenizer(folder, file);
    const [made, original] = [await loadTokenizer(folder), await loadTokenizer(file)];
    expect(made.encode('12ab<eos>')).toEqual([0, 2, 3, 6, 1]);
    expect(original.encode('12ab<eos>')).toEqual([0, 2, 3, 6, 1]);
    expect(made).toMatchObject({ bosId: 0, eosIds: [1], padId: null, leadingIds: [0], chatTemplate: '{{ messages }}' });
    expect((await readdir(folder)).sort()).toEqual([
      'chat_template.jinja',
      'generation_config.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    expect(await readFile(join(folder, 'tokenizer.json'), 'utf8')).not.toContain('sipf');
  });
});
