// What an architecture says of itself -> the graph of its whole stack.
import { flatten, gather } from '../../engine/build.ts';
import type { Tensor } from '../../engine/graph.ts';
import type { PassTensors } from '../pass-inputs.ts';
import { type AttentionOptions, biasFor, type KeyValue, type LayerPass } from './attention.ts';
import type { Form } from './form.ts';
import type { GgufLayout } from './gguf-layout.ts';
import type { Parameters } from './parameters.ts';

/**
 * What config.json says, in its own words (model_type, hidden_size, ...); GGUF metadata is put into the same words. RoPE stands either in
 * `rope_parameters` (transformers 5, GGUF) or in `rope_theta` + `rope_scaling` (before).
 */
export type ModelConfig = Readonly<Record<string, unknown>>;

/** Sizes and numbers every architecture has. */
export interface DecoderConfig {
  readonly vocab: number;
  readonly hidden: number;
  readonly intermediate: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Positions the model was made for. */
  readonly contextLength: number;
  /** Of its norms. */
  readonly epsilon: number;
  /** The output projection is the embedding table. */
  readonly tied: boolean;
  /** Inverse frequencies `[headDim / 2]` of each RoPE table that its layers use. */
  readonly ropes: readonly Float32Array[];
}

/** One model of a family: its sizes, and its graph in parts. Every part asks for its weights by their Hugging Face names. */
export interface Decoder {
  readonly config: DecoderConfig;
  /** How each layer attends. */
  readonly attention: readonly AttentionOptions[];
  /** `[batch, seq]` ids -> `[batch, seq, hidden]`. */
  embed(weights: Parameters, ids: Tensor): Tensor;
  /** Layer `n`: `[batch, seq, hidden]` -> the same. */
  layer(weights: Parameters, x: Tensor, n: number, pass: LayerPass): Tensor;
  /** The norm before the output head. */
  finish(weights: Parameters, x: Tensor): Tensor;
  /** `[..., hidden]` -> `[..., vocab]`. */
  logits(weights: Parameters, hidden: Tensor): Tensor;
}

/** A family of models; one file each. */
export interface Architecture {
  /** `model_type` of config.json. */
  readonly modelType: string;
  /** How transformers' classes of it begin: `Llama` of LlamaForCausalLM. */
  readonly family: string;
  readonly form: Form;
  readonly gguf: GgufLayout;
}

/**
 * The whole stack: ids -> final hidden states `[batch, seq, hidden]`, and this pass's keys and values by layer.
 * `states[n]` is what leaves layer n of 1 .. layers, the last one behind the final norm; `states[0]` is the embedding (transformers' hidden_states).
 */
export function decode(
  decoder: Decoder,
  weights: Parameters,
  inputs: PassTensors,
  { recompute = false }: { readonly recompute?: boolean } = {},
): { hidden: Tensor; present: KeyValue[]; states: readonly Tensor[] } {
  const { graph } = weights;
  const present: KeyValue[] = [];
  const windows = new Set(decoder.attention.map(({ window }) => window));
  const biases = new Map([...windows].map((window) => [window, biasFor(decoder.config, inputs, window)]));
  let x = decoder.embed(weights, inputs.ids);
  const below: Tensor[] = [];
  for (const [n, { window }] of decoder.attention.entries()) {
    const pass: LayerPass = {
      positions: inputs.positions,
      ropes: inputs.ropes,
      bias: biases.get(window) as Tensor,
      past: inputs.cached?.layers[n],
      keep: (own) => present.push(own),
    };
    below.push(x);
    const layer = () => decoder.layer(weights, x, n, pass);
    x = graph.scope(`layer${n}`, () => (recompute ? graph.recompute(layer) : layer()));
  }
  const hidden = decoder.finish(weights, x);
  return { hidden, present, states: [...below, hidden] };
}

/** Rows of `hidden [batch, seq, hidden]` at flat indices `[n]` (row · seq + column) -> `[n, hidden]`. */
export function rowsAt(hidden: Tensor, indices: Tensor): Tensor {
  return gather(flatten(hidden), indices);
}
