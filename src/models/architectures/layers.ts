// Parts that several architectures share: names below a module, norms, MLPs, embedding and head.
import { add, gather, mul, rmsNorm, silu } from '../../engine/build.ts';
import type { Tensor } from '../../engine/graph.ts';
import type { Decoder, DecoderConfig, ModelConfig } from './architecture.ts';
import { type AttentionOptions, attend, type Heads } from './attention.ts';
import { type ConfigReader, configReader } from './config-reader.ts';
import { EMBEDDING, HEAD } from './output-head.ts';
import type { Parameters } from './parameters.ts';
import { inverseFrequencies } from './rope.ts';
import { decoderSizes } from './sizes.ts';

/** `x [..., width]` -> the same, by the weight MODULE.weight. */
export type Norm = (weights: Parameters, x: Tensor, module: string) => Tensor;

/** Weights below a module, by the rest of their names. */
export function within(weights: Parameters, module: string): Parameters {
  return {
    graph: weights.graph,
    has: (name) => weights.has(`${module}.${name}`),
    weight: (name, shape) => weights.weight(`${module}.${name}`, shape),
    product: (x, name, out) => weights.product(x, `${module}.${name}`, out),
    linear: (x, name, out, biased) => weights.linear(x, `${module}.${name}`, out, biased),
  };
}

/** Weights of one layer, by the names that Hugging Face gives them in every decoder here. */
export const layerOf = (weights: Parameters, n: number): Parameters => within(weights, `model.layers.${n}`);

/** RMSNorm (Zhang and Sennrich 2019). @param offset is added to the stored weight: 1 in Gemma. */
export function rmsNormOf(epsilon: number, offset = 0): Norm {
  return (weights, x, module) => {
    const weight = weights.weight(`${module}.weight`, [Number(x.shape.at(-1))]);
    return rmsNorm(x, offset === 0 ? weight : add(weight, offset), epsilon);
  };
}

interface MlpOptions {
  readonly intermediate: number;
  readonly activation: (x: Tensor) => Tensor;
  /** Its layers must have biases; else they have them where the weights do. */
  readonly biased?: boolean;
}

/** down(activation(gate(x)) · up(x)). */
export function gatedMlp(weights: Parameters, x: Tensor, { intermediate, activation, biased }: MlpOptions): Tensor {
  const gate = activation(weights.linear(x, 'gate_proj', intermediate, biased));
  const up = weights.linear(x, 'up_proj', intermediate, biased);
  return weights.linear(mul(gate, up), 'down_proj', Number(x.shape.at(-1)), biased);
}

/** A decoder whose embedding, last norm and output head are the usual ones. @param layer its layers, and what else differs. */
export function decoderOf(
  config: DecoderConfig,
  norm: Norm,
  own: Pick<Decoder, 'attention' | 'layer'> & Partial<Decoder>,
): Decoder {
  return {
    config,
    embed: (weights, ids) => gather(weights.weight(EMBEDDING, [config.vocab, config.hidden]), ids),
    finish: (weights, x) => norm(weights, x, 'model.norm'),
    logits: (weights, hidden) =>
      config.tied ? weights.product(hidden, EMBEDDING, config.vocab) : weights.linear(hidden, HEAD, config.vocab),
    ...own,
  };
}

/** What a decoder of Llama's form says beside its sizes. */
interface PreNormOptions {
  /** How layer `n` attends, heads aside. */
  attention(n: number): Omit<AttentionOptions, keyof Heads>;
  readonly biasedMlp?: boolean;
}

/**
 * Llama's form, and that of its many heirs: x + attention(norm(x)), then x + mlp(norm(x)), with RMSNorm and SiLU.
 * @param headDim of each head where config.json does not say; default: hidden_size / num_attention_heads.
 */
export function preNormDecoder(
  json: ModelConfig,
  file: string,
  own: (read: ConfigReader, sizes: Omit<DecoderConfig, 'ropes'>) => PreNormOptions,
  headDim?: number,
): Decoder {
  const read = configReader(json, file);
  read.expect('hidden_act', 'silu');
  const sizes = decoderSizes(read, { tied: false, headDim });
  const config = { ...sizes, ropes: [inverseFrequencies(json, sizes.headDim, file)] };
  const { attention: attentionOf, biasedMlp = false } = own(read, sizes);
  const attention = Array.from({ length: config.layers }, (_, n) => ({ ...sizes, ...attentionOf(n) }));
  const norm = rmsNormOf(config.epsilon);
  const mlp = { intermediate: config.intermediate, activation: silu, biased: biasedMlp };
  return decoderOf(config, norm, { attention, layer: preNormLayer(norm, attention, mlp) });
}

function preNormLayer(norm: Norm, attention: readonly AttentionOptions[], mlp: MlpOptions): Decoder['layer'] {
  return (all, x, n, pass) => {
    const weights = layerOf(all, n);
    const normed = norm(weights, x, 'input_layernorm');
    const attended = add(x, attend(within(weights, 'self_attn'), normed, attention[n] as AttentionOptions, pass));
    const inner = norm(weights, attended, 'post_attention_layernorm');
    return add(attended, gatedMlp(within(weights, 'mlp'), inner, mlp));
  };
}

/** Start values as transformers gives them: norms 1, biases 0, everything else random. */
export function usualStart(name: string, shape: readonly number[]): number | 'normal' {
  if (name.endsWith('.bias')) return 0;
  return shape.length === 1 ? 1 : 'normal';
}
