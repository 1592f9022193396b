// A decoder-only transformer as a graph: what all architectures share. Each architecture's own file says how its blocks are put together.
import {
  add,
  concat,
  flatten,
  gather,
  matmul,
  mul,
  reshape,
  rmsNorm,
  rope,
  sliceLike,
  softmax,
  transpose,
} from '../../engine/build.ts';
import { type Dim, product } from '../../engine/dims.ts';
import type { Graph, Tensor } from '../../engine/graph.ts';
import type { Parameters } from './parameters.ts';

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
  readonly epsilon: number;
  /** The output projection is the embedding table. */
  readonly tied: boolean;
  /** `[headDim / 2]`. */
  readonly ropeFrequencies: Float32Array;
}

/** Keys and values of one layer, `[batch, kvHeads, tokens, headDim]`, keys already rotated. */
export interface KeyValue {
  readonly keys: Tensor;
  readonly values: Tensor;
}

/** What attention sees besides its input. */
export interface AttentionContext {
  readonly positions: Tensor;
  readonly cos: Tensor;
  readonly sin: Tensor;
  /** `[batch, 1, groups·seq, past + seq]`, 0 where a query may look, very negative elsewhere; one copy a query head of a group. */
  readonly bias: Tensor;
  /** Earlier tokens by layer; absent: none. */
  readonly past?: readonly KeyValue[];
  /** Filled with this pass's keys and values by layer. */
  readonly present: KeyValue[];
}

/** How one family of models is built from the shared parts; one small file each. */
export interface Architecture {
  readonly modelType: string;
  /**
   * @param file named in errors; default: config.json.
   * @throws SipfError 'unsupported' or 'bad-input' naming the file and its key.
   */
  configure(config: Readonly<Record<string, unknown>>, file?: string): DecoderConfig;
  /** `[batch, seq]` ids -> `[batch, seq, hidden]`. */
  embed(parameters: Parameters, config: DecoderConfig, ids: Tensor): Tensor;
  /** One layer: `[batch, seq, hidden]` -> the same. */
  block(parameters: Parameters, config: DecoderConfig, x: Tensor, layer: number, context: AttentionContext): Tensor;
  /** The norm before the output head. */
  finish(parameters: Parameters, config: DecoderConfig, x: Tensor): Tensor;
  /** `[..., hidden]` -> `[..., vocab]`. */
  logits(parameters: Parameters, config: DecoderConfig, hidden: Tensor): Tensor;
}

/** Names of the inputs that every pass feeds. */
export interface DecoderInputs {
  /** int64 `[batch, seq]`. */
  readonly ids: Tensor;
  /** int64 `[batch, seq]`. */
  readonly positions: Tensor;
  /** float32 `[batch, 1, seq, past + seq]`. */
  readonly bias: Tensor;
  /** float32 `[positions, headDim / 2]`. */
  readonly cos: Tensor;
  readonly sin: Tensor;
  readonly past?: readonly KeyValue[];
}

/** Declares the inputs `ids`, `positions`, `bias`, `cos`, `sin`, and with `past` also `past.N.keys` and `past.N.values`. */
export function decoderInputs(
  graph: Graph,
  config: DecoderConfig,
  seq: number | 'seq',
  withPast: boolean,
): DecoderInputs {
  const { kvHeads, headDim, layers } = config;
  const half = config.ropeFrequencies.length;
  const cache = (layer: number, kind: string) =>
    graph.input(`past.${layer}.${kind}`, 'float32', ['batch', kvHeads, 'past', headDim]);
  const keys = withPast ? `(${['past', String(seq)].sort().join('+')})` : seq;
  return {
    ids: graph.input('ids', 'int64', ['batch', seq]),
    positions: graph.input('positions', 'int64', ['batch', seq]),
    bias: graph.input('bias', 'float32', ['batch', 1, seq, keys]),
    cos: graph.input('cos', 'float32', ['ropeLength', half]),
    sin: graph.input('sin', 'float32', ['ropeLength', half]),
    ...(withPast
      ? { past: Array.from({ length: layers }, (_, n) => ({ keys: cache(n, 'keys'), values: cache(n, 'values') })) }
      : {}),
  };
}

/** The whole stack: ids -> final hidden states `[batch, seq, hidden]`, and this pass's keys and values by layer. */
export function decode(
  architecture: Architecture,
  parameters: Parameters,
  config: DecoderConfig,
  inputs: DecoderInputs,
  { recompute = false }: { readonly recompute?: boolean } = {},
): { hidden: Tensor; present: KeyValue[] } {
  const groups = config.heads / config.kvHeads;
  const bias = groups === 1 ? inputs.bias : concat(Array<Tensor>(groups).fill(inputs.bias), 2);
  const context: AttentionContext = { ...inputs, bias, present: [] };
  let x = architecture.embed(parameters, config, inputs.ids);
  for (let layer = 0; layer < config.layers; layer++) {
    const block = () => architecture.block(parameters, config, x, layer, context);
    x = parameters.graph.scope(`layer${layer}`, () => (recompute ? parameters.graph.recompute(block) : block()));
  }
  return { hidden: architecture.finish(parameters, config, x), present: context.present };
}

/** Rows of `hidden [batch, seq, hidden]` at flat indices `[n]` (row · seq + column) -> `[n, hidden]`. */
export function rowsAt(hidden: Tensor, indices: Tensor): Tensor {
  return gather(flatten(hidden), indices);
}

/** Embedding lookup in `model.embed_tokens`. */
export function embedTokens(parameters: Parameters, config: DecoderConfig, ids: Tensor): Tensor {
  return gather(parameters.weight('model.embed_tokens.weight', [config.vocab, config.hidden]), ids);
}

