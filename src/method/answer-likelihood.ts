// The first steps of paths and a policy -> how probable the right answer is after each of them.
import type { Policy } from '../backend.ts';
import { SipfError } from '../errors.ts';
import type { Question } from '../records.ts';
import { mean, sum } from '../statistics/intervals.ts';
import { type Task, taskOf } from '../task.ts';
import { type ReadContext, withinContext } from './context-length.ts';

/** A path's first steps, and after how many of them the answer is asked for; perhaps not at all. */
export interface AnswerChain {
  readonly question: Question;
  /** The steps as pieces that are tokenised on their own. */
  readonly pieces: readonly string[];
  /** Rising; 0: before the first step. */
  readonly after: readonly number[];
}

/**
 * Refuses tasks whose answers are no text.
 * @throws SipfError 'unsupported' naming `setting`.
 */
export function requireAnswerText(task: Task, setting: string): void {
  const without = (task.members ?? [task]).find(({ answerLine }) => answerLine === undefined);
  if (without === undefined) return;
  throw new SipfError(
    'unsupported',
    `Expected a task whose answers are short texts for ${setting}, got ${without.name}. Change that setting.`,
  );
}

/** True for each chain that leaves the policy room for the line of the answer. */
export function answersFit(
  chains: readonly AnswerChain[],
  policy: Policy,
  context: ReadContext,
): Promise<readonly boolean[]> {
  return withinContext(
    policy,
    chains.map((chain) => [context.prompt(chain.question), ...chain.pieces, lineOf(chain, context).join('')]),
  );
}

/**
 * `[chain][after]`: mean log-probability of the right answer's tokens, given the prompt, the steps and the words that lead to the answer (PACR,
 * arXiv 2510.22255). The line of the answer is read as one short suffix. Suffixes of one chain share one row of a pass.
 * @throws SipfError 'bad-input' where a chain does not fit (see `answersFit`).
 */
export async function answerLogps(
  chains: readonly AnswerChain[],
  policy: Policy,
  context: ReadContext,
): Promise<number[][]> {
  const lines = chains.map((chain) => lineOf(chain, context));
  const items = chains.flatMap(({ question, pieces, after }, i) => {
    const [prompt, completion] = [context.prompt(question), lines[i]!.join('')];
    return after.map((n) => ({ context: [prompt, ...pieces.slice(0, n)], completion }));
  });
  const found = (await policy.logps(items, { signal: context.signal })).values();
  const count = await counterOf(policy, [...lines.map(([lead]) => lead), ...lines.map((line) => line.join(''))]);
  return chains.map(({ after }, i) => {
    const length = Math.max(1, count(lines[i]!.join('')) - count(lines[i]![0]));
    const lineLogps = () => (found.next().value ?? []).filter((logp) => logp !== null);
    return after.map(() => mean(lineLogps().slice(-length)));
  });
}

/** `[chain]`: tokens that `answerLogps` reads: the prompt and the steps once, and a line for each of `after`. */
export async function chainTokens(
  chains: readonly AnswerChain[],
  policy: Policy,
  context: ReadContext,
): Promise<number[]> {
  const read = chains.map((chain) => {
    const { question, pieces, after } = chain;
    const line = lineOf(chain, context).join('');
    const trunk = after.length === 0 ? [] : [context.prompt(question), ...pieces.slice(0, after.at(-1))];
    return [...trunk, ...after.map(() => line)];
  });
  const count = await counterOf(policy, read.flat());
  return read.map((texts) => sum(texts.map(count)));
}

/** Tokens of each of `texts`, each counted once. */
async function counterOf(policy: Policy, texts: readonly string[]): Promise<(text: string) => number> {
  const known = [...new Set(texts)];
  const counts = await policy.countTokens(known);
  const tokens = new Map(known.map((text, n) => [text, counts[n] ?? 0]));
  return (text) => tokens.get(text) ?? 0;
}

function lineOf({ question }: AnswerChain, { task }: ReadContext): readonly [string, string] {
  const line = taskOf(task, question).answerLine?.(question);
  if (line === undefined) throw new Error(`Expected requireAnswerText before, got ${task.name}.`);
  return line;
}
