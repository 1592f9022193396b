// Qwen 3: Qwen 2 with norms of queries and keys in place of their biases.
import type { Architecture } from './architecture.ts';
import type { Projection } from './attention.ts';
import { GGUF_NAMES, GGUF_QK_NORMS } from './gguf-layout.ts';
import { preNormDecoder, rmsNormOf, usualStart } from './layers.ts';
import { qwenConfig, qwenWindows } from './qwen2.ts';

/** transformers' default. */
const HEAD_DIM = 128;

const ALL: readonly Projection[] = ['q_proj', 'k_proj', 'v_proj', 'o_proj'];

export const qwen3: Architecture = {
  modelType: 'qwen3',
  family: 'Qwen3',
  defaults: { hidden_act: 'silu' },
  tied: false,
  decoder: (json, file = 'config.json') =>
    preNormDecoder(
      json,
      file,
      (read, { layers, epsilon }) => {
        const biased = read.boolean('attention_bias', false) ? ALL : [];
        const windows = qwenWindows(json, file, read, layers);
        const qkNorm = rmsNormOf(epsilon);
        return { attention: (n) => ({ biased, qkNorm, window: windows[n] }) };
      },
      HEAD_DIM,
    ),
  start: usualStart,
  gguf: { architecture: 'qwen3', config: qwenConfig, names: { ...GGUF_NAMES, ...GGUF_QK_NORMS } },
};
