// Tokenised examples -> optimizer steps -> passes of packed rows, as a function of the options alone. Leaves filling the arrays to pass.ts.
import type { TrainOptions } from '../backends/backend.ts';
import { createRandom } from '../random.ts';
import { type TokenExample, tokensOf } from './examples.ts';

/** An example's place in a pass: columns [offset, offset + its tokens) of a row. */
export interface Placement {
  readonly example: TokenExample;
  readonly row: number;
  readonly offset: number;
}

/** One forward and backward run over `[batch, seq]` tokens. */
export interface Pass {
  readonly batch: number;
  readonly seq: number;
  readonly placements: readonly Placement[];
}

/** What a pass costs, in any unit: `fixed + batch · seq · (token + pair · seq)`. Attention makes long rows dear on small models. */
export interface PassCost {
  readonly fixed: number;
  readonly token: number;
  readonly pair: number;
}

export interface PackOptions {
  readonly tokensPerPass: number;
  /** Rows of logits a pass may have (memory), and how many of them an example needs. */
  readonly maxPositions: number;
  readonly positionsOf: (example: TokenExample) => number;
  readonly cost: PassCost;
  /** Examples of every pass, in the order given; absent: passes are chosen to cost least. */
  readonly examplesPerPass?: number | undefined;
  /** Keep the order given (where passes are part of the objective). */
  readonly inOrder: boolean;
}

type OrderOptions = Pick<TrainOptions, 'batchSize' | 'epochs' | 'maxSteps' | 'seed' | 'shuffle'>;

/** Optimizer steps of the whole training; the last of an epoch may hold fewer examples. */
export function countSteps(examples: number, { batchSize, epochs, maxSteps }: OrderOptions): number {
  return maxSteps ?? Math.max(1, Math.ceil(epochs * Math.ceil(examples / batchSize)));
}

/**
 * Which examples a step trains on; any step can be asked for alone, so that a resumed run sees the same data. Steps are drawn without regard
 * to length, since packing within a step leaves little padding and a batch of equal lengths would be a biased one.
 */
export function stepExamples(
  examples: readonly TokenExample[],
  options: OrderOptions,
): (step: number) => TokenExample[] {
  const perEpoch = Math.ceil(examples.length / options.batchSize);
  let cached = { epoch: -1, order: examples };
  return (step) => {
    const epoch = Math.floor(step / perEpoch);
    if (options.shuffle && cached.epoch !== epoch) {
      cached = { epoch, order: createRandom(`order/${options.seed}/${epoch}`).shuffle(examples) };
    }
    const start = (step % perEpoch) * options.batchSize;
    return cached.order.slice(start, start + options.batchSize);
  };
}

/** Row lengths are multiples of this, so that few shapes occur. */
const ROW_STEP = 32;
const roundUp = (tokens: number): number => Math.ceil(tokens / ROW_STEP) * ROW_STEP;

/**
 * Divides the examples of one optimizer step into passes. An example is never cut; one that exceeds the budget has a pass of its own.
 * Sorted by length, contiguous groups share a pass; the division of least total cost is found by dynamic programming.
 */
export function packStep(examples: readonly TokenExample[], options: PackOptions): Pass[] {
  if (options.examplesPerPass !== undefined) return fixedGroups(examples, options.examplesPerPass, options);
  const items = options.inOrder
    ? [...examples]
    : [...examples].sort((a, b) => tokensOf(b) - tokensOf(a) || a.index - b.index);
  const best: { cost: number; from: number; pass: Pass | null }[] = [{ cost: 0, from: 0, pass: null }];
  for (let end = 1; end <= items.length; end++) {
    let found = { cost: Number.POSITIVE_INFINITY, from: end - 1, pass: null as Pass | null };
    for (let from = end - 1; from >= 0 && fits(items.slice(from, end), options); from--) {
      const packed = packPass(items.slice(from, end), options);
      const cost = (best[from] as { cost: number }).cost + (packed?.cost ?? Number.POSITIVE_INFINITY);
      if (packed && cost < found.cost) found = { cost, from, pass: packed.pass };
    }
    best.push(found);
  }
  const passes: Pass[] = [];
  for (let end = items.length; end > 0; end = (best[end] as { from: number }).from) {
    passes.unshift((best[end] as { pass: Pass }).pass);
  }
  return passes;
}

function fixedGroups(examples: readonly TokenExample[], size: number, options: PackOptions): Pass[] {
  const passes: Pass[] = [];
  for (let start = 0; start < examples.length; start += size) {
    const group = examples.slice(start, start + size);
    const packed = packPass(group, { ...options, tokensPerPass: Number.POSITIVE_INFINITY });
    passes.push((packed as { pass: Pass }).pass);
  }
  return passes;
}

/** Whether a group may share a pass; a single example always may. */
function fits(group: readonly TokenExample[], { tokensPerPass, maxPositions, positionsOf }: PackOptions): boolean {
  if (group.length === 1) return true;
  const tokens = group.reduce((sum, example) => sum + tokensOf(example), 0);
  const positions = group.reduce((sum, example) => sum + positionsOf(example), 0);
  return tokens <= tokensPerPass && positions <= maxPositions;
}

/** The cheapest row length for a group, or null where padding takes every one of them over the budget. */
function packPass(
  group: readonly TokenExample[],
  { tokensPerPass, cost }: Pick<PackOptions, 'tokensPerPass' | 'cost'>,
): { cost: number; pass: Pass } | null {
  const longest = roundUp(Math.max(...group.map(tokensOf)));
  const all = roundUp(group.reduce((sum, example) => sum + tokensOf(example), 0));
  let found: { cost: number; pass: Pass } | null = null;
  for (const seq of rowLengths(longest, all)) {
    const placements = firstFit(group, seq);
    const batch = 1 + Math.max(...placements.map(({ row }) => row));
    if (group.length > 1 && batch * seq > Math.max(tokensPerPass, longest)) continue;
    const price = cost.fixed + batch * seq * (cost.token + cost.pair * seq);
    if (!found || price < found.cost) found = { cost: price, pass: { batch, seq, placements } };
  }
  return found;
}

/** Lengths worth trying: about 1, 2, 3 and 4 of the longest example, and everything in one row. */
function rowLengths(longest: number, all: number): number[] {
  const several = [1, 1.25, 1.5, 2, 3, 4].map((times) => roundUp(longest * times)).filter((seq) => seq < all);
  return [...new Set([...several, all])];
}

function firstFit(group: readonly TokenExample[], seq: number): Placement[] {
  const used: number[] = [];
  return group.map((example) => {
    const tokens = tokensOf(example);
    const free = used.findIndex((taken) => taken + tokens <= seq);
    const row = free === -1 ? used.push(0) - 1 : free;
    const offset = used[row] as number;
    used[row] = offset + tokens;
    return { example, row, offset };
  });
}
