// ORPO (Hong, Lee, Thorne 2024): negative log-likelihood of the chosen path minus lambda · log σ of the log odds ratio to the rejected one.

import type { Objective } from '../../backend.ts';
import { add, log, matmul, min, mul, neg, reduceSum, reshape, softplus, sub, tanh } from '../../engine/build.ts';
import type { Tensor } from '../../engine/graph.ts';
import type { Placement } from '../batches.ts';
import type { TokenExample } from '../examples.ts';
import { branchPredictions, type Prediction, predictedCounts, promptPredictions } from '../pass.ts';
import {
  type Feeds,
  type Figures,
  type Loss,
  logpsAtTargets,
  predictionFeeds,
  ratio,
  type StepPass,
  vector,
} from './objective.ts';

type OrpoOptions = Extract<Objective, { kind: 'orpo' }>;

/** Largest mean log-probability without `maxLogp`: float32's last value before 1 - p is 0 and the odds infinite. */
const NEARLY_CERTAIN = -(2 ** -24);

/** Tokens of one placement in the order that the graph is fed: prompt (scope `all`), chosen, rejected. */
interface Parts {
  readonly prompt: readonly Prediction[];
  readonly chosen: readonly Prediction[];
  readonly rejected: readonly Prediction[];
}

/** Means of `normalise: step` are over the optimizer step; of `microbatch`, over each pass, and then over the step's passes (as TRL). */
export function orpoLoss({ lambda, nllScope, normalise, maxLogp }: OrpoOptions): Loss {
  const withPrompt = nllScope === 'all';
  const ceiling = maxLogp ?? NEARLY_CERTAIN;
  const partsOf = (placement: Placement, seq: number): Parts => ({
    prompt: withPrompt ? promptPredictions(placement, seq) : [],
    chosen: branchPredictions(placement, seq, 0),
    rejected: branchPredictions(placement, seq, 1),
  });
  /** Weights of one NLL token and of one pair. */
  const weightsOf = ({ pass, step }: StepPass): { token: number; pair: number } => {
    const within = normalise === 'step' ? step : [pass];
    const share = normalise === 'step' ? 1 : 1 / step.length;
    const examples = within.flatMap(({ placements }) => placements.map(({ example }) => example));
    const tokens = examples.reduce((sum, example) => sum + nllTokens(example, withPrompt), 0);
    const pairs = examples.filter(isPair).length;
    return { token: ratio(share, tokens), pair: ratio(share, pairs) };
  };
  return {
    inOrder: normalise === 'microbatch',
    positions: (example) =>
      nllTokens(example, withPrompt) + (isPair(example) ? (predictedCounts(example).branches[1] as number) : 0),
    build(context) {
      const { graph } = context;
      const logps = logpsAtTargets(context);
      const weights = graph.input('weights', 'float32', ['n']);
      const pairWeights = graph.input('pairWeights', 'float32', ['pairs', 1]);
      const mean = (name: string): Tensor => {
        const average = graph.input(name, 'float32', ['pairs', 'n']);
        return min(matmul(average, reshape(logps, ['n', 1])), ceiling);
      };
      const ratios = logOddsRatio(mean('chosenMean'), mean('rejectedMean'));
      const preference = reduceSum(mul(softplus(neg(ratios)), pairWeights));
      return { loss: add(neg(reduceSum(mul(logps, weights))), preference), perPosition: logps };
    },
    feeds(of) {
      const parts = of.pass.placements.map((placement) => partsOf(placement, of.pass.seq));
      const { token, pair } = weightsOf(of);
      return {
        ...predictionFeeds(parts.flatMap(({ prompt, chosen, rejected }) => [...prompt, ...chosen, ...rejected])),
        ...pairFeeds(parts, { token, pair: pair * lambda }),
      };
    },
    observe(of, logps) {
      const parts = of.pass.placements.map((placement) => partsOf(placement, of.pass.seq));
      return observed(parts, logps, { weights: weightsOf(of), ceiling, clamps: maxLogp !== null });
    },
    report: (sums) => reported(sums, lambda),
  };
}

const isPair = ({ branches }: TokenExample): boolean => branches.length === 2;

function nllTokens(example: TokenExample, withPrompt: boolean): number {
  const { prompt, branches } = predictedCounts(example);
  return (branches[0] as number) + (withPrompt ? prompt : 0);
}

/** log odds(p_w) - log odds(p_l) of mean log-probabilities below 0. */
export function logOddsRatio(chosen: Tensor, rejected: Tensor): Tensor {
  return sub(sub(chosen, rejected), sub(log1mexp(chosen), log1mexp(rejected)));
}

