// Paths and a policy -> how probable the right answer is after the first steps of each.
import type { Policy } from '../backend.ts';
import type { Question, Sample } from '../records.ts';
import { mean, sum } from '../statistics/intervals.ts';
import { taskOf } from '../task.ts';
import { type ReadContext, tokenCounter, withinContext } from './context-length.ts';

/** What a policy says of the right answer along one path. */
export interface AnswerLikelihood {
  /** Mean log-probability of the answer's tokens after each number of steps that was asked for, rising. */
  readonly logps: readonly number[];
  /** Places at which the answer was read for this path, and the tokens of it: what paths before it of the same question share is theirs. */
  readonly places: number;
  readonly tokens: number;
}

/** How a policy reads paths, and after how many steps it is first asked for the answer. */
interface AnswerContext extends ReadContext {
  readonly from: 0 | 1;
}

/** The first steps of a path, and after how many of them the answer is read. */
interface Chain {
  readonly question: Question;
  /** All but the last step, which holds the path's own answer, as pieces that are tokenised on their own. */
  readonly pieces: readonly string[];
  /** Rising; 0: before the first step. */
  readonly after: readonly number[];
  /** What leads to the answer, and the answer. */
  readonly line: readonly [lead: string, answer: string];
}

/**
 * Of each path, what its steps but the last say of the right answer, given the words that lead to it (PACR, arXiv 2510.22255); null where it leaves
 * no room for the line of the answer. The line is one short suffix, and suffixes of one path share one row of a pass. A prefix that paths of a
 * question share is read once. The task has the signal `answer`.
 */
export async function answerLikelihoods(
  paths: readonly { readonly question: Question; readonly sample: Pick<Sample, 'steps'> }[],
  policy: Policy,
  context: AnswerContext,
): Promise<(AnswerLikelihood | null)[]> {
  const chains = paths.map(({ question, sample }) => chainOf(question, sample, context));
  const fit = await withinContext(
    policy,
    chains.map(({ question, pieces, line }) => [context.prompt(question), ...pieces, line.join('')]),
  );
  const readable = chains.filter((_, i) => fit[i]);
  const fresh = firstReads(readable);
  const read = await answerLogps(fresh, policy, context);
  const tokens = await chainTokens(fresh, policy, context);
  const known = new Map<string, number>();
  for (const [i, chain] of fresh.entries())
    for (const [n, length] of chain.after.entries()) known.set(keyOf(chain, length), read[i]![n]!);
  const found = readable.map((chain, i) => ({
    logps: chain.after.map((length) => known.get(keyOf(chain, length))!),
    places: fresh[i]!.after.length,
    tokens: tokens[i]!,
  }));
  return fit.map((isReadable) => (isReadable ? found.shift()! : null));
}

function chainOf(question: Question, { steps }: Pick<Sample, 'steps'>, { task, from }: AnswerContext): Chain {
  const own = taskOf(task, question);
  const line = own.answerLine?.(question);
  if (line === undefined) throw new Error(`Expected a task with the signal answer, got ${own.name}.`);
  const pieces = own.pieces(steps).slice(0, -1);
  return { question, pieces, after: [0, ...pieces.map((_, j) => j + 1)].slice(from), line };
}

/** Each chain, less what the chains before it read. */
function firstReads(chains: readonly Chain[]): Chain[] {
  const asked = new Set<string>();
  return chains.map((chain) => {
    const after = chain.after.filter((length) => !asked.has(keyOf(chain, length)));
    for (const length of after) asked.add(keyOf(chain, length));
    return { ...chain, after };
  });
}

function keyOf({ question, pieces }: Chain, length: number): string {
  return JSON.stringify([question.id, ...pieces.slice(0, length)]);
}

/** `[chain][after]` */
async function answerLogps(chains: readonly Chain[], policy: Policy, context: ReadContext): Promise<number[][]> {
  const items = chains.flatMap(({ question, pieces, after, line }) =>
    after.map((n) => ({ context: [context.prompt(question), ...pieces.slice(0, n)], completion: line.join('') })),
  );
  const found = (await policy.logps(items, { signal: context.signal })).values();
  const count = await tokenCounter(
    policy,
    chains.flatMap(({ line }) => [line[0], line.join('')]),
  );
  return chains.map(({ after, line }) => {
    const length = Math.max(1, count(line.join('')) - count(line[0]));
    const lineLogps = () => (found.next().value ?? []).filter((logp) => logp !== null);
    return after.map(() => mean(lineLogps().slice(-length)));
  });
}

/** `[chain]`: tokens that are read: the prompt and the steps once, and a line for each of `after`. */
async function chainTokens(chains: readonly Chain[], policy: Policy, { prompt }: ReadContext): Promise<number[]> {
  const read = chains.map(({ question, pieces, after, line }) => {
    const trunk = after.length === 0 ? [] : [prompt(question), ...pieces.slice(0, after.at(-1))];
    return [...trunk, ...after.map(() => line.join(''))];
  });
  const count = await tokenCounter(policy, read.flat());
  return read.map((texts) => sum(texts.map(count)));
}
