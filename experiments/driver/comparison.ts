// Arm summaries of several seeds -> paired differences with intervals, and equal-FLOP budgets.

import { flopsOf, NO_COST, tokensForFlops } from '#sipf/pipeline/estimate.js';
import { createRandom } from '#sipf/random.js';
import type { Interval } from '#sipf/reports.js';
import { mean, pairedDifference, sum } from '#sipf/statistics/intervals.js';
import type { ArmSummary } from './arm-summary.ts';
import { stratifiedMean } from './stratified-mean.ts';

/** Accuracy of one policy minus another's, on the same questions of each seed. */
interface SeedDifference {
  readonly seed: number;
  readonly value: number;
  /** Agresti and Min 2005, over this seed's questions. */
  readonly ci95: Interval;
  readonly n: number;
}

export interface ArmDifference {
  /** Mean over seeds; bootstrap over questions within each seed. */
  readonly value: number;
  readonly ci95: Interval;
  readonly seeds: readonly SeedDifference[];
  /** Standard deviation between seeds (n - 1); null with one seed. */
  readonly deviation: number | null;
}

export interface ArmRow {
  readonly arm: string;
  readonly column: ArmSummary['column'];
  readonly seeds: readonly { readonly seed: number; readonly accuracy: number; readonly n: number }[];
  /** Means over seeds from here on. */
  readonly accuracy: number;
  readonly againstStart: ArmDifference | null;
  /** continued-sft of the same column. */
  readonly againstContinuedSft: ArmDifference | null;
  /** sipf (equal tokens) minus this arm. */
  readonly sipfAgainst: ArmDifference | null;
  readonly pairs: number | null;
  readonly optimizerTokens: number;
  readonly flops: number;
  readonly seconds: number | null;
}

export interface Comparison {
  /** The warm-up, then the arms of column `tokens`, then those of column `flops`, in the order they came. */
  readonly rows: readonly ArmRow[];
  /** Largest relative distance of an arm's optimizer tokens from sipf's within a seed (column `tokens`), and of its FLOPs (column `flops`). */
  readonly unequal: { readonly tokens: number; readonly flops: number };
}

/** Compares finished arms. @throws RangeError where arms of one seed answered other questions. */
export function compareArms(summaries: readonly ArmSummary[]): Comparison {
  checkQuestions(summaries);
  const keys = [...new Set(summaries.map(keyOf))];
  const groups = keys.map((key) => summaries.filter((summary) => keyOf(summary) === key));
  const ordered = [
    ...groups.filter(([first]) => first?.column === 'tokens'),
    ...groups.filter(([first]) => first?.column === 'flops'),
  ];
  return {
    rows: [...startRow(summaries), ...ordered.map((group) => rowOf(group, summaries))],
    unequal: {
      tokens: farthest(summaries, 'tokens', ({ total }) => total.optimizerTokens),
      flops: farthest(summaries, 'flops', ({ total }) => total.flops),
    },
  };
}

const keyOf = ({ arm, column }: ArmSummary): string => `${column} ${arm}`;

function checkQuestions(summaries: readonly ArmSummary[]): void {
  const first = new Map<number, ArmSummary>();
  for (const summary of summaries) {
    const other = first.get(summary.seed) ?? summary;
    first.set(summary.seed, other);
    if (other.test.questions === summary.test.questions && other.test.start === summary.test.start) continue;
    throw new RangeError(
      `Expected ${summary.arm} and ${other.arm} of seed ${summary.seed} to share their start and their test questions, got others.`,
    );
  }
}

/** The start of every seed, which all arms share. */
function startRow(summaries: readonly ArmSummary[]): ArmRow[] {
  const bySeed = new Map(summaries.map((summary) => [summary.seed, summary]));
  if (bySeed.size === 0) return [];
  const seeds = [...bySeed.values()].map(({ seed, test }) => ({ seed, ...accuracyOf(test.start) }));
  const accuracy = mean(seeds.map((one) => one.accuracy));
  const nothing = { againstStart: null, againstContinuedSft: null, sipfAgainst: null, pairs: null };
  return [{ arm: 'start', column: 'tokens', seeds, accuracy, ...nothing, optimizerTokens: 0, flops: 0, seconds: null }];
}

