// Qwen 2 and 2.5: Llama's form with biases of queries, keys and values, and optional windows.
import type { Architecture, ModelConfig } from './architecture.ts';
import type { Projection } from './attention.ts';
import type { ConfigReader } from './config-reader.ts';
import { GGUF_NAMES, type GgufMetadata, ggufSizes } from './gguf-layout.ts';
import { preNormDecoder, usualStart } from './layers.ts';
import { layerCount, layerTypes, slidingWindow } from './sizes.ts';

/** transformers' defaults. */
const WINDOW = 4096;
const FULL_LAYERS = 28;

const BIASED: readonly Projection[] = ['q_proj', 'k_proj', 'v_proj'];

/** By layer; only where `use_sliding_window` is true. */
export function qwenWindows(json: ModelConfig, file: string, read: ConfigReader, layers: number) {
  const window = read.boolean('use_sliding_window', false) ? slidingWindow(read, WINDOW) : undefined;
  const full = layerCount(read, 'max_window_layers', FULL_LAYERS);
  const types = layerTypes(json, file, layers, (n) => (n >= full ? 'sliding_attention' : 'full_attention'));
  return types.map((type) => (type === 'sliding_attention' ? window : undefined));
}

export const qwenConfig = (meta: GgufMetadata): Record<string, unknown> => ({
  hidden_act: 'silu',
  rms_norm_eps: meta.number('attention.layer_norm_rms_epsilon'),
  ...ggufSizes(meta),
});

export const qwen2: Architecture = {
  modelType: 'qwen2',
  family: 'Qwen2',
  defaults: { hidden_act: 'silu' },
  tied: false,
  decoder: (json, file = 'config.json') =>
    preNormDecoder(json, file, (read, { layers }) => {
      const windows = qwenWindows(json, file, read, layers);
      return { attention: (n) => ({ biased: BIASED, window: windows[n] }) };
    }),
  start: usualStart,
  gguf: { architecture: 'qwen2', config: qwenConfig, names: GGUF_NAMES },
};