/** Output projection: `lm_head`, or the embedding table where tied. */
export function projectToVocabulary(parameters: Parameters, config: DecoderConfig, hidden: Tensor): Tensor {
  if (!config.tied) return parameters.linear(hidden, 'lm_head', config.vocab);
  return parameters.product(hidden, 'model.embed_tokens.weight', config.vocab);
}

/** RMSNorm with the weight MODULE.weight. */
export function norm(parameters: Parameters, config: DecoderConfig, x: Tensor, module: string): Tensor {
  return rmsNorm(x, parameters.weight(`${module}.weight`, [config.hidden]), config.epsilon);
}

/** down(activation(gate(x)) · up(x)). */
export function gatedMlp(
  parameters: Parameters,
  config: DecoderConfig,
  x: Tensor,
  module: string,
  activation: (x: Tensor) => Tensor,
): Tensor {
  const gate = activation(parameters.linear(x, `${module}.gate_proj`, config.intermediate));
  const up = parameters.linear(x, `${module}.up_proj`, config.intermediate);
  return parameters.linear(mul(gate, up), `${module}.down_proj`, config.hidden);
}

/** Grouped-query self-attention with rotary positions; the query heads of a group are rows of one product. */
export function attention(
  parameters: Parameters,
  config: DecoderConfig,
  x: Tensor,
  module: string,
  layer: number,
  context: AttentionContext,
): Tensor {
  const { heads, kvHeads, headDim, hidden } = config;
  const { positions, cos, sin } = context;
  const project = (name: string, count: number) => parameters.linear(x, `${module}.${name}`, count * headDim);
  const queries = groupQueries(rope(project('q_proj', heads), positions, cos, sin, heads), config);
  const keys = splitHeads(rope(project('k_proj', kvHeads), positions, cos, sin, kvHeads), config);
  const values = splitHeads(project('v_proj', kvHeads), config);
  context.present[layer] = { keys, values };
  const mixed = attend(queries, { keys, values }, context.past?.[layer], context.bias, headDim ** -0.5);
  return parameters.linear(ungroup(mixed, config, positions), `${module}.o_proj`, hidden);
}

function attend(queries: Tensor, present: KeyValue, past: KeyValue | undefined, bias: Tensor, scale: number): Tensor {
  if (past && present.keys.shape[2] === 1) return attendOne(queries, present, past, bias, scale);
  const own = matmul(queries, present.keys, { transB: true, alpha: scale });
  if (!past) return matmul(softmax(add(own, bias)), present.values);
  const earlier = matmul(queries, past.keys, { transB: true, alpha: scale });
  const weights = softmax(add(concat([earlier, own], -1), bias));
  const fromPast = matmul(sliceLike(weights, past.keys, -1, 2, 'start'), past.values);
  const fromOwn = matmul(sliceLike(weights, present.keys, -1, 2, 'end'), present.values);
  return add(fromPast, fromOwn);
}

/**
 * attend() for one token a row, as decode steps have it. The cache is read by products of a single row, which stream it: those of a few rows
 * would first copy it into the kernel's layout.
 */
function attendOne(queries: Tensor, present: KeyValue, past: KeyValue, bias: Tensor, scale: number): Tensor {
  const scaled = mul(queries, scale);
  const earlier = eachRow(scaled, past.keys, true);
  const own = matmul(scaled, present.keys, { transB: true });
  const weights = softmax(add(concat([earlier, own], -1), bias));
  const fromPast = eachRow(sliceLike(weights, past.keys, -1, 2, 'start'), past.values, false);
  return add(fromPast, mul(sliceLike(weights, present.keys, -1, 2, 'end'), present.values));
}

/** `[batch, kvHeads, rows, m]` times each head's `[batch, kvHeads, ...]`, row by row. */
function eachRow(x: Tensor, cache: Tensor, transB: boolean): Tensor {
  const [batch, kvHeads, rows, width] = x.shape as [Dim, Dim, Dim, Dim];
  const [, , past, headDim] = cache.shape as [Dim, Dim, Dim, Dim];
  const apart = matmul(
    reshape(x, [batch, kvHeads, rows, 1, width]),
    reshape(cache, [batch, kvHeads, 1, past, headDim]),
    { transB },
  );
  return reshape(apart, [batch, kvHeads, rows, transB ? past : headDim]);
}

/** `[batch, seq, kvHeads·headDim]` -> `[batch, kvHeads, seq, headDim]`. */
function splitHeads(x: Tensor, { kvHeads, headDim }: DecoderConfig): Tensor {
  const [batch, seq] = x.shape as [string, string];
  return transpose(reshape(x, [batch, seq, kvHeads, headDim]), [0, 2, 1, 3]);
}

/** `[batch, seq, heads·headDim]` -> `[batch, kvHeads, groups·seq, headDim]`. */
function groupQueries(x: Tensor, { heads, kvHeads, headDim }: DecoderConfig): Tensor {
  const [batch, seq] = x.shape as [string, string];
  const groups = heads / kvHeads;
  const apart = transpose(reshape(x, [batch, seq, kvHeads, groups, headDim]), [0, 2, 3, 1, 4]);
  return reshape(apart, [batch, kvHeads, product(groups, seq), headDim]);
}

/** Inverse of groupQueries. */
function ungroup(x: Tensor, { heads, kvHeads, headDim }: DecoderConfig, positions: Tensor): Tensor {
  const [batch, seq] = positions.shape as [string, string];
  const apart = reshape(x, [batch, kvHeads, heads / kvHeads, seq, headDim]);
  return reshape(transpose(apart, [0, 3, 1, 2, 4]), [batch, seq, heads * headDim]);
}
