// Qwen 2 and 2.5: Llama's form with biases of queries, keys and values, and optional windows.
import type { Architecture } from './architecture.ts';
import type { Projection } from './attention.ts';
import type { ConfigReader } from './config-reader.ts';
import { GGUF_NAMES } from './gguf-layout.ts';
import { LLAMA_FORM } from './llama.ts';
import { layerCount, layerTypes, slidingWindow } from './sizes.ts';

/** transformers' defaults. */
const WINDOW = 4096;
const FULL_LAYERS = 28;

const BIASED: readonly Projection[] = ['q_proj', 'k_proj', 'v_proj'];

/** By layer; only where `use_sliding_window` is true. */
export function qwenWindows(read: ConfigReader, layers: number) {
  const window = read.boolean('use_sliding_window', false) ? slidingWindow(read, WINDOW) : undefined;
  const full = layerCount(read, 'max_window_layers', FULL_LAYERS);
  const types = layerTypes(read, layers, (n) => (n >= full ? 'sliding_attention' : 'full_attention'));
  return types.map((type) => (type === 'sliding_attention' ? window : undefined));
}

export const qwen2: Architecture = {
  modelType: 'qwen2',
  family: 'Qwen2',
  form: {
    ...LLAMA_FORM,
    own: (read, { layers }) => {
      const windows = qwenWindows(read, layers);
      return { attention: (n) => ({ biased: BIASED, window: windows[n] }) };
    },
  },
  gguf: { architecture: 'qwen2', names: GGUF_NAMES },
};
