// DPO (Rafailov et al. 2023): -log σ(beta · margin over a reference), optionally with NLL (RPO).
import { z } from 'zod';
import { described } from '../described.ts';
import { add, mul, neg, reduceSum, softplus, sub } from '../engine/build.ts';
import { defineObjective, type Loss, type LossPass, ratio } from './objective.ts';
import {
  countNll,
  countPairs,
  type PairReading,
  type PairWeights,
  pairColumn,
  pairFeeds,
  pairFigures,
  pairPositions,
  pairReport,
  pairTensors,
  shared,
} from './pairs.ts';

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

const READING: PairReading = { withPrompt: false, side: 'sum' };

/** Equation 7, plus `nllWeight` times the mean NLL of the chosen tokens (Pang et al. 2024). Means are over the optimizer step. */
function dpoLoss({ beta, nllWeight }: z.output<typeof DpoLoss>): Loss {
  const weightsOf = ({ step }: LossPass): PairWeights => {
    const all = step.flat();
    return { token: ratio(1, countNll(all, READING)), pair: ratio(1, countPairs(all)) };
  };
  return {
    inOrder: false,
    needsPairs: nllWeight === 0,
    positions: (example) => pairPositions(example, READING),
    build(context) {
      const { graph } = context;
      const pairs = pairTensors(context);
      const chosen = sub(pairs.chosen, graph.input('referenceChosen', 'float32', ['pairs', 1]));
      const rejected = sub(pairs.rejected, graph.input('referenceRejected', 'float32', ['pairs', 1]));
      const losses = softplus(mul(sub(chosen, rejected), -beta));
      const preference = shared(pairs, losses);
      const nll = neg(reduceSum(mul(pairs.logps, pairs.weights)));
      const loss = nllWeight === 0 ? preference : add(preference, mul(nll, nllWeight));
      return { loss, figures: { ...pairFigures(pairs, { chosen, rejected }), nll } };
    },
    feeds: (of) => ({
      ...pairFeeds(of.examples, READING, weightsOf(of)),
      referenceChosen: pairColumn(of.examples, ({ reference }) => reference[0] ?? 0),
      referenceRejected: pairColumn(of.examples, ({ reference }) => reference[1] ?? 0),
    }),
    report: (sums, step) => pairReport(sums, step, beta),
  };
}

export const dpo = defineObjective({ options: DpoLoss, example: 'preference', needsReference: true, loss: dpoLoss });
