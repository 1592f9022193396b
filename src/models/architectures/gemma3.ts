// Gemma 3's text model: norms of 1 + weight, layers with a window and a RoPE table of their own.
import { add, geluTanh, mul, tanh } from '../../engine/build.ts';
import type { Tensor } from '../../engine/graph.ts';
import type { Architecture, Decoder, DecoderConfig, ModelConfig } from './architecture.ts';
import { type AttentionOptions, attend } from './attention.ts';
import { type ConfigReader, configReader } from './config-reader.ts';
import { GGUF_NAMES, GGUF_QK_NORMS, type GgufMetadata, ggufSizes, lessOne } from './gguf-layout.ts';
import { decoderOf, gatedMlp, layerOf, type Norm, rmsNormOf, usualStart, within } from './layers.ts';
import { inverseFrequencies } from './rope.ts';
import { decoderSizes, type LayerType, layerCount, layerTypes, slidingWindow } from './sizes.ts';

const ACTIVATION = 'gelu_pytorch_tanh';
/** transformers' defaults. */
const DEFAULTS = { headDim: 256, scalar: 256, window: 4096, pattern: 6 } as const;
/** Of scales and soft-caps. */
const LEAST = 1e-3;
const THETA: Readonly<Record<LayerType, number>> = { full_attention: 1e6, sliding_attention: 1e4 };

export const gemma3: Architecture = {
  modelType: 'gemma3_text',
  family: 'Gemma3',
  defaults: { hidden_activation: ACTIVATION },
  tied: true,
  decoder(json, file = 'config.json') {
    const read = configReader(json, file);
    read.expect('hidden_activation', ACTIVATION);
    if (read.boolean('use_bidirectional_attention', false)) throw read.bad('use_bidirectional_attention', 'false');
    const sizes = decoderSizes(read, { tied: true, headDim: DEFAULTS.headDim });
    const ropes = (['full_attention', 'sliding_attention'] as const).map((type) =>
      inverseFrequencies(ropeOf(json, type), sizes.headDim, file, THETA[type]),
    );
    const config = { ...sizes, ropes };
    const norm = rmsNormOf(config.epsilon, 1);
    const attention = attentionOf(json, file, read, { ...sizes, qkNorm: norm });
    const usual = decoderOf(config, norm, { attention, layer: layerWith(norm, attention, config) });
    const cap = softcap(read, 'final_logit_softcapping');
    return {
      ...usual,
      // In bfloat16 transformers rounds the scale to the weights' type; here, as there in float32, it is exact.
      embed: (weights, ids) => mul(usual.embed(weights, ids), Math.sqrt(config.hidden)),
      logits: (weights, hidden) => capped(usual.logits(weights, hidden), cap),
    };
  },
  start: (name, shape) => (shape.length === 1 ? 0 : usualStart(name, shape)),
  gguf: {
    architecture: 'gemma3',
    config: ggufConfig,
    names: {
      ...GGUF_NAMES,
      ...GGUF_QK_NORMS,
      'blk.{n}.post_attention_norm.weight': 'model.layers.{n}.post_attention_layernorm.weight',
      'blk.{n}.ffn_norm.weight': 'model.layers.{n}.pre_feedforward_layernorm.weight',
      'blk.{n}.post_ffw_norm.weight': 'model.layers.{n}.post_feedforward_layernorm.weight',
    },
    undo: (stored) => (stored.endsWith('norm.weight') ? lessOne : undefined),
  },
};

/** By layer: every sixth sees everything, the others a window and the second RoPE table. */
function attentionOf(
  json: ModelConfig,
  file: string,
  read: ConfigReader,
  { layers, ...own }: AttentionOptions & Pick<DecoderConfig, 'layers'>,
): AttentionOptions[] {
  const scalar = read.number('query_pre_attn_scalar', { fallback: DEFAULTS.scalar, min: LEAST });
  const full = { ...own, scale: scalar ** -0.5, softcap: softcap(read, 'attn_logit_softcapping') };
  const sliding = { ...full, window: slidingWindow(read, DEFAULTS.window), rope: 1 };
  const period = layerCount(read, patternKey(json), DEFAULTS.pattern);
  const types = layerTypes(json, file, layers, (n) =>
    (n + 1) % period === 0 ? 'full_attention' : 'sliding_attention',
  );
  return types.map((type) => (type === 'sliding_attention' ? sliding : full));
}

/** x + norm(attention(norm(x))), then x + norm(mlp(norm(x))). */
function layerWith(
  norm: Norm,
  attention: readonly AttentionOptions[],
  { intermediate }: DecoderConfig,
): Decoder['layer'] {
  const mlp = { intermediate, activation: geluTanh };
  return (all, x, n, pass) => {
    const weights = layerOf(all, n);
    const own = attention[n] as AttentionOptions;
    const mixed = attend(within(weights, 'self_attn'), norm(weights, x, 'input_layernorm'), own, pass);
    const attended = add(x, norm(weights, mixed, 'post_attention_layernorm'));
    const inner = gatedMlp(within(weights, 'mlp'), norm(weights, attended, 'pre_feedforward_layernorm'), mlp);
    return add(attended, norm(weights, inner, 'post_feedforward_layernorm'));
  };
}

const softcap = (read: ConfigReader, key: string): number | undefined =>
  read.has(key) ? read.number(key, { min: LEAST }) : undefined;

const capped = (x: Tensor, cap: number | undefined): Tensor =>
  cap === undefined ? x : mul(tanh(mul(x, 1 / cap)), cap);

/** How older files say which layers see everything, where there are no `layer_types`. */
const patternKey = (json: ModelConfig): string =>
  '_sliding_window_pattern' in json ? '_sliding_window_pattern' : 'sliding_window_pattern';

/** RoPE settings of one type of layers: in transformers 5 by type; before, sliding layers had a base alone. */
function ropeOf(json: ModelConfig, type: LayerType): ModelConfig {
  const stated = json['rope_parameters'] ?? null;
  if (stated !== null && typeof stated === 'object' && type in stated)
    return { rope_parameters: (stated as ModelConfig)[type] };
  return type === 'full_attention' ? json : { rope_theta: json['rope_local_base_freq'] };
}

/** Layers of the one size whose queries are scaled by the width of a head's share of the hidden state (llama.cpp's rule). */
const LAYERS_OF_27B = 62;

function ggufConfig(meta: GgufMetadata): Record<string, unknown> {
  const sizes = ggufSizes(meta);
  const share = meta.number('embedding_length') / meta.number('attention.head_count');
  return {
    hidden_activation: ACTIVATION,
    rms_norm_eps: meta.number('attention.layer_norm_rms_epsilon'),
    query_pre_attn_scalar: meta.number('block_count') === LAYERS_OF_27B ? share : sizes['head_dim'],
    sliding_window: meta.number('attention.sliding_window'),
    sliding_window_pattern: meta.optional('attention.sliding_window_pattern') ?? DEFAULTS.pattern,
    ...sizes,
    rope_parameters: {
      full_attention: sizes['rope_parameters'],
      sliding_attention: { rope_type: 'default', rope_theta: THETA.sliding_attention },
    },
  };
}
