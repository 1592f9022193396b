// Parts that architectures choose from: norms, MLPs, and ways to put a layer together.
import { add, mul, reduceMean, rmsNorm, sub } from '../../engine/build.ts';
import type { Tensor } from '../../engine/graph.ts';
import type { Parameters } from './parameters.ts';

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

/** `x [..., width]` -> the same, by the weights of MODULE. */
export type Norm = (weights: Parameters, x: Tensor, module: string) => Tensor;

export interface NormKind {
  /** What its epsilon is called in config.json and in GGUF metadata, and transformers' default. */
  readonly epsilon: { readonly key: string; readonly gguf: string; readonly fallback: number };
  /** The first value of its weights, which changes nothing. */
  readonly start: number;
  of(epsilon: number): Norm;
}

/** RMSNorm (Zhang and Sennrich 2019). @param offset is added to the stored weight: 1 in Gemma. @param fallback epsilon where config.json has none. */
export const rmsNormKind = (offset: 0 | 1, fallback = 1e-6): NormKind => ({
  epsilon: { key: 'rms_norm_eps', gguf: 'attention.layer_norm_rms_epsilon', fallback },
  start: 1 - offset,
  of: (epsilon) => (weights, x, module) => {
    const weight = weights.weight(`${module}.weight`, [Number(x.shape.at(-1))]);
    return rmsNorm(x, offset === 0 ? weight : add(weight, offset), epsilon);
  },
});

export const RMS_NORM = rmsNormKind(0);

/** LayerNorm with a bias (Ba et al. 2016): RMSNorm of the distance from the mean. */
export const LAYER_NORM: NormKind = {
  epsilon: { key: 'layer_norm_eps', gguf: 'attention.layer_norm_epsilon', fallback: 1e-5 },
  start: 1,
  of: (epsilon) => (weights, x, module) => {
    const distance = sub(x, reduceMean(x, { axes: [-1], keepDims: true }));
    const scaled = RMS_NORM.of(epsilon)(weights, distance, module);
    return add(scaled, weights.weight(`${module}.bias`, [Number(x.shape.at(-1))]));
  },
};

interface MlpOptions {
  readonly intermediate: number;
  readonly activation: (x: Tensor) => Tensor;
  /** Its layers must have biases; else they have them where the weights do. */
  readonly biased: boolean;
}

export type Mlp = (weights: Parameters, x: Tensor, options: MlpOptions) => Tensor;

/** down(activation(gate(x)) · up(x)). */
export const gatedMlp: Mlp = (weights, x, { intermediate, activation, biased }) => {
  const gate = activation(weights.linear(x, 'gate_proj', intermediate, biased));
  const up = weights.linear(x, 'up_proj', intermediate, biased);
  return weights.linear(mul(gate, up), 'down_proj', Number(x.shape.at(-1)), biased);
};

/** fc2(activation(fc1(x))). */
export const plainMlp: Mlp = (weights, x, { intermediate, activation, biased }) =>
  weights.linear(activation(weights.linear(x, 'fc1', intermediate, biased)), 'fc2', Number(x.shape.at(-1)), biased);

/** The parts of one layer, over its weights. */
interface LayerParts {
  norm(x: Tensor, module: string): Tensor;
  attend(x: Tensor): Tensor;
  mlp(x: Tensor): Tensor;
}

/** How a layer is put together. */
export type Block = (x: Tensor, parts: LayerParts) => Tensor;

/** Llama's: a norm before each part. */
export const preNormBlock: Block = (x, { norm, attend, mlp }) => {
  const attended = add(x, attend(norm(x, 'input_layernorm')));
  return add(attended, mlp(norm(attended, 'post_attention_layernorm')));
};

/** Gemma 2's: a norm before and after each part. */
export const sandwichBlock: Block = (x, { norm, attend, mlp }) => {
  const mixed = attend(norm(x, 'input_layernorm'));
  const attended = add(x, norm(mixed, 'post_attention_layernorm'));
  const inner = mlp(norm(attended, 'pre_feedforward_layernorm'));
  return add(attended, norm(inner, 'post_feedforward_layernorm'));
};

/** OLMo 2's: a norm behind each part. */
export const postNormBlock: Block = (x, { norm, attend, mlp }) => {
  const attended = add(x, norm(attend(x), 'post_attention_layernorm'));
  return add(attended, norm(mlp(attended), 'post_feedforward_layernorm'));
};

/** Phi's: attention and MLP beside each other, behind one norm. */
export const parallelBlock: Block = (x, { norm, attend, mlp }) => {
  const normed = norm(x, 'input_layernorm');
  return add(add(attend(normed), mlp(normed)), x);
};
