// ORPO (Hong, Lee, Thorne 2024): NLL of the chosen path minus lambda · log σ(log odds ratio).
import { z } from 'zod';
import { described } from '../described.ts';
import { add, greater, log, min, mul, neg, reduceSum, softplus, sub, tanh } from '../engine/build.ts';
import type { Tensor } from '../engine/graph.ts';
import { defineObjective, type Figures, type Loss, type LossPass, ratio } from './objective.ts';
import * as pairs from './pairs.ts';

const OrpoLoss = z.strictObject({
  kind: described(
    // Also where no kind is named.
    z.literal('orpo').optional().default('orpo'),
    'NLL of the chosen path and the odds ratio of both (the paper). It needs no reference policy.',
  ),
  lambda: described(
    z.number().min(0).default(0.1),
    "Weight of the odds-ratio term against the NLL term (TRL's beta). Lower it (0.02) where chosen paths get less probable, or where pairs differ in a digit or two.",
  ),
  nllScope: described(
    z.enum(['completion', 'all']).default('completion'),
    'What the NLL term counts. completion: the chosen path. all: the question too (as TRL). Change it to copy another recipe.',
  ),
  normalise: described(
    z.enum(['step', 'microbatch']).default('step'),
    'Over what the loss is averaged. step: the whole optimizer step. microbatch: each pass, then the passes (as TRL). Change it to copy another recipe.',
  ),
  maxLogp: described(
    z.number().max(0).nullable().default(-0.005),
    'Highest mean log-probability that the odds see: near-certain paths have unbounded odds. null: no limit. Lower it (-0.05) where the loss diverges.',
  ),
});

/** Largest mean log-probability without `maxLogp`: float32's last value before 1 - p is 0 and the odds infinite. */
const NEARLY_CERTAIN = -(2 ** -24);

/** Equation 6. Means of `normalise: step` are over the optimizer step; of `microbatch`, over each pass, and then over the step's passes (as TRL). */
function orpoLoss({ lambda, nllScope, normalise, maxLogp }: z.output<typeof OrpoLoss>): Loss {
  const reading: pairs.Reading = { withPrompt: nllScope === 'all', side: 'mean' };
  const ceiling = maxLogp ?? NEARLY_CERTAIN;
  const weightsOf = ({ examples, step }: LossPass): pairs.Weights => {
    const within = normalise === 'step' ? step.flat() : examples;
    const part = normalise === 'step' ? 1 : 1 / step.length;
    return { token: ratio(part, pairs.countNll(within, reading)), pair: ratio(part, pairs.count(within)) };
  };
  return {
    inOrder: normalise === 'microbatch',
    needsPairs: false,
    positions: (example) => pairs.positions(example, reading),
    build(context) {
      const both = pairs.tensors(context);
      const ratios = logOddsRatio(min(both.chosen, ceiling), min(both.rejected, ceiling));
      const losses = softplus(neg(ratios));
      const preference = reduceSum(mul(losses, context.graph.input('pairWeights', 'float32', ['pairs', 1])));
      const nll = neg(reduceSum(mul(both.logps, both.weights)));
      const clamped = (side: Tensor): Tensor => reduceSum(pairs.trueOf(both, greater(side, ceiling)));
      const figures = {
        ...pairs.figures(both, both),
        nll,
        odds: pairs.shared(both, ratios),
        losses: pairs.shared(both, losses),
        clamped: add(clamped(both.chosen), clamped(both.rejected)),
      };
      return { loss: add(nll, preference), figures };
    },
    feeds(of) {
      const weights = weightsOf(of);
      const pairWeights = pairs.column(of.examples, () => weights.pair * lambda);
      return { ...pairs.feeds(of.examples, reading, weights), pairWeights };
    },
    report(sums, step) {
      const clamped = maxLogp === null ? 0 : (sums['clamped'] ?? 0);
      const figures: Figures = { ...pairs.report(sums, step, lambda), clamped };
      if (figures['pairs'] === 0) return figures;
      const mean = pairs.meanOver(sums);
      // As in TRL: the mean of log σ(log odds ratio), and that of the ratio itself.
      return { ...figures, log_odds_ratio: -mean('losses'), log_odds_chosen: mean('odds') };
    },
  };
}

/** log odds(p_w) - log odds(p_l) of mean log-probabilities below 0 (equation 4's logarithm). */
function logOddsRatio(chosen: Tensor, rejected: Tensor): Tensor {
  return sub(sub(chosen, rejected), sub(log1mexp(chosen), log1mexp(rejected)));
}

/**
 * log(1 - e^x) for x < 0 with an absolute error of about 1e-7 over the whole range: with t = tanh(x / 2), 1 - e^x = -2t / (1 - t). Near 0 this is
 * log(-expm1(x)), far from it log1p(-e^x) (Mächler 2012), without a branch whose unused side could turn gradients into NaN. WebGPU's tanh has an
 * absolute error, so that there the error is about 2e-7 / |x|: 4e-5 at the default of `maxLogp`.
 */
export function log1mexp(x: Tensor): Tensor {
  const t = tanh(mul(x, 0.5));
  return sub(log(mul(t, -2)), log(sub(1, t)));
}

export const orpo = defineObjective({
  options: OrpoLoss,
  example: 'preference',
  needsReference: false,
  loss: orpoLoss,
});
