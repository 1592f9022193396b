// config.json of each family -> what its own keys mean, and what is refused.
import { describe, expect, it } from 'vitest';
import { linearLayers } from '../weights/declared-weights.ts';
import { architectureOf } from './architectures.ts';
import { decoderOf } from './form.ts';

const SIZES = {
  hidden_size: 48,
  intermediate_size: 80,
  num_hidden_layers: 7,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 512,
  max_position_embeddings: 128,
};

function open(model_type: string, change: Record<string, unknown> = {}) {
  const config = { ...SIZES, model_type, ...change };
  return decoderOf(architectureOf(config), config, 'here/config.json');
}

const windows = (...given: Parameters<typeof open>) => open(...given).attention.map(({ window }) => window);

describe('windows', () => {
  it.each<[string, Record<string, unknown>, (number | undefined)[]]>([
    ['mistral', { sliding_window: 8 }, Array(7).fill(8)],
    ['mistral', { sliding_window: null }, Array(7).fill(undefined)],
    ['mistral', {}, Array(7).fill(4096)],
    ['qwen2', { sliding_window: 8 }, Array(7).fill(undefined)],
    [
      'qwen2',
      { sliding_window: 8, use_sliding_window: true, max_window_layers: 5 },
      [...Array(5).fill(undefined), 8, 8],
    ],
    ['qwen3', { sliding_window: 8, use_sliding_window: true, max_window_layers: 0 }, Array(7).fill(8)],
    ['gemma2', { sliding_window: 8 }, [8, undefined, 8, undefined, 8, undefined, 8]],
    ['gemma', { sliding_window: 8 }, Array(7).fill(undefined)],
    ['gemma3_text', { sliding_window: 8 }, [8, 8, 8, 8, 8, undefined, 8]],
    ['gemma3_text', { sliding_window: 8, sliding_window_pattern: 2 }, [8, undefined, 8, undefined, 8, undefined, 8]],
    ['gemma3_text', { layer_types: Array(7).fill('full_attention') }, Array(7).fill(undefined)],
    ['smollm3', { sliding_window: 8 }, Array(7).fill(undefined)],
    [
      'smollm3',
      { sliding_window: 8, use_sliding_window: true },
      [undefined, undefined, undefined, 8, undefined, undefined, undefined],
    ],
    ['olmo2', { sliding_window: 8 }, Array(7).fill(undefined)],
  ])('%s %j', (type, change, expected) => expect(windows(type, change)).toEqual(expected));
});

describe("SmolLM 3's layers without RoPE", () => {
  const without = (change: Record<string, unknown>) =>
    open('smollm3', change).attention.flatMap(({ rope }, n) => (rope === null ? [n] : []));

  it.each<[Record<string, unknown>, number[]]>([
    [{}, [3]],
    [{ no_rope_layer_interval: 2 }, [1, 3, 5]],
    [{ no_rope_layers: null, no_rope_layer_interval: 7 }, [6]],
    [{ no_rope_layers: [0, 1, 1, 1, 1, 1, 0], no_rope_layer_interval: 2 }, [0, 6]],
    [{ no_rope_layers: Array(9).fill(1) }, []],
  ])('%j', (change, expected) => expect(without(change)).toEqual(expected));
});

describe('sizes', () => {
  it('of heads, where config.json does not say', () => {
    const types = ['llama', 'mistral', 'smollm3', 'qwen2', 'phi', 'olmo2', 'qwen3', 'gemma', 'gemma2', 'gemma3_text'];
    const sizes = types.map((type) => open(type).config.headDim);
    expect(sizes).toEqual([12, 12, 12, 12, 12, 12, 128, 256, 256, 256]);
  });

  it('Gemma ties its embeddings and scales by query_pre_attn_scalar', () => {
    const { config, attention } = open('gemma3_text', { query_pre_attn_scalar: 16, attn_logit_softcapping: 50 });
    expect([config.tied, attention[0]?.scale, attention[5]?.softcap]).toEqual([true, 0.25, 50]);
    expect(open('qwen2').config.tied).toBe(false);
    expect([open('smollm3').config.tied, open('olmo2').config.tied]).toEqual([true, false]);
  });
});

describe("Gemma's two RoPE tables", () => {
  const scaled = { rope_type: 'linear', factor: 8, rope_theta: 1e6 };
  const tables = (change: Record<string, unknown>) => open('gemma3_text', { head_dim: 4, ...change }).config.ropes;
  const of = (theta: number, factor: number) => Float32Array.of(1 / factor, theta ** -0.5 / factor);

  it.each<[string, Record<string, unknown>]>([
    ['by layer type', { rope_parameters: { full_attention: scaled, sliding_attention: { rope_theta: 2e4 } } }],
    ['as before', { rope_theta: 1e6, rope_local_base_freq: 2e4, rope_scaling: { rope_type: 'linear', factor: 8 } }],
  ])('%s', (_name, change) => expect(tables(change)).toEqual([of(1e6, 8), of(2e4, 1)]));

  it('by default', () => expect(tables({})).toEqual([of(1e6, 1), of(1e4, 1)]));
});

