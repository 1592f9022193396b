// Sizes in a Llama's config.json: absurd ones are refused by file and key.
import { expect, it } from 'vitest';
import { decoderOf } from './form.ts';
import { llama } from './llama.ts';

const CONFIG = {
  hidden_size: 48,
  intermediate_size: 80,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  vocab_size: 512,
  max_position_embeddings: 128,
};
const KEYS = [...Object.keys(CONFIG), 'num_key_value_heads', 'head_dim'];
const ABSURD = [0, -1, 1.5, 1e12, 1e300, Number.NaN, Number.POSITIVE_INFINITY, '48', '', true, [48], { a: 1 }];

it('sound sizes are read, and what is absent is derived', () => {
  expect(decoderOf(llama, CONFIG).config).toMatchObject({
    headDim: 12,
    kvHeads: 4,
    epsilon: 1e-6,
    tied: false,
    layers: 4,
  });
  expect(decoderOf(llama, { ...CONFIG, head_dim: null, num_key_value_heads: null }).config).toMatchObject({
    headDim: 12,
  });
});

it.each(KEYS.flatMap((key) => ABSURD.map((value) => [key, value] as const)))('%s %j', (key, value) => {
  expect(() => decoderOf(llama, { ...CONFIG, [key]: value }, 'here/config.json')).toThrow(
    expect.objectContaining({
      code: 'bad-input',
      message: expect.stringMatching(/^Expected \w+ in here\/config.json to be /),
    }),
  );
});

it.each<[Record<string, unknown>, string]>([
  [{ head_dim: 13 }, 'head_dim'],
  [{ hidden_size: 50 }, 'num_attention_heads'],
  [{ hidden_size: 52 }, 'num_attention_heads'],
  [{ num_hidden_layers: 1e9 }, 'num_hidden_layers'],
  [{ num_key_value_heads: 3 }, 'num_key_value_heads'],
  [{ num_key_value_heads: 8 }, 'num_key_value_heads'],
  [{ rms_norm_eps: -1e-6 }, 'rms_norm_eps'],
  [{ rms_norm_eps: '1e-6' }, 'rms_norm_eps'],
  [{ rms_norm_eps: 1e5 }, 'rms_norm_eps'],
  [{ tie_word_embeddings: 'true' }, 'tie_word_embeddings'],
  [{ hidden_act: 'gelu' }, 'hidden_act'],
  [{ hidden_act: null }, 'hidden_act'],
])('%j', (change, key) => {
  expect(() => decoderOf(llama, { ...CONFIG, ...change })).toThrow(`Expected ${key}`);
});
