// What losses on pairs share: both sides in the graph, their feeds, figures under TRL's names.
import { cast, greater, matmul, mul, reduceSum, reshape } from '../engine/build.ts';
import type { Tensor } from '../engine/graph.ts';
import { vector } from '../engine/host-arrays.ts';
import { type Feeds, type Figures, type LossContext, type PlacedExample, tokenFeeds } from './objective.ts';

/** How a loss reads the two sides of a pair. */
export interface Reading {
  /** The NLL term counts the prompt's tokens too. */
  readonly withPrompt: boolean;
  /** A side is the mean of its tokens' log-probabilities, or their sum. */
  readonly side: 'mean' | 'sum';
}

/** What one NLL token and one pair weigh in the step's means. */
export interface Weights {
  readonly token: number;
  readonly pair: number;
}

export const isPair = ({ branches }: PlacedExample): boolean => branches.length === 2;

export const count = (examples: readonly PlacedExample[]): number => examples.filter(isPair).length;

/** Tokens of the NLL term. */
export function countNll(examples: readonly PlacedExample[], { withPrompt }: Pick<Reading, 'withPrompt'>): number {
  const tokens = ({ prompt, branches }: PlacedExample) => (branches[0]?.length ?? 0) + (withPrompt ? prompt.length : 0);
  return examples.reduce((sum, example) => sum + tokens(example), 0);
}

/** Positions of an example that need the output head. */
export function positions(example: PlacedExample, reading: Reading): number {
  return countNll([example], reading) + (example.branches[1]?.length ?? 0);
}

/** A pass's pairs in the graph. A pass without a pair has one that weighs nothing. */
interface PairTensors {
  /** Log-probabilities of all tokens `[n]`, and what each weighs in the NLL term. */
  readonly logps: Tensor;
  readonly weights: Tensor;
  /** `[pairs, 1]`: the sides' means or sums, and what each pair weighs in the step's means. */
  readonly chosen: Tensor;
  readonly rejected: Tensor;
  readonly shares: Tensor;
}

export function tensors({ graph, logps }: LossContext): PairTensors {
  const read = logps();
  const weights = graph.input('weights', 'float32', ['n']);
  const side = (name: string): Tensor => matmul(graph.input(name, 'float32', ['pairs', 'n']), reshape(read, ['n', 1]));
  return {
    logps: read,
    weights,
    chosen: side('chosen'),
    rejected: side('rejected'),
    shares: graph.input('shares', 'float32', ['pairs', 1]),
  };
}

/** Feeds of `tensors`: tokens in the order prompt (where the NLL term counts it), chosen, rejected. */
export function feeds(
  examples: readonly PlacedExample[],
  { withPrompt, side }: Reading,
  { token, pair }: Weights,
): Feeds {
  const parts = examples.map(({ prompt, branches: [chosen = [], rejected = []] }) => ({
    nll: withPrompt ? [...prompt, ...chosen] : chosen,
    chosen: chosen.length,
    rejected,
  }));
  const tokens = parts.flatMap(({ nll, rejected }) => [...nll, ...rejected]);
  const n = Math.max(1, tokens.length);
  const pairs = Math.max(1, count(examples));
  const weights = new Float32Array(n);
  const sides = { chosen: new Float32Array(pairs * n), rejected: new Float32Array(pairs * n) };
  let [start, p] = [0, 0];
  for (const [index, { nll, chosen, rejected }] of parts.entries()) {
    const end = start + nll.length;
    weights.fill(token, start, end);
    if (isPair(examples[index] as PlacedExample)) {
      const row = p++ * n;
      const weigh = (count: number) => (side === 'mean' ? 1 / count : 1);
      sides.chosen.fill(weigh(chosen), row + end - chosen, row + end);
      sides.rejected.fill(weigh(rejected.length), row + end, row + end + rejected.length);
    }
    start = end + rejected.length;
  }
  return {
    ...tokenFeeds(tokens),
    weights: vector(weights),
    chosen: { data: sides.chosen, shape: [pairs, n] },
    rejected: { data: sides.rejected, shape: [pairs, n] },
    shares: column(examples, () => pair),
  };
}

/** One number a pair `[pairs, 1]`. */
export function column(examples: readonly PlacedExample[], value: (example: PlacedExample) => number): Feeds[string] {
  const { data } = vector(Float32Array.from(examples.filter(isPair), value));
  return { data, shape: [data.length, 1] };
}

/** Σ share · x over the pairs of a pass. */
export const shared = ({ shares }: PairTensors, x: Tensor): Tensor => reduceSum(mul(x, shares));

/** 1 where the condition holds for a pair, else 0. */
export function trueOf({ shares }: PairTensors, condition: Tensor): Tensor {
  return mul(cast(condition, 'float32'), cast(greater(shares, 0), 'float32'));
}

/** Sums for `report`: the two sides, how often the chosen one is ahead, and the shares themselves. */
export function figures(pairs: PairTensors, reward: { chosen: Tensor; rejected: Tensor }): Record<string, Tensor> {
  return {
    share: reduceSum(pairs.shares),
    chosen: shared(pairs, pairs.chosen),
    rejected: shared(pairs, pairs.rejected),
    rewardChosen: shared(pairs, reward.chosen),
    rewardRejected: shared(pairs, reward.rejected),
    right: shared(pairs, cast(greater(reward.chosen, reward.rejected), 'float32')),
  };
}

/** Figures under TRL's names; those of pairs are absent where a step has none. `scale` makes rewards of the two sides. */
export function report(sums: Readonly<Figures>, step: readonly PlacedExample[], scale: number): Figures {
  const pairs = count(step);
  const counts = { nll_loss: sums['nll'] ?? 0, pairs, nllRows: step.length - pairs };
  if (pairs === 0) return counts;
  const mean = meanOver(sums);
  return {
    ...counts,
    'rewards/chosen': scale * mean('rewardChosen'),
    'rewards/rejected': scale * mean('rewardRejected'),
    'rewards/accuracies': mean('right'),
    'rewards/margins': scale * (mean('rewardChosen') - mean('rewardRejected')),
    'logps/chosen': mean('chosen'),
    'logps/rejected': mean('rejected'),
  };
}

/** Means over a step's pairs from the sums of `shared`. */
export const meanOver =
  (sums: Readonly<Figures>) =>
  (key: string): number =>
    (sums[key] ?? 0) / (sums['share'] ?? 1);
