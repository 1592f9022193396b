// Process reward model: binary cross-entropy of P(step correct), read at each step's last token.
import { z } from 'zod';
import { cast, equal, greater, mul, reduceSum, softplus, sub } from '../engine/build.ts';
import { int64, vector } from '../engine/host-arrays.ts';
import { defineObjective, type Loss, type PlacedExample, ratio } from './objective.ts';

const PrmLoss = z.strictObject({
  kind: z.literal('prm'),
  /** false: the head has no bias. Absent: it has one. */
  headBias: z.boolean().optional(),
});

const ends = (examples: readonly PlacedExample[]) => examples.flatMap(({ stepEnds }) => stepEnds);

/** Mean over the optimizer step's labelled steps of softplus(z) - c z, which is -c log σ(z) - (1 - c) log(1 - σ(z)). */
function prmLoss(): Loss {
  return {
    inOrder: false,
    needsPairs: false,
    positions: ({ stepEnds }) => stepEnds.length,
    build({ graph, stepLogOdds }) {
      const logOdds = stepLogOdds();
      const labels = graph.input('labels', 'float32', ['n']);
      const weights = graph.input('weights', 'float32', ['n']);
      const losses = sub(softplus(logOdds), mul(labels, logOdds));
      const isRight = equal(greater(labels, 0.5), greater(logOdds, 0));
      const counted = cast(greater(weights, 0), 'float32');
      return {
        loss: reduceSum(mul(losses, weights)),
        figures: { right: reduceSum(mul(cast(isRight, 'float32'), counted)) },
      };
    },
    feeds({ examples, step }) {
      const all = ends(examples);
      return {
        rows: vector(int64(all.map(({ row }) => row))),
        labels: vector(Float32Array.from(all, ({ target }) => target)),
        weights: vector(new Float32Array(all.length).fill(ratio(1, ends(step.flat()).length))),
      };
    },
    report({ right = 0 }, step) {
      const all = ends(step);
      const targets = all.reduce((sum, { target }) => sum + target, 0);
      return { steps: all.length, accuracy: ratio(right, all.length), correctShare: ratio(targets, all.length) };
    },
  };
}

export const prm = defineObjective({ options: PrmLoss, example: 'prm', needsReference: false, loss: prmLoss });
