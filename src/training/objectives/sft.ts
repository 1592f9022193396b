// Supervised fine-tuning: the mean negative log-probability of the completion's tokens, or of the prompt's too.
import { mul, neg, reduceSum } from '../../engine/build.ts';
import type { Pass, Placement } from '../batches.ts';
import type { TokenExample } from '../examples.ts';
import { branchPredictions, type Prediction, predictedCounts, promptPredictions } from '../pass.ts';
import { type Loss, logpsAtTargets, predictionFeeds, ratio, vector } from './objective.ts';

/** Mean over the tokens of the whole optimizer step, EOS included, so that accumulation changes nothing. */
export function sftLoss(scope: 'completion' | 'full'): Loss {
  const full = scope === 'full';
  const positions = (example: TokenExample): number => {
    const { prompt, branches } = predictedCounts(example);
    return (branches[0] as number) + (full ? prompt : 0);
  };
  const predictions = (placement: Placement, seq: number): Prediction[] => [
    ...(full ? promptPredictions(placement, seq) : []),
    ...branchPredictions(placement, seq, 0),
  ];
  const count = (passes: readonly Pass[]): number =>
    passes.flatMap(({ placements }) => placements).reduce((sum, { example }) => sum + positions(example), 0);
  return {
    inOrder: false,
    positions,
    build(context) {
      const logps = logpsAtTargets(context);
      const weights = context.graph.input('weights', 'float32', ['n']);
      return { loss: neg(reduceSum(mul(logps, weights))), perPosition: logps };
    },
    feeds({ pass, step }) {
      const all = pass.placements.flatMap((placement) => predictions(placement, pass.seq));
      return { ...predictionFeeds(all), weights: vector(new Float32Array(all.length).fill(ratio(1, count(step)))) };
    },
    observe: ({ pass }) => ({ lossTokens: count([pass]) }),
    report: ({ lossTokens = 0 }) => ({ lossTokens }),
  };
}
