// Qwen 3: Qwen 2 with norms of queries and keys in place of their biases.
import type { Architecture } from './architecture.ts';
import { GGUF_NAMES, GGUF_QK_NORMS } from './gguf-layout.ts';
import { LLAMA_FORM } from './llama.ts';
import { qwenWindows } from './qwen2.ts';
import { biasedProjections } from './sizes.ts';

export const qwen3: Architecture = {
  modelType: 'qwen3',
  family: 'Qwen3',
  form: {
    ...LLAMA_FORM,
    qkNorm: 'head',
    headDim: 128,
    own: (read, { layers }) => {
      const biased = biasedProjections(read);
      const windows = qwenWindows(read, layers);
      return { attention: (n) => ({ biased, window: windows[n] }) };
    },
  },
  gguf: { architecture: 'qwen3', names: { ...GGUF_NAMES, ...GGUF_QK_NORMS } },
};
