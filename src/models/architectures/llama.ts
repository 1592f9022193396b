// The Llama family: Llama 2 and 3, TinyLlama, SmolLM2.
import { silu } from '../../engine/build.ts';
import type { Architecture } from './architecture.ts';
import type { Form } from './form.ts';
import { type Change, GGUF_NAMES, headRows } from './gguf-layout.ts';
import { gatedMlp, preNormBlock, RMS_NORM } from './layers.ts';
import { biasedProjections } from './sizes.ts';

/** That of many heirs. */
export const LLAMA_FORM: Form = {
  activation: { key: 'hidden_act', name: 'silu', of: silu },
  norm: RMS_NORM,
  mlp: gatedMlp,
  block: preNormBlock,
  tied: false,
};

/** GGUF stores rows of queries and keys by RoPE pairs. */
const BY_PAIRS: Readonly<Record<string, Change>> = {
  attn_q: headRows('num_attention_heads'),
  attn_k: headRows('num_key_value_heads'),
};

export const llama: Architecture = {
  modelType: 'llama',
  family: 'Llama',
  form: {
    ...LLAMA_FORM,
    own: (read) => {
      const biased = biasedProjections(read);
      return { attention: () => ({ biased }), biasedMlp: read.boolean('mlp_bias', false) };
    },
  },
  gguf: {
    architecture: 'llama',
    config: ({ gguf: { tensors } }) => ({
      attention_bias: tensors.has('blk.0.attn_q.bias') && tensors.has('blk.0.attn_output.bias'),
      mlp_bias: tensors.has('blk.0.ffn_gate.bias'),
    }),
    names: GGUF_NAMES,
    change: (stored) => BY_PAIRS[stored.split('.').at(-2) ?? ''],
    ropeFactors: 'rope_freqs.weight',
  },
};
