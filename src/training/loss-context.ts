// A decoder's hidden states -> what losses are built from: log-probabilities, log-odds of steps.
import { join, part, tokenLogp } from '../engine/build.ts';
import type { Tensor } from '../engine/graph.ts';
import { type Decoder, rowsAt } from '../models/architectures/architecture.ts';
import type { Parameters } from '../models/architectures/parameters.ts';
import { stepLogOdds } from '../models/architectures/prm-head.ts';
import type { LossContext } from '../objectives/objective.ts';

interface LossContextArgs {
  readonly decoder: Decoder;
  readonly parameters: Parameters;
  /** Final hidden states `[batch, seq, hidden]`. */
  readonly hidden: Tensor;
  /** Parts in which logits are computed, one after the other; 1: all at once. */
  readonly parts: number;
}

export function lossContext(args: LossContextArgs): LossContext {
  const { parameters, hidden } = args;
  const { graph } = hidden;
  return {
    graph,
    logps: () => logpsAtTargets(args),
    stepLogOdds: () => stepLogOdds(parameters, rowsAt(hidden, graph.input('rows', 'int64', ['n']))),
  };
}

/** In several parts, no part's logits `[n / parts, vocab]` are kept: the backward pass computes them again. */
function logpsAtTargets({ decoder, parameters, hidden, parts }: LossContextArgs): Tensor {
  const { graph } = hidden;
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