/**
 * log(1 - e^x) for x < 0 with an absolute error of about 1e-7 over the whole range: with t = tanh(x / 2), 1 - e^x = -2t / (1 - t). Near 0 this is
 * log(-expm1(x)), far from it log1p(-e^x) (Mächler 2012), without a branch whose unused side could turn gradients into NaN.
 */
export function log1mexp(x: Tensor): Tensor {
  const t = tanh(mul(x, 0.5));
  return sub(log(mul(t, -2)), log(sub(1, t)));
}

/** Weights by token, and for each pair the rows that average its two sides. */
function pairFeeds(parts: readonly Parts[], { token, pair }: { token: number; pair: number }): Feeds {
  const n = Math.max(
    1,
    parts.reduce((sum, part) => sum + sizeOf(part), 0),
  );
  const pairs = Math.max(1, parts.filter(({ rejected }) => rejected.length > 0).length);
  const weights = new Float32Array(n);
  const means = { chosen: new Float32Array(pairs * n), rejected: new Float32Array(pairs * n) };
  const pairWeights = new Float32Array(pairs);
  let start = 0;
  let p = 0;
  for (const part of parts) {
    const nll = part.prompt.length + part.chosen.length;
    weights.fill(token, start, start + nll);
    if (part.rejected.length > 0) {
      const at = p * n + start;
      means.chosen.fill(1 / part.chosen.length, at + part.prompt.length, at + nll);
      means.rejected.fill(1 / part.rejected.length, at + nll, at + nll + part.rejected.length);
      pairWeights[p++] = pair;
    }
    start += sizeOf(part);
  }
  return {
    weights: vector(weights),
    pairWeights: { data: pairWeights, shape: [pairs, 1] },
    chosenMean: { data: means.chosen, shape: [pairs, n] },
    rejectedMean: { data: means.rejected, shape: [pairs, n] },
  };
}

const sizeOf = ({ prompt, chosen, rejected }: Parts): number => prompt.length + chosen.length + rejected.length;

interface Observing {
  readonly weights: { readonly token: number; readonly pair: number };
  readonly ceiling: number;
  readonly clamps: boolean;
}

function observed(parts: readonly Parts[], logps: Float32Array, { weights, ceiling, clamps }: Observing): Figures {
  const sums = {
    nll: 0,
    share: 0,
    pairs: 0,
    nllRows: 0,
    clamped: 0,
    chosen: 0,
    rejected: 0,
    right: 0,
    odds: 0,
    logSigmoid: 0,
  };
  let start = 0;
  for (const part of parts) {
    const nll = part.prompt.length + part.chosen.length;
    sums.nll -= weights.token * total(logps, start, start + nll);
    if (part.rejected.length === 0) sums.nllRows += 1;
    else {
      const means = [
        total(logps, start + part.prompt.length, start + nll) / part.chosen.length,
        total(logps, start + nll, start + sizeOf(part)) / part.rejected.length,
      ] as const;
      if (clamps) sums.clamped += means.filter((mean) => mean > ceiling).length;
      const [chosen, rejected] = means.map((mean) => Math.min(mean, ceiling)) as [number, number];
      const odds = chosen - rejected - (log1mexpOf(chosen) - log1mexpOf(rejected));
      sums.pairs += 1;
      sums.share += weights.pair;
      sums.chosen += weights.pair * means[0];
      sums.rejected += weights.pair * means[1];
      sums.right += weights.pair * Number(means[0] > means[1]);
      sums.odds += weights.pair * odds;
      sums.logSigmoid -= weights.pair * (Math.max(-odds, 0) + Math.log1p(Math.exp(-Math.abs(odds))));
    }
    start += sizeOf(part);
  }
  return sums;
}

const log1mexpOf = (x: number): number => (x < -Math.LN2 ? Math.log1p(-Math.exp(x)) : Math.log(-Math.expm1(x)));

function total(values: Float32Array, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) sum += values[i] as number;
  return sum;
}

/** Figures under TRL's names; `log_odds_ratio` is the mean of log σ(log odds ratio), `log_odds_chosen` that of the ratio itself, as there. */
function reported(sums: Readonly<Figures>, lambda: number): Figures {
  const { nll = 0, share = 0, pairs = 0, nllRows = 0, clamped = 0 } = sums;
  const counts = { nll_loss: nll, pairs, nllRows, clamped };
  if (pairs === 0) return counts;
  const mean = (key: string): number => (sums[key] as number) / share;
  return {
    ...counts,
    'rewards/chosen': lambda * mean('chosen'),
    'rewards/rejected': lambda * mean('rejected'),
    'rewards/accuracies': mean('right'),
    'rewards/margins': lambda * (mean('chosen') - mean('rejected')),
    'logps/chosen': mean('chosen'),
    'logps/rejected': mean('rejected'),
    log_odds_ratio: mean('logSigmoid'),
    log_odds_chosen: mean('odds'),
  };
}
