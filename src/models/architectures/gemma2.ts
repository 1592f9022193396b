// Gemma 2: Gemma with norms behind attention and MLP, soft-caps, and a window in every second layer.
import type { Architecture } from './architecture.ts';
import type { AttentionOptions } from './attention.ts';
import type { ConfigReader } from './config-reader.ts';
import type { OwnForm } from './form.ts';
import { causal, GEMMA_FORM, gemmaNorms } from './gemma.ts';
import { GGUF_NAMES, GGUF_POST_NORMS, type GgufKeys, type GgufMetadata } from './gguf-layout.ts';
import { sandwichBlock } from './layers.ts';
import { layerTypes, slidingWindow } from './sizes.ts';

/** transformers' defaults. */
const DEFAULTS = { scalar: 256, window: 4096 } as const;
/** Of scales and soft-caps. */
const LEAST = 1e-3;

interface Differences {
  /** Every so manieth layer sees everything; the others see a window. */
  readonly period: number;
  /** Where config.json does not say; absent: none. */
  readonly softcaps: { readonly attention?: number; readonly logits?: number };
  /** What else differs in layers with a window. */
  readonly sliding?: Partial<AttentionOptions>;
}

/** How the layers of Gemma 2 and 3 attend, and the soft-cap of their logits. */
export function gemmaLayers(read: ConfigReader, layers: number, { period, softcaps, sliding }: Differences): OwnForm {
  causal(read);
  const scale = read.number('query_pre_attn_scalar', { fallback: DEFAULTS.scalar, min: LEAST }) ** -0.5;
  const full = { scale, softcap: softcap(read, 'attn_logit_softcapping', softcaps.attention) };
  const near = { ...full, window: slidingWindow(read, DEFAULTS.window), ...sliding };
  const types = layerTypes(read, layers, (n) => ((n + 1) % period === 0 ? 'full_attention' : 'sliding_attention'));
  return {
    attention: (n) => (types[n] === 'sliding_attention' ? near : full),
    softcap: softcap(read, 'final_logit_softcapping', softcaps.logits),
  };
}

/** null in config.json: none. */
function softcap(read: ConfigReader, key: string, fallback: number | undefined): number | undefined {
  const none = fallback === undefined ? !read.has(key) : read.config[key] === null;
  return none ? undefined : read.number(key, { fallback, min: LEAST });
}

/** In the one size with so many layers queries are scaled by a head's share of the hidden state (llama.cpp's rule). */
export const ggufScalar = (meta: GgufMetadata, layersOf27B: number, headDim: unknown): unknown =>
  meta.number('block_count') === layersOf27B
    ? meta.number('embedding_length') / meta.number('attention.head_count')
    : headDim;

export const GGUF_WINDOW: GgufKeys = { sliding_window: { key: 'attention.sliding_window', type: 'u32' } };

export const gemma2: Architecture = {
  modelType: 'gemma2',
  family: 'Gemma2',
  form: {
    ...GEMMA_FORM,
    block: sandwichBlock,
    own: (read, { layers }) => gemmaLayers(read, layers, { period: 2, softcaps: { attention: 50, logits: 30 } }),
  },
  gguf: {
    architecture: 'gemma2',
    keys: {
      ...GGUF_WINDOW,
      attn_logit_softcapping: { key: 'attn_logit_softcapping', type: 'f32' },
      final_logit_softcapping: { key: 'final_logit_softcapping', type: 'f32' },
    },
    config: (meta, { head_dim }) => ({ query_pre_attn_scalar: ggufScalar(meta, 46, head_dim) }),
    names: { ...GGUF_NAMES, ...GGUF_POST_NORMS },
    change: gemmaNorms,
  },
};
