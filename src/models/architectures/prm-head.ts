// The process reward model's head: a two-label token classifier, read at step ends.
import { flatten, reduceSum, sigmoid, slice, sub } from '../../engine/build.ts';
import type { Tensor } from '../../engine/graph.ts';
import type { Parameters } from './parameters.ts';

/** Module of the head: `score.weight [2, hidden]`, `score.bias [2]`; label 1 is "correct". */
export const PRM_HEAD = 'score';

/** What its classes mean, in config.json. */
export const STEP_LABELS = {
  num_labels: 2,
  id2label: { 0: 'incorrect', 1: 'correct' },
  label2id: { incorrect: 0, correct: 1 },
};

/** `rows [n, hidden]` -> log-odds of "correct" `[n]`: the difference of the two labels' logits. */
export function stepLogOdds(parameters: Parameters, rows: Tensor): Tensor {
  const logits = parameters.linear(flatten(rows), PRM_HEAD, 2);
  const difference = sub(slice(logits, 1, 1, 2), slice(logits, 1, 0, 1));
  return reduceSum(difference, { axes: [1] });
}

/** P(step correct) `[n]`: the softmax over two labels is a sigmoid of their difference. */
export const stepProbability = (parameters: Parameters, rows: Tensor): Tensor => sigmoid(stepLogOdds(parameters, rows));
