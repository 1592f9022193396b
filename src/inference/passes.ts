// An architecture and its weights -> the few programs that inference runs: prefill, decode step, log-probabilities, step scores. Leaves feeding them to language-model.ts.
import { concat, flatten, tokenLogp } from '../engine/build.ts';
import { Graph } from '../engine/graph.ts';
import type { Engine, Program } from '../engine/session.ts';
import {
  type Architecture,
  type DecoderConfig,
  decode,
  decoderInputs,
  type KeyValue,
  rowsAt,
} from '../models/decoder.ts';
import { FrozenParameters } from '../models/parameters.ts';
import { stepProbability } from '../models/prm-head.ts';
import type { WeightSlice } from '../models/weight-cache.ts';
import { type SamplerFeatures, sampleTokens } from './sampling.ts';

export interface ModelWeights {
  readonly architecture: Architecture;
  readonly config: DecoderConfig;
  readonly slices: ReadonlyMap<string, WeightSlice>;
}

/** `[batch, 2·layers·kvHeads, seq, headDim]`: one output is fetched in less time than one a layer. */
const joined = (present: readonly KeyValue[]) =>
  concat(
    present.flatMap(({ keys, values }) => [keys, values]),
    1,
  );

/**
 * Any number of tokens behind a cached past (possibly of length 0), weights mapped: decoderInputs and `at [n]` (row · seq + column)
 * -> `rows [batch, 2·layers·kvHeads, seq, headDim]`, and the final hidden states `hidden [n, hidden]` there.
 */
export function compilePrefill(engine: Engine, { architecture, config, slices }: ModelWeights): Promise<Program> {
  const graph = new Graph();
  const parameters = new FrozenParameters(graph, slices);
  const { hidden, present } = decode(architecture, parameters, config, decoderInputs(graph, config, 'seq', true));
  const at = graph.input('at', 'int64', ['n']);
  return engine.compile(graph, { rows: joined(present), hidden: rowsAt(hidden, at) }, { prepack: false });
}

/** One token a row behind the cache, weights packed: decoderInputs and the sampler's -> `rows [batch, 2·layers·kvHeads, 1, headDim]`, `tokens [batch]`, `logps [batch]`. */
export function compileDecode(
  engine: Engine,
  { architecture, config, slices }: ModelWeights,
  endIds: readonly number[],
  features: SamplerFeatures,
): Promise<Program> {
  const graph = new Graph();
  const parameters = new FrozenParameters(graph, slices);
  const { hidden, present } = decode(architecture, parameters, config, decoderInputs(graph, config, 1, true));
  const logits = flatten(architecture.logits(parameters, config, hidden));
  const { tokens, logps } = sampleTokens(logits, endIds, features);
  return engine.compile(graph, { rows: joined(present), tokens, logps }, { prepack: true });
}

/** `hidden [n, hidden]` and `targets [n]` -> `logps [n]`, weights mapped. */
export function compileTokenLogps(engine: Engine, { architecture, config, slices }: ModelWeights): Promise<Program> {
  const graph = new Graph();
  const hidden = graph.input('hidden', 'float32', ['n', config.hidden]);
  const logits = architecture.logits(new FrozenParameters(graph, slices), config, hidden);
  return engine.compile(
    graph,
    { logps: tokenLogp(logits, graph.input('targets', 'int64', ['n'])) },
    { prepack: false },
  );
}

/** Tokens without a past, weights mapped: decoderInputs and `at [n]` -> `probabilities [n]` that the step ending there is correct. */
export function compileStepScores(engine: Engine, { architecture, config, slices }: ModelWeights): Promise<Program> {
  const graph = new Graph();
  const parameters = new FrozenParameters(graph, slices);
  const { hidden } = decode(architecture, parameters, config, decoderInputs(graph, config, 'seq', false));
  const probabilities = stepProbability(parameters, rowsAt(hidden, graph.input('at', 'int64', ['n'])));
  return engine.compile(graph, { probabilities }, { prepack: false });
}
