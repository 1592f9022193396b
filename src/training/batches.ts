// Tokenised examples -> optimizer steps -> passes of packed rows, as the options alone say.
import type { TrainOptions } from '../backend.ts';
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

interface Item {
  readonly example: TokenExample;
  readonly tokens: number;
  readonly positions: number;
}

interface Priced {
  readonly cost: number;
  readonly pass: Pass;
}

/**
 * Divides the examples of one optimizer step into passes. An example is never cut; one that exceeds the budget has a pass of its own.
 * Sorted by length, contiguous groups share a pass; the division of least total cost is found by dynamic programming.
 */
export function packStep(examples: readonly TokenExample[], options: PackOptions): Pass[] {
  const { examplesPerPass, inOrder, positionsOf } = options;
  const items = examples.map((example) => ({ example, tokens: tokensOf(example), positions: positionsOf(example) }));
  if (examplesPerPass !== undefined) return fixedGroups(items, examplesPerPass, options.cost);
  if (!inOrder) items.sort((a, b) => b.tokens - a.tokens || a.example.index - b.example.index);
  const best: { readonly cost: number; readonly passes: readonly Pass[] }[] = [{ cost: 0, passes: [] }];
  for (let end = 1; end <= items.length; end++) best.push(bestEnd(items, end, best, options));
  return [...(best.at(-1) as { passes: readonly Pass[] }).passes];
}

function fixedGroups(items: readonly Item[], size: number, cost: PassCost): Pass[] {
  const passes: Pass[] = [];
  for (let start = 0; start < items.length; start += size) {
    passes.push((packPass(items.slice(start, start + size), Number.POSITIVE_INFINITY, cost) as Priced).pass);
  }
  return passes;
}

/** The cheapest division of the first `end` items, given those of fewer: its last pass holds items [from, end). */
function bestEnd(
  items: readonly Item[],
  end: number,
  best: readonly { readonly cost: number; readonly passes: readonly Pass[] }[],
  { tokensPerPass, maxPositions, cost }: PackOptions,
): { cost: number; passes: readonly Pass[] } {
  let found = { cost: Number.POSITIVE_INFINITY, from: 0, pass: null as Pass | null };
  let [tokens, positions] = [0, 0];
  for (let from = end - 1; from >= 0; from--) {
    const item = items[from] as Item;
    tokens += item.tokens;
    positions += item.positions;
    if (from < end - 1 && (tokens > tokensPerPass || positions > maxPositions)) break;
    const before = (best[from] as { cost: number }).cost;
    // No packing is cheaper than one without padding.
    if (before + cost.fixed + tokens * (cost.token + cost.pair * item.tokens) >= found.cost) continue;
    const packed = packPass(items.slice(from, end), tokensPerPass, cost);
    if (packed && before + packed.cost < found.cost) found = { cost: before + packed.cost, from, pass: packed.pass };
  }
  const earlier = (best[found.from] as { passes: readonly Pass[] }).passes;
  return { cost: found.cost, passes: [...earlier, found.pass as Pass] };
}

/** The cheapest row length for a group, or null where padding takes every one of them over the budget. A single item always fits. */
function packPass(group: readonly Item[], budget: number, cost: PassCost): Priced | null {
  const longest = roundUp(Math.max(...group.map(({ tokens }) => tokens)));
  const all = roundUp(group.reduce((sum, { tokens }) => sum + tokens, 0));
  let found: Priced | null = null;
  for (const seq of rowLengths(longest, all)) {
    const { placements, batch } = firstFit(group, seq);
    if (group.length > 1 && batch * seq > Math.max(budget, longest)) continue;
    const price = cost.fixed + batch * seq * (cost.token + cost.pair * seq);
    if (!found || price < found.cost) found = { cost: price, pass: { batch, seq, placements } };
  }
  return found;
}

/** Lengths worth trying: one to four times the longest example, and everything in one row. */
function rowLengths(longest: number, all: number): number[] {
  const several = [1, 1.25, 1.5, 2, 3, 4].map((times) => roundUp(longest * times)).filter((seq) => seq < all);
  return [...new Set([...several, all])];
}

/** Each item into the first row with room. */
function firstFit(group: readonly Item[], seq: number): { placements: Placement[]; batch: number } {
  const used: number[] = [];
  const shortest = Math.min(...group.map(({ tokens }) => tokens));
  /** Rows before this one have no room for any item. */
  let open = 0;
  const placements = group.map(({ example, tokens }) => {
    let row = open;
    while (row < used.length && (used[row] as number) + tokens > seq) row++;
    const offset = used[row] ?? 0;
    used[row] = offset + tokens;
    while (open < used.length && (used[open] as number) + shortest > seq) open++;
    return { example, row, offset };
  });
  return { placements, batch: used.length };
}
