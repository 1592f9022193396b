// Qwen 3: Qwen 2 with norms of queries and keys in place of their biases.
import type { Architecture } from './architecture.ts';
import { PROJECTIONS } from './attention.ts';
import { GGUF_NAMES, GGUF_QK_NORMS } from './gguf-layout.ts';
import { LLAMA_FORM } from './llama.ts';
import { qwenWindows } from './qwen2.ts';

export const qwen3: Architecture = {
  modelType: 'qwen3',
  family: 'Qwen3',
  form: {
    ...LLAMA_FORM,
    qkNorm: true,
    headDim: 128,
    own: (read, { layers }) => {
      const biased = read.boolean('attention_bias', false) ? PROJECTIONS : [];
      const windows = qwenWindows(read, layers);
      return { attention: (n) => ({ biased, window: windows[n] }) };
    },
  },
  gguf: { architecture: 'qwen3', names: { ...GGUF_NAMES, ...GGUF_QK_NORMS } },
};
