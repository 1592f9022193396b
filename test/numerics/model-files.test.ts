// Model and adapter folders as transformers and PEFT wrote them; real GGUF weights.
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readAdapter, writeAdapter } from '../../src/models/files/adapter-files.ts';
import { readGguf, readGgufTensor } from '../../src/models/files/gguf.ts';
import { ggufModel } from '../../src/models/files/gguf-model.ts';
import { openModelFiles } from '../../src/models/files/model-files.ts';
import { renderChat } from '../../src/models/tokenizer/chat-template.ts';
import { checkVocabulary, loadTokenizer } from '../../src/models/tokenizer/tokenizer.ts';

const shared = join(import.meta.dirname, '../../../shared');
const models = join(shared, 'fixtures/models');
const gguf = join(shared, 'models/SmolLM2-135M-Instruct.Q4_1.gguf');
const scratch = mkdtempSync(join(tmpdir(), 'sipf-real-'));
afterAll(() => rmSync(scratch, { recursive: true }));

for (const path of [models, gguf])
  if (!existsSync(path)) console.log(`skipped: ../shared${path.slice(shared.length)} is not there`);
const names = existsSync(models) ? readdirSync(models) : [];

describe.skipIf(names.length === 0)('folders of transformers and PEFT', () => {
  it.each(names)('%s: opened in place, its adapter read and written back', async (name) => {
    const folder = join(models, name);
    const model = await openModelFiles(folder, { cache: scratch });
    const weights = await model.weights();
    expect(weights.get('model.embed_tokens.weight')).toMatchObject({
      file: join(folder, 'model.safetensors'),
      shape: [512, 48],
      length: 512 * 48 * 4,
    });
    const adapter = await readAdapter(join(folder, 'adapter'));
    expect(adapter).toMatchObject({ rank: 4, alpha: 8, dropout: 0, taskType: 'CAUSAL_LM' });
    for (const [path, { a, b }] of adapter.tensors) {
      const [rows, columns] = model.shapes.get(`${path}.weight`) ?? [];
      expect([a.length, b.length], path).toEqual([4 * (columns ?? 0), 4 * (rows ?? 0)]);
    }
    await writeAdapter(join(scratch, name), adapter);
    expect(await readAdapter(join(scratch, name))).toEqual(adapter);
  });

  it('opens the token-classification model', async () => {
    const { shapes } = await openModelFiles(join(shared, 'fixtures/prm'), { cache: scratch });
    expect([shapes.get('score.weight'), shapes.get('score.bias')]).toEqual([[2, 48], [2]]);
  });
});

describe.skipIf(!existsSync(gguf))('SmolLM2', () => {
  it('has the configuration, tensors and vocabulary of the Hugging Face model', async () => {
    const file = await readGguf(gguf);
    const { config, weights } = await ggufModel(file);
    expect(config).toMatchObject({
      hidden_size: 576,
      num_hidden_layers: 30,
      num_attention_heads: 9,
      num_key_value_heads: 3,
      head_dim: 64,
      rope_theta: 100000,
      tie_word_embeddings: true,
    });
    expect(weights.length).toBe(30 * 9 + 2);
    expect(checkVocabulary(await loadTokenizer(gguf), Number(config.vocab_size), gguf)).toEqual([]);
    const tensor = file.tensors.get('blk.0.attn_q.weight');
    if (!tensor) throw new Error('no q');
    const data = await readGgufTensor(tensor);
    const rms = Math.sqrt(data.reduce((sum, v) => sum + v * v, 0) / data.length);
    expect(rms).toBeGreaterThan(0.01);
    expect(rms).toBeLessThan(1);
  });

  it('renders its chat template', async () => {
    const text = renderChat(await loadTokenizer(gguf), [{ role: 'user', content: 'Hi' }]);
    expect(text).toBe(
      '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n',
    );
  });
});