describe("Gemma's soft-caps", () => {
  const caps = (change: Record<string, unknown>) => open('gemma2', change).attention[0]?.softcap;

  it('are 50 where config.json does not say, and none where it says null', () => {
    expect([caps({}), caps({ attn_logit_softcapping: 20 }), caps({ attn_logit_softcapping: null })]).toEqual([
      50,
      20,
      undefined,
    ]);
  });

  it('and the activation of older Gemma files may be null', () => {
    expect(open('gemma', { hidden_act: 'gelu', hidden_activation: null }).config.tied).toBe(true);
  });
});

it('LoRA may adapt the linear layers that an architecture has', () => {
  expect(linearLayers(open('phi', { head_dim: 8 }))).toEqual([
    'q_proj',
    'k_proj',
    'v_proj',
    'dense',
    'fc1',
    'fc2',
    'lm_head',
  ]);
  expect(linearLayers(open('gemma2'))).toEqual([
    'q_proj',
    'k_proj',
    'v_proj',
    'o_proj',
    'gate_proj',
    'up_proj',
    'down_proj',
  ]);
});

describe("Phi's RoPE", () => {
  const width = (change: Record<string, unknown>) => open('phi', { head_dim: 8, ...change }).config.ropes[0]?.length;

  it('turns half of each head, or as much as config.json says', () => {
    expect([width({}), width({ partial_rotary_factor: 0.25 }), width({ partial_rotary_factor: 1 })]).toEqual([2, 1, 4]);
  });
});

describe('refused', () => {
  it.each<[string, Record<string, unknown>, string, string]>([
    ['qwen2', { hidden_act: 'gelu' }, 'unsupported', 'hidden_act'],
    ['qwen2', { use_sliding_window: true, sliding_window: 0 }, 'bad-input', 'sliding_window'],
    ['qwen3', { layer_types: ['full_attention'] }, 'bad-input', '7 layer types'],
    ['qwen3', { layer_types: Array(7).fill('linear_attention') }, 'unsupported', '"linear_attention"'],
    ['gemma3_text', { hidden_activation: 'relu' }, 'unsupported', 'hidden_activation'],
    ['gemma3_text', { use_bidirectional_attention: true }, 'bad-input', 'use_bidirectional_attention'],
    ['gemma3_text', { query_pre_attn_scalar: 0 }, 'bad-input', 'query_pre_attn_scalar'],
    ['gemma3_text', { final_logit_softcapping: -1 }, 'bad-input', 'final_logit_softcapping'],
    ['gemma3_text', { rope_parameters: { sliding_attention: 5 } }, 'bad-input', 'rope_parameters'],
    ['gemma', { use_bidirectional_attention: true }, 'bad-input', 'use_bidirectional_attention'],
    ['gemma', { hidden_act: 'silu' }, 'unsupported', 'hidden_act'],
    ['gemma2', { attn_logit_softcapping: 0 }, 'bad-input', 'attn_logit_softcapping'],
    ['phi', { hidden_act: 'gelu' }, 'unsupported', 'hidden_act'],
    ['smollm3', { no_rope_layers: [1, 1, 1] }, 'bad-input', 'a list of 7 numbers'],
    ['smollm3', { no_rope_layers: Array(7).fill(true) }, 'bad-input', 'no_rope_layers'],
    ['smollm3', { no_rope_layer_interval: 0 }, 'bad-input', 'no_rope_layer_interval'],
    ['smollm3', { use_sliding_window: true }, 'bad-input', 'sliding_window'],
    ['olmo2', { hidden_act: 'gelu' }, 'unsupported', 'hidden_act'],
    ['phi', { qk_layernorm: true }, 'bad-input', 'qk_layernorm'],
    ['phi', { partial_rotary_factor: 0.4, head_dim: 8 }, 'bad-input', 'an even part of the 8 dimensions'],
    ['phi', { rope_parameters: { partial_rotary_factor: 'half' } }, 'bad-input', 'partial_rotary_factor'],
    ['llama', { partial_rotary_factor: 0.5 }, 'unsupported', 'partial_rotary_factor 1'],
    ['gemma3', { text_config: { model_type: 'gemma3_text' } }, 'unsupported', '"gemma3" with a text_config'],
    ['mamba', {}, 'unsupported', 'llama, mistral, smollm3, qwen2, qwen3, gemma, gemma2, gemma3_text, phi, olmo2'],
  ])('%s %j', (type, change, code, message) => {
    expect(() => open(type, change)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });
});
