// A model's sizes -> what passes cost in time and memory.
import type { Decoder, DecoderConfig } from '../models/architectures/architecture.ts';
import { HEAD } from '../models/architectures/output-head.ts';
import { declaredWeights } from '../models/weights/declared-weights.ts';
import type { Pass, PassCost } from './batches.ts';

/** Bytes of one `[positions, vocab]` array of logits. */
const LOGITS_BYTES = 256 << 20;

/** Positions with logits in one pass. */
export function positionBudget({ vocab }: Pick<DecoderConfig, 'vocab'>): number {
  return Math.max(1, Math.floor(LOGITS_BYTES / (4 * vocab)));
}

/** Numbers a token and layer that the backward pass reads, in hidden and in intermediate states (fitted at 135M, 1,024 and 2,048 tokens). */
const HIDDEN_STATES = 12;
const INTERMEDIATE_STATES = 10;

/** Bytes that a pass keeps for its backward pass, beside weights and logits. */
export function activationBytes(config: DecoderConfig, { batch, seq }: Pick<Pass, 'batch' | 'seq'>): number {
  const { hidden, intermediate, layers, heads } = config;
  const token = HIDDEN_STATES * hidden + INTERMEDIATE_STATES * intermediate;
  return 4 * layers * batch * seq * (token + heads * seq);
}

/** Time of one score of one head in forward and backward passes beside its products, in FLOPs that large products do meanwhile. */
const SCORE_FLOPS = 400;
/** The same for one element of a hidden state: all elementwise work of a layer. */
const ELEMENT_FLOPS = 4000;
/** The same for running a graph at all: some microseconds a node. */
const LAYER_FLOPS = 1e8;
/** Rows that reading weights which are not pre-packed costs, once a pass: much of a short pass, little of a long one. */
const PACKING_ROWS = 26;

/** Relative cost of passes, in FLOPs. Only comparisons matter: it decides how examples are packed, not what they teach. */
export function passCost(decoder: Decoder, frozen: boolean): PassCost {
  const { hidden, layers, heads, headDim } = decoder.config;
  const products = 2 * layerWeights(decoder) * (frozen ? 2 : 3);
  return {
    fixed: layers * (LAYER_FLOPS + PACKING_ROWS * products),
    token: layers * (products + ELEMENT_FLOPS * hidden),
    pair: layers * heads * (SCORE_FLOPS + 12 * headDim),
  };
}

/** Numbers in the matrices of a layer. */
function layerWeights(decoder: Decoder): number {
  const { modules, shapes } = declaredWeights(decoder);
  const sizes = modules.map((module) => (module === HEAD ? [0] : (shapes.get(`${module}.weight`) ?? [])));
  return sizes.reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0) / decoder.config.layers;
}
