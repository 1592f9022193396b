// Phi 1, 1.5 and 2: attention and MLP in parallel, LayerNorm, biases, RoPE on a part of each head.
import { geluTanh } from '../../engine/build.ts';
import type { Architecture } from './architecture.ts';
import { PROJECTIONS } from './attention.ts';
import { GGUF_NAMES } from './gguf-layout.ts';
import { LAYER_NORM, parallelBlock, plainMlp } from './layers.ts';

const ATTENTION = { biased: PROJECTIONS, names: { o_proj: 'dense' } } as const;

export const phi: Architecture = {
  modelType: 'phi',
  family: 'Phi',
  form: {
    activation: { key: 'hidden_act', name: 'gelu_new', of: geluTanh },
    norm: LAYER_NORM,
    lastNorm: 'model.final_layernorm',
    mlp: plainMlp,
    block: parallelBlock,
    tied: false,
    biasedHead: true,
    rope: { partial: 0.5 },
    own(read) {
      if (read.boolean('qk_layernorm', false)) throw read.bad('qk_layernorm', 'false');
      return { attention: () => ATTENTION, biasedMlp: true };
    },
  },
  gguf: {
    architecture: 'phi2',
    config: (_, { partial_rotary_factor = 1 }) => ({ partial_rotary_factor }),
    names: {
      ...GGUF_NAMES,
      output_norm: 'model.final_layernorm',
      'blk.{n}.attn_qkv': ['q_proj', 'k_proj', 'v_proj'].map((name) => `model.layers.{n}.self_attn.${name}`),
      'blk.{n}.attn_output': 'model.layers.{n}.self_attn.dense',
      'blk.{n}.ffn_up': 'model.layers.{n}.mlp.fc1',
      'blk.{n}.ffn_down': 'model.layers.{n}.mlp.fc2',
    },
    parts: ({ num_attention_heads: queries, num_key_value_heads: keys }) => [queries, keys, keys].map(Number),
  },
};
