// What an objective is to the training loop: a scalar in the graph, what it is fed, and the figures read from its outputs.
import { join, part, tokenLogp } from '../../engine/build.ts';
import type { Graph, Tensor } from '../../engine/graph.ts';
import type { HostArray } from '../../engine/runtime/session.ts';
import { type Decoder, rowsAt } from '../../models/architectures/architecture.ts';
import type { Parameters } from '../../models/architectures/parameters.ts';
import { int64 } from '../../models/pass-inputs.ts';
import type { Pass } from '../batches.ts';
import type { TokenExample } from '../examples.ts';
import type { Prediction } from '../pass.ts';

/** What a loss is built from. */
export interface LossContext {
  readonly graph: Graph;
  readonly decoder: Decoder;
  readonly parameters: Parameters;
  /** Final hidden states `[batch, seq, hidden]`. */
  readonly hidden: Tensor;
  /** Parts in which logits are computed, one after the other; 1: all at once. */
  readonly parts: number;
}

export type Feeds = Record<string, HostArray>;
export type Figures = Record<string, number>;

/** One pass within its optimizer step. */
export interface StepPass {
  readonly pass: Pass;
  /** All passes of the step, this one included: what means are taken over. */
  readonly step: readonly Pass[];
}

/** An objective. Losses of a step's passes add up to the step's loss, however it was divided. */
export interface Loss {
  /** Positions of an example that need the output head. */
  positions(example: TokenExample): number;
  /** Adds the objective to the graph: its scalar for one pass, and one number for each position to read figures from. */
  build(context: LossContext): { loss: Tensor; perPosition: Tensor };
  feeds(of: StepPass): Feeds;
  /** Sums over one pass, from `perPosition`; added up over the passes of a step. */
  observe(of: StepPass, perPosition: Float32Array): Figures;
  /** A step's figures from these sums. */
  report(sums: Readonly<Figures>): Figures;
  /** Passes hold the examples in the order given, because the objective's means depend on the division. */
  readonly inOrder: boolean;
}

/**
 * Log-probabilities `[n]` of the tokens fed as `rows` and `targets`. In several parts, no part's logits `[n / parts, vocab]` are kept: the
 * backward pass computes them again.
 */
export function logpsAtTargets({ graph, decoder, parameters, hidden, parts }: LossContext): Tensor {
  const rows = graph.input('rows', 'int64', ['n']);
  const targets = graph.input('targets', 'int64', ['n']);
  const logps = (states: Tensor, ids: Tensor) => tokenLogp(decoder.logits(parameters, states), ids);
  if (parts === 1) return logps(rowsAt(hidden, rows), targets);
  const all = Array.from({ length: parts }, (_, i) => {
    const [states, ids] = [rowsAt(hidden, part(rows, i, parts)), part(targets, i, parts)];
    return graph.recompute(() => logps(states, ids));
  });
  return join(all, targets);
}

/** Feeds of logpsAtTargets. A pass without a prediction gets one that weighs nothing, since no tensor may be empty. */
export function predictionFeeds(predictions: readonly Prediction[]): Feeds {
  const some = predictions.length > 0 ? predictions : [{ row: 0, target: 0 }];
  return {
    rows: vector(int64(some.map(({ row }) => row))),
    targets: vector(int64(some.map(({ target }) => target))),
  };
}

/** A one-dimensional array; empty ones become a single zero (see predictionFeeds). */
export function vector<Data extends Float32Array | BigInt64Array>(data: Data): HostArray {
  const some = data.length > 0 ? data : data instanceof Float32Array ? new Float32Array(1) : new BigInt64Array(1);
  return { data: some, shape: [some.length] };
}

/** x / y, or 0 where there is nothing to divide by. */
export const ratio = (x: number, y: number): number => (y === 0 ? 0 : x / y);