function rowOf(group: readonly ArmSummary[], all: readonly ArmSummary[]): ArmRow {
  const [{ arm, column }] = group as [ArmSummary];
  const seeds = group.map(({ seed, test }) => ({ seed, ...accuracyOf(test.last) }));
  const find = (name: string, where: ArmSummary['column']) => (seed: number) =>
    all.find((other) => other.seed === seed && other.arm === name && other.column === where)?.test.last;
  const own = (seed: number) => group.find((one) => one.seed === seed)?.test.last;
  const start = (seed: number) => group.find((one) => one.seed === seed)?.test.start;
  const numbers = group.map(({ seed }) => seed);
  const pairs = group.map(({ rounds }) => sum(rounds.map((round) => round.pairs?.pairs ?? 0)));
  const hasPairs = group.some(({ rounds }) => rounds.some((round) => round.pairs !== null));
  const seconds = group.map(({ total }) => total.seconds);
  return {
    arm,
    column,
    seeds,
    accuracy: mean(seeds.map((one) => one.accuracy)),
    againstStart: difference(numbers, own, start),
    againstContinuedSft: arm === 'continued-sft' ? null : difference(numbers, own, find('continued-sft', column)),
    sipfAgainst: arm === 'sipf' ? null : difference(numbers, find('sipf', 'tokens'), own),
    pairs: hasPairs ? mean(pairs) : null,
    optimizerTokens: mean(group.map(({ total }) => total.optimizerTokens)),
    flops: mean(group.map(({ total }) => total.flops)),
    seconds: seconds.includes(null) ? null : mean(seconds.map((value) => value ?? 0)),
  };
}

type OutcomesOf = (seed: number) => string | undefined;

/** `a` minus `b` over the seeds that have both; null where none has. */
function difference(seeds: readonly number[], a: OutcomesOf, b: OutcomesOf): ArmDifference | null {
  const found = seeds.flatMap((seed) => {
    const [first, second] = [a(seed), b(seed)];
    return first === undefined || second === undefined ? [] : [{ seed, ...graded(first, second) }];
  });
  const strata = found.map(({ first, second }) => first.map((right, i) => Number(right) - Number(second[i])));
  const pooled = stratifiedMean(strata, { random: createRandom('comparison'), resamples: 2000 });
  if (pooled === null) return null;
  const each = found.map(({ seed, first, second }) => {
    const { difference: value, ci95, n } = pairedDifference(first, second);
    return { seed, value, ci95, n };
  });
  const values = each.map(({ value }) => value);
  const spread = sum(values.map((value) => (value - mean(values)) ** 2));
  return {
    value: pooled.value,
    ci95: pooled.ci95,
    seeds: each,
    deviation: values.length < 2 ? null : Math.sqrt(spread / (values.length - 1)),
  };
}

/** The questions that both sides have a grade for. */
function graded(a: string, b: string): { first: boolean[]; second: boolean[] } {
  const both = [...a].flatMap((mark, i) =>
    mark === '-' || b[i] === '-' ? [] : [[mark === '1', b[i] === '1'] as const],
  );
  return { first: both.map(([mark]) => mark), second: both.map(([, mark]) => mark) };
}

function accuracyOf(outcomes: string): { accuracy: number; n: number } {
  const known = [...outcomes].filter((mark) => mark !== '-');
  return { accuracy: known.filter((mark) => mark === '1').length / Math.max(1, known.length), n: known.length };
}

function farthest(
  summaries: readonly ArmSummary[],
  column: ArmSummary['column'],
  of: (summary: ArmSummary) => number,
): number {
  const distances = summaries
    .filter((summary) => summary.column === column)
    .flatMap((summary) => {
      const sipf = summaries.find(({ arm, seed }) => arm === 'sipf' && seed === summary.seed);
      return sipf === undefined || of(sipf) === 0 ? [] : [Math.abs(of(summary) - of(sipf)) / of(sipf)];
    });
  return Math.max(0, ...distances);
}

/**
 * Optimizer tokens a round with which `arm` would spend as many model FLOPs as `sipf` did: what its sampling, labels and scores cost in its
 * equal-token run stays, the rest goes into training. null: it costs as much (within 2 %) or more already.
 */
export function tokensForEqualFlops(sipf: ArmSummary, arm: ArmSummary): number | null {
  const { parameters, lora, total, rounds } = arm;
  const trained = flopsOf({ ...NO_COST, trainTokens: total.optimizerTokens }, parameters, lora);
  const left = sipf.total.flops - (total.flops - trained);
  if (left <= 1.02 * trained || rounds.length === 0) return null;
  return Math.round(tokensForFlops(left, parameters, lora) / rounds.length);
}
