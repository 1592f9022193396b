// Mistral: Llama's form with a window. GGUF files call it llama, and have no window.
import type { Architecture } from './architecture.ts';
import { LLAMA_FORM, llama } from './llama.ts';
import { slidingWindow } from './sizes.ts';

/** transformers' default. */
const WINDOW = 4096;

export const mistral: Architecture = {
  ...llama,
  modelType: 'mistral',
  family: 'Mistral',
  form: {
    ...LLAMA_FORM,
    own: (read) => {
      const window = read.config['sliding_window'] === null ? undefined : slidingWindow(read, WINDOW);
      return { attention: () => ({ window }) };
    },
  },
};
