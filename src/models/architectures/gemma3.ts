// Gemma 3's text model: Gemma 2 with norms of queries and keys, and a second RoPE table.
import type { Architecture, ModelConfig } from './architecture.ts';
import { GEMMA_FORM, gemmaNorms } from './gemma.ts';
import { GGUF_WINDOW, gemmaLayers, ggufScalar } from './gemma2.ts';
import { GGUF_NAMES, GGUF_POST_NORMS, GGUF_QK_NORMS } from './gguf-layout.ts';
import { sandwichBlock } from './layers.ts';
import { inverseFrequencies } from './rope.ts';
import { type LayerType, layerCount } from './sizes.ts';

/** transformers' defaults. */
const PERIOD = 6;
const THETA = { full_attention: 1e6, sliding_attention: 1e4 } as const;

export const gemma3: Architecture = {
  modelType: 'gemma3_text',
  family: 'Gemma3',
  form: {
    ...GEMMA_FORM,
    block: sandwichBlock,
    qkNorm: 'head',
    rope: { theta: THETA.full_attention },
    own(read, { layers, headDim }) {
      const { config, file } = read;
      const period = layerCount(read, periodKey(config), PERIOD);
      const table = (type: LayerType) =>
        inverseFrequencies(ropeOf(config, type), headDim, file, { theta: THETA[type] });
      return {
        ...gemmaLayers(read, layers, { period, softcaps: {}, sliding: { rope: 1 } }),
        ropes: [table('full_attention'), table('sliding_attention')],
      };
    },
  },
  gguf: {
    architecture: 'gemma3',
    keys: { ...GGUF_WINDOW, sliding_window_pattern: { key: 'attention.sliding_window_pattern', type: 'u32' } },
    config: (meta, { head_dim, rope_parameters }) => ({
      query_pre_attn_scalar: ggufScalar(meta, 62, head_dim),
      rope_parameters: {
        full_attention: rope_parameters,
        sliding_attention: { rope_type: 'default', rope_theta: THETA.sliding_attention },
      },
    }),
    names: { ...GGUF_NAMES, ...GGUF_POST_NORMS, ...GGUF_QK_NORMS },
    change: gemmaNorms,
    rope: (config) => ropeOf(config, 'full_attention'),
  },
};

/** How older files say which layers see everything, where there are no `layer_types`. */
const periodKey = (json: ModelConfig): string =>
  '_sliding_window_pattern' in json ? '_sliding_window_pattern' : 'sliding_window_pattern';

/** RoPE settings of one type of layers: in transformers 5 by type; before, sliding layers had a base alone. */
function ropeOf(json: ModelConfig, type: LayerType): ModelConfig {
  const stated = json['rope_parameters'] ?? null;
  if (stated !== null && typeof stated === 'object' && type in stated)
    return { rope_parameters: (stated as ModelConfig)[type] };
  return type === 'full_attention' ? json : { rope_theta: json['rope_local_base_freq'] };
}
