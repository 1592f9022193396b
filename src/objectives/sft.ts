// Supervised fine-tuning: the mean NLL of the completion's tokens, or of the prompt's too.
import { z } from 'zod';
import { described } from '../described.ts';
import { mul, neg, reduceSum } from '../engine/build.ts';
import { vector } from '../engine/host-arrays.ts';
import { defineObjective, type Loss, type PlacedExample, type Prediction, ratio, tokenFeeds } from './objective.ts';

const SftLoss = z.strictObject({
  kind: z.literal('sft'),
  scope: described(
    z.enum(['completion', 'full']).default('completion'),
    'What the loss counts. completion: the answer. full: the question too. Take full for a model from nothing that must learn the language of the questions.',
  ),
});

/** Mean over the tokens of the whole optimizer step, EOS included, so that accumulation changes nothing. */
function sftLoss({ scope }: z.output<typeof SftLoss>): Loss {
  const reads = ({ prompt, branches }: PlacedExample): Prediction[] => [
    ...(scope === 'full' ? prompt : []),
    ...(branches[0] ?? []),
  ];
  const count = (examples: readonly PlacedExample[]): number =>
    examples.reduce((sum, example) => sum + reads(example).length, 0);
  return {
    inOrder: false,
    needsPairs: false,
    positions: (example) => reads(example).length,
    build({ graph, logps }) {
      const read = logps();
      const weights = graph.input('weights', 'float32', ['n']);
      return { loss: neg(reduceSum(mul(read, weights))), figures: {} };
    },
    feeds({ examples, step }) {
      const all = examples.flatMap(reads);
      const weights = new Float32Array(all.length).fill(ratio(1, count(step.flat())));
      return { ...tokenFeeds(all), weights: vector(weights) };
    },
    report: (_, step) => ({ lossTokens: count(step) }),
  };
}

export const sft = defineObjective({ options: SftLoss, example: 'sft', needsReference: false, loss: sftLoss });
