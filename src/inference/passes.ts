// A model's weights -> the programs of inference: prefill, decode, log-probabilities, steps.
import { cast, concat, flatten, tokenLogp } from '../engine/build.ts';
import { Graph, type Tensor } from '../engine/graph.ts';
import type { Engine, Precision, Program } from '../engine/runtime/session.ts';
import { SipfError } from '../errors.ts';
import { type Decoder, decode, rowsAt } from '../models/architectures/architecture.ts';
import type { KeyValue } from '../models/architectures/attention.ts';
import { type Parameters, WeightsFirst } from '../models/architectures/parameters.ts';
import { stepProbability } from '../models/architectures/prm-head.ts';
import type { ModelWeights } from '../models/open-model.ts';
import { declareInputs, declareStep } from '../models/pass-inputs.ts';
import { whyNotNumbers } from '../models/weights/not-numbers.ts';
import { likeliestTokens } from './likeliest.ts';
import { type SamplerFeatures, sampleTokens } from './sampling.ts';

interface Built {
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly prepack?: boolean;
  readonly stay?: readonly string[];
}

/** A session that is kept where the weights are fed, else over the mapped file. */
async function compile(
  engine: Engine,
  { decoder, values }: ModelWeights,
  build: (graph: Graph, parameters: Parameters, decoder: Decoder) => Built,
): Promise<Program> {
  const graph = new Graph();
  const bound = values.bind(graph);
  const { outputs, prepack = false, stay = [] } = build(graph, bound.parameters, decoder);
  return engine.compile(graph, outputs, { prepack, stay, keep: values.feeding === 'fed', fixed: await bound.feeds() });
}

/** `[batch, 2·layers·kvHeads, seq, headDim]`, as the cache keeps them: one output is fetched in less time than one a layer. */
function joined(present: readonly KeyValue[], precision: Precision): Tensor {
  const all = present.flatMap(({ keys, values }) => [keys, values]);
  return cast(concat(all, 1), precision);
}

/**
 * Any number of tokens behind a cached past (possibly of length 0): declareInputs and `at [n]` (row · seq + column)
 * -> `rows [batch, 2·layers·kvHeads, seq, headDim]`, which stay, and the final hidden states `hidden [n, hidden]` there.
 */
export function compilePrefill(engine: Engine, weights: ModelWeights): Promise<Program> {
  const { precision } = engine;
  return compile(engine, weights, (graph, parameters, decoder) => {
    const { hidden, present } = decode(decoder, parameters, declareInputs(graph, decoder.config, { past: precision }));
    const at = graph.input('at', 'int64', ['n']);
    return { outputs: { rows: joined(present, precision), hidden: rowsAt(hidden, at) }, stay: ['rows'] };
  });
}

/**
 * One token a row behind the cache, weights pre-packed where they are not fed: declareStep and the sampler's
 * -> `rows [batch, 2·layers·kvHeads, 1, headDim]`, which stay, `tokens [batch]`, `logps [batch]`, and the likeliest where asked for.
 */
export function compileDecode(
  engine: Engine,
  weights: ModelWeights,
  endIds: readonly number[],
  features: SamplerFeatures,
): Promise<Program> {
  const { precision } = engine;
  return compile(engine, weights, (graph, bound, decoder) => {
    const parameters = weights.values.feeding === 'fed' ? new WeightsFirst(bound) : bound;
    const { hidden, present } = decode(decoder, parameters, declareStep(graph, decoder.config, precision));
    const logits = flatten(decoder.logits(parameters, hidden));
    const sampled = sampleTokens(logits, endIds, features);
    return { outputs: { rows: joined(present, precision), ...sampled }, prepack: true, stay: ['rows'] };
  });
}

/** `hidden [n, hidden]` and `targets [n]` -> `logps [n]`, with `likeliest` also what `likeliestTokens` gives. */
export function compileTokenLogps(engine: Engine, weights: ModelWeights, likeliest: boolean): Promise<Program> {
  return compile(engine, weights, (graph, parameters, decoder) => {
    const hidden = graph.input('hidden', 'float32', ['n', decoder.config.hidden]);
    const logits = decoder.logits(parameters, hidden);
    const targets = graph.input('targets', 'int64', ['n']);
    const logps = tokenLogp(logits, targets);
    return { outputs: { logps, ...(likeliest ? likeliestTokens(logits, targets, logps) : {}) } };
  });
}

/** Tokens without a past: declareInputs and `at [n]` -> `values [n]`, the probability that the step ending there is correct. */
export function compileStepScores(engine: Engine, weights: ModelWeights): Promise<Program> {
  return compile(engine, weights, (graph, parameters, decoder) => {
    const { hidden } = decode(decoder, parameters, declareInputs(graph, decoder.config));
    const ends = rowsAt(hidden, graph.input('at', 'int64', ['n']));
    return { outputs: { values: stepProbability(parameters, ends) } };
  });
}

/** Tokens without a past: declareInputs and `at [n]` -> `values [n, layers · hidden]`, what leaves each of `layers` there. */
export function compileStepStates(engine: Engine, weights: ModelWeights, layers: readonly number[]): Promise<Program> {
  return compile(engine, weights, (graph, parameters, decoder) => {
    const { states } = decode(decoder, parameters, declareInputs(graph, decoder.config));
    const at = graph.input('at', 'int64', ['n']);
    const ends = layers.map((layer) => rowsAt(states[layer] as Tensor, at));
    return { outputs: { values: concat(ends, 1) } };
  });
}

/** 'diverged': what is to blame where `what` has computed NaN or infinity. */
export async function notNumbers(what: string, { decoder, values }: ModelWeights): Promise<SipfError> {
  const why = await whyNotNumbers(values.slices, decoder.config);
  return new SipfError('diverged', `Expected numbers from ${what}, got NaN or infinity. ${why}`);
}
