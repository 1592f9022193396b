// An architecture and its weights -> the few programs that inference runs: prefill, decode step, log-probabilities, step scores. Leaves feeding them to language-model.ts.
import { concat, flatten, less, mul, reshape, tokenLogp, where } from '../engine/build.ts';
import { Graph, type Tensor } from '../engine/graph.ts';
import type { Engine, Feeds, Program, Results } from '../engine/runtime/session.ts';
import {
  type Architecture,
  type DecoderConfig,
  decode,
  decoderInputs,
  type KeyValue,
  rowsAt,
} from '../models/architectures/decoder.ts';
import { WeightsFirst } from '../models/architectures/parameters.ts';
import { stepProbability } from '../models/architectures/prm-head.ts';
import type { BoundWeights, HeldWeights } from '../models/weights/held-weights.ts';
import { type SamplerFeatures, sampleTokens } from './sampling.ts';

/** Added to the score of what a query may not see; its softmax is exactly 0. */
export const HIDDEN = -1e9;

export interface ModelWeights {
  readonly architecture: Architecture;
  readonly config: DecoderConfig;
  readonly held: HeldWeights;
}

/** A compiled graph of a model, fed with its weights where they are not in the session. */
export class ModelProgram implements AsyncDisposable {
  readonly #program: Program;
  readonly #weights: Feeds;

  constructor(program: Program, weights: Feeds) {
    this.#program = program;
    this.#weights = weights;
  }

  run(feeds: Feeds): Promise<Results> {
    return this.#program.run({ ...this.#weights, ...feeds });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#program[Symbol.asyncDispose]();
  }
}

interface Built {
  readonly graph: Graph;
  readonly bound: BoundWeights;
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly prepack?: boolean;
  readonly stay?: readonly string[];
}

/** A session that is kept where the weights are fed, else over the mapped file. */
async function compile(
  engine: Engine,
  { held }: ModelWeights,
  { graph, bound, outputs, prepack = false, stay = [] }: Built,
): Promise<ModelProgram> {
  const program = await engine.compile(graph, outputs, { prepack, stay, keep: held.holding === 'fed' });
  return new ModelProgram(program, await bound.feeds());
}

/** `[batch, 2·layers·kvHeads, seq, headDim]`: one output is fetched in less time than one a layer. */
const joined = (present: readonly KeyValue[]) =>
  concat(
    present.flatMap(({ keys, values }) => [keys, values]),
    1,
  );

/**
 * Any number of tokens behind a cached past (possibly of length 0): decoderInputs and `at [n]` (row · seq + column)
 * -> `rows [batch, 2·layers·kvHeads, seq, headDim]`, which stay, and the final hidden states `hidden [n, hidden]` there.
 */
export function compilePrefill(engine: Engine, weights: ModelWeights): Promise<ModelProgram> {
  const { architecture, config, held } = weights;
  const graph = new Graph();
  const bound = held.bind(graph);
  const { parameters } = bound;
  const { hidden, present } = decode(architecture, parameters, config, decoderInputs(graph, config, 'seq', true));
  const at = graph.input('at', 'int64', ['n']);
  const outputs = { rows: joined(present), hidden: rowsAt(hidden, at) };
  return compile(engine, weights, { graph, bound, outputs, stay: ['rows'] });
}

/**
 * One token a row behind the cache, weights pre-packed where they are not fed: decoderInputs with `lengths [batch, 1]` and `columns [past]` in
 * place of the bias, and the sampler's -> `rows [batch, 2·layers·kvHeads, 1, headDim]`, which stay, `tokens [batch]`, `logps [batch]`.
 */
export function compileDecode(
  engine: Engine,
  weights: ModelWeights,
  endIds: readonly number[],
  features: SamplerFeatures,
): Promise<ModelProgram> {
  const { architecture, config, held } = weights;
  const graph = new Graph();
  const bound = held.bind(graph);
  const parameters = held.holding === 'fed' ? new WeightsFirst(bound.parameters) : bound.parameters;
  const inputs = { ...decoderInputs(graph, config, 1, true), bias: lengthBias(graph) };
  const { hidden, present } = decode(architecture, parameters, config, inputs);
  const logits = flatten(architecture.logits(parameters, config, hidden));
  const { tokens, logps } = sampleTokens(logits, endIds, features);
  const outputs = { rows: joined(present), tokens, logps };
  return compile(engine, weights, { graph, bound, outputs, prepack: true, stay: ['rows'] });
}

/** `[batch, 1, 1, past + 1]`: a row's cached tokens and its new one are seen, the columns behind its length are not. */
function lengthBias(graph: Graph): Tensor {
  const lengths = reshape(graph.input('lengths', 'float32', ['batch', 1]), ['batch', 1, 1, 1]);
  const cached = less(reshape(graph.input('columns', 'float32', ['past']), [1, 1, 1, 'past']), lengths);
  return concat([where(cached, graph.scalar(0), graph.scalar(HIDDEN)), mul(lengths, 0)], -1);
}

/** `hidden [n, hidden]` and `targets [n]` -> `logps [n]`. */
export function compileTokenLogps(engine: Engine, weights: ModelWeights): Promise<ModelProgram> {
  const { architecture, config, held } = weights;
  const graph = new Graph();
  const bound = held.bind(graph);
  const hidden = graph.input('hidden', 'float32', ['n', config.hidden]);
  const logits = architecture.logits(bound.parameters, config, hidden);
  const logps = tokenLogp(logits, graph.input('targets', 'int64', ['n']));
  return compile(engine, weights, { graph, bound, outputs: { logps } });
}

/** Tokens without a past: decoderInputs and `at [n]` -> `probabilities [n]` that the step ending there is correct. */
export function compileStepScores(engine: Engine, weights: ModelWeights): Promise<ModelProgram> {
  const { architecture, config, held } = weights;
  const graph = new Graph();
  const bound = held.bind(graph);
  const { parameters } = bound;
  const { hidden } = decode(architecture, parameters, config, decoderInputs(graph, config, 'seq', false));
  const probabilities = stepProbability(parameters, rowsAt(hidden, graph.input('at', 'int64', ['n'])));
  return compile(engine, weights, { graph, bound, outputs: { probabilities } });
}
