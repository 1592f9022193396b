// DPO (Rafailov et al. 2023): -log σ(beta · margin over a reference), optionally with NLL (RPO).
import { z } from 'zod';
import { described } from '../described.ts';
import { add, mul, neg, reduceSum, softplus, sub } from '../engine/build.ts';
import { defineObjective, type Loss, type LossPass, ratio } from './objective.ts';
import * as pairs from './pairs.ts';

const DpoLoss = z.strictObject({
  kind: described(
    z.literal('dpo'),
    'Margin of both paths over the policy that training starts from, whose log-probabilities are computed first.',
  ),
  beta: described(
    z.number().positive().default(0.1),
    'How strongly the policy is kept near the one that training starts from. Raise it (0.5) where answers degrade; lower it (0.05) where hardly anything changes.',
  ),
  nllWeight: described(
    z.number().min(0).default(0),
    "Weight of the chosen path's NLL (RPO). 0: none; rows without a rejected path are then left out. Take 1 where chosen paths get less probable, and with worked solutions.",
  ),
});

const READING: pairs.Reading = { withPrompt: false, side: 'sum' };

/** Equation 7, plus `nllWeight` times the mean NLL of the chosen tokens (Pang et al. 2024). Means are over the optimizer step. */
function dpoLoss({ beta, nllWeight }: z.output<typeof DpoLoss>): Loss {
  const weightsOf = ({ step }: LossPass): pairs.Weights => {
    const all = step.flat();
    return { token: ratio(1, pairs.countNll(all, READING)), pair: ratio(1, pairs.count(all)) };
  };
  return {
    inOrder: false,
    needsPairs: nllWeight === 0,
    positions: (example) => pairs.positions(example, READING),
    build(context) {
      const { graph } = context;
      const both = pairs.tensors(context);
      const chosen = sub(both.chosen, graph.input('referenceChosen', 'float32', ['pairs', 1]));
      const rejected = sub(both.rejected, graph.input('referenceRejected', 'float32', ['pairs', 1]));
      const losses = softplus(mul(sub(chosen, rejected), -beta));
      const preference = pairs.shared(both, losses);
      const nll = neg(reduceSum(mul(both.logps, both.weights)));
      const loss = nllWeight === 0 ? preference : add(preference, mul(nll, nllWeight));
      return { loss, figures: { ...pairs.figures(both, { chosen, rejected }), nll } };
    },
    feeds: (of) => ({
      ...pairs.feeds(of.examples, READING, weightsOf(of)),
      referenceChosen: pairs.column(of.examples, ({ reference }) => reference[0] ?? 0),
      referenceRejected: pairs.column(of.examples, ({ reference }) => reference[1] ?? 0),
    }),
    report: (sums, step) => pairs.report(sums, step, beta),
  };
}

export const dpo = defineObjective({ options: DpoLoss, example: 'preference', needsReference: true, loss: dpoLoss });
