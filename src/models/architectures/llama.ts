// The Llama family: Llama 2 and 3, TinyLlama, SmolLM2.
import type { Architecture } from './architecture.ts';
import type { Projection } from './attention.ts';
import { GGUF_NAMES, ggufSizes, headRows, type Undo } from './gguf-layout.ts';
import { preNormDecoder, usualStart } from './layers.ts';

const ALL: readonly Projection[] = ['q_proj', 'k_proj', 'v_proj', 'o_proj'];

/** GGUF stores rows of queries and keys by RoPE pairs. */
const BY_PAIRS: Readonly<Record<string, Undo>> = {
  attn_q: headRows('num_attention_heads'),
  attn_k: headRows('num_key_value_heads'),
};

export const llama: Architecture = {
  modelType: 'llama',
  family: 'Llama',
  defaults: { hidden_act: 'silu' },
  tied: false,
  decoder: (json, file = 'config.json') =>
    preNormDecoder(json, file, (read) => {
      const biased = read.boolean('attention_bias', false) ? ALL : [];
      return { attention: () => ({ biased }), biasedMlp: read.boolean('mlp_bias', false) };
    }),
  start: usualStart,
  gguf: {
    architecture: 'llama',
    config: (meta) => ({
      hidden_act: 'silu',
      rms_norm_eps: meta.number('attention.layer_norm_rms_epsilon'),
      attention_bias: meta.hasTensor('blk.0.attn_q.bias') && meta.hasTensor('blk.0.attn_output.bias'),
      mlp_bias: false,
      ...ggufSizes(meta),
    }),
    names: GGUF_NAMES,
    undo: (stored) => BY_PAIRS[stored.split('.').at(-2) ?? ''],
    ropeFactors: 'rope_freqs.weight',
  },
};
