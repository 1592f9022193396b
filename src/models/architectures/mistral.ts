// Mistral: Llama's form with a window. GGUF files call it llama, and have no window.
import type { Architecture } from './architecture.ts';
import { preNormDecoder } from './layers.ts';
import { llama } from './llama.ts';
import { slidingWindow } from './sizes.ts';

/** transformers' default. */
const WINDOW = 4096;

export const mistral: Architecture = {
  ...llama,
  modelType: 'mistral',
  family: 'Mistral',
  decoder: (json, file = 'config.json') =>
    preNormDecoder(json, file, (read) => {
      const window = json['sliding_window'] === null ? undefined : slidingWindow(read, WINDOW);
      return { attention: () => ({ window }) };
    }),
};
