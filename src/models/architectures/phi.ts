// Phi 1, 1.5 and 2: attention and MLP in parallel, LayerNorm, biases, RoPE on a part of each head.
import { geluTanh } from '../../engine/build.ts';
import type { Architecture } from './architecture.ts';
import { PROJECTIONS } from './attention.ts';
import { GGUF_NAMES } from './gguf-layout.ts';
import { LAYER_NORM, parallelBlock, plainMlp } from './layers.ts';
import { inverseFrequencies } from './rope.ts';

const ATTENTION = { biased: PROJECTIONS, names: { o_proj: 'dense' } } as const;

const layer = (own: string): string => `model.layers.{n}.${own}`;
const fused = (kind: string): string[] => ['q', 'k', 'v'].map((part) => layer(`self_attn.${part}_proj.${kind}`));

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
    own(read, { headDim }) {
      if (read.boolean('qk_layernorm', false)) throw read.bad('qk_layernorm', 'false');
      const ropes = [inverseFrequencies(read.config, headDim, read.file, { partial: 0.5 })];
      return { attention: () => ATTENTION, biasedMlp: true, ropes };
    },
  },
  gguf: {
    architecture: 'phi2',
    config: (_, { partial_rotary_factor = 1 }) => ({ partial_rotary_factor }),
    names: {
      ...GGUF_NAMES,
      'blk.{n}.attn_qkv.weight': fused('weight'),
      'blk.{n}.attn_qkv.bias': fused('bias'),
      'blk.{n}.attn_output.weight': layer('self_attn.dense.weight'),
      'blk.{n}.attn_output.bias': layer('self_attn.dense.bias'),
      'blk.{n}.attn_norm.bias': layer('input_layernorm.bias'),
      'blk.{n}.ffn_up.weight': layer('mlp.fc1.weight'),
      'blk.{n}.ffn_up.bias': layer('mlp.fc1.bias'),
      'blk.{n}.ffn_down.weight': layer('mlp.fc2.weight'),
      'blk.{n}.ffn_down.bias': layer('mlp.fc2.bias'),
      'output_norm.weight': 'model.final_layernorm.weight',
      'output_norm.bias': 'model.final_layernorm.bias',
      'output.bias': 'lm_head.bias',
    },
    parts: ({ num_attention_heads: queries, num_key_value_heads: keys }) => [queries, keys, keys].map(Number),
  },
};
