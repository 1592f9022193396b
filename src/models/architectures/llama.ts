// The Llama family (Llama 2 and 3, TinyLlama, SmolLM2): config.json -> its decoder; its start values and GGUF form.
import { silu } from '../../engine/build.ts';
import type { Architecture } from './architecture.ts';
import type { AttentionOptions, Projection } from './attention.ts';
import { configReader } from './config-reader.ts';
import { GGUF_NAMES, ggufSizes, headRows, type Undo } from './gguf-layout.ts';
import { decoderOf, preNormLayer, rmsNormOf, usualStart } from './layers.ts';
import { inverseFrequencies } from './rope.ts';
import { decoderSizes } from './sizes.ts';

const ALL: readonly Projection[] = ['q_proj', 'k_proj', 'v_proj', 'o_proj'];

export const llama: Architecture = {
  modelType: 'llama',
  family: 'Llama',
  defaults: { hidden_act: 'silu' },
  tied: false,
  decoder(json, file = 'config.json') {
    const read = configReader(json, file);
    read.expect('hidden_act', 'silu');
    const sizes = decoderSizes(read, { tied: false });
    const config = { ...sizes, ropes: [inverseFrequencies(json, sizes.headDim, file)] };
    const biased = read.boolean('attention_bias', false) ? ALL : [];
    const attention = Array<AttentionOptions>(config.layers).fill({ ...sizes, biased });
    const mlp = {
      intermediate: config.intermediate,
      activation: silu,
      biased: read.boolean('mlp_bias', false),
    };
    const norm = rmsNormOf(config.epsilon);
    return decoderOf(config, norm, { attention, layer: preNormLayer(norm, attention, mlp) });
  },
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
    undo: (stored) => TURNED[/\.attn_[qk]\./.exec(stored)?.[0] ?? ''],
    ropeFactors: 'rope_freqs.weight',
  },
};

/** Rows of queries and keys are stored by pairs. */
const TURNED: Readonly<Record<string, Undo>> = {
  '.attn_q.': headRows('num_attention_heads'),
  '.attn_k.': headRows('num_key_value_heads'),
};
