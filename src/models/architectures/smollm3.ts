// SmolLM 3: Llama's form with layers that have no RoPE, and optional windows.
import type { Architecture } from './architecture.ts';
import type { ConfigReader } from './config-reader.ts';
import { LLAMA_FORM, llama } from './llama.ts';
import { biasedProjections, layerInterval, layerTypes, slidingWindow } from './sizes.ts';

/** transformers' defaults; llama.cpp knows no other interval. */
const INTERVAL = 4;
const THETA = 2e6;

/** Which layers have RoPE: `no_rope_layers` has 1 for these, 0 for the others; absent: all but the last of each interval. */
function turningLayers(read: ConfigReader, layers: number): boolean[] {
  const interval = layerInterval(read, 'no_rope_layer_interval', INTERVAL);
  const stated = read.config['no_rope_layers'] ?? null;
  if (stated === null) return Array.from({ length: layers }, (_, n) => (n + 1) % interval !== 0);
  if (Array.isArray(stated) && stated.length >= layers && stated.every((one) => one === 0 || one === 1))
    return stated.map((one) => one === 1);
  throw read.bad('no_rope_layers', `a list of ${layers} numbers, 1 for a layer with RoPE and 0 for one without`);
}

export const smollm3: Architecture = {
  modelType: 'smollm3',
  family: 'SmolLM3',
  form: {
    ...LLAMA_FORM,
    tied: true,
    rope: { theta: THETA },
    own: (read, { layers }) => {
      const biased = biasedProjections(read);
      const turning = turningLayers(read, layers);
      const window = read.boolean('use_sliding_window', false) ? slidingWindow(read) : undefined;
      const types = layerTypes(read, layers, (n) => (turning[n] ? 'full_attention' : 'sliding_attention'));
      return {
        attention: (n) => ({
          biased,
          rope: turning[n] ? 0 : null,
          window: types[n] === 'sliding_attention' ? window : undefined,
        }),
        biasedMlp: read.boolean('mlp_bias', false),
      };
    },
  },
  gguf: {
    ...llama.gguf,
    architecture: 'smollm3',
    config: (meta, usual) => ({ ...llama.gguf.config?.(meta, usual), no_rope_layer_interval: INTERVAL }),
  },
};
