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

/** What comes of a chain. */
export interface AnswerLogps {
  /** `[after]` mean log-probability of the right answer's tokens, given the prompt, the steps and the words that lead to the answer. */
  readonly logps: readonly number[];
  /** Tokens that were read: the prompt and the steps once, and a line for each of `after`. */
  readonly tokens: number;
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
 * How probable the right answer is after each of the chain's steps (PACR, arXiv 2510.22255). The line of the answer is read as one short suffix;
 * only its answer counts. Chains whose steps continue each other share their computation.
 * @throws SipfError 'bad-input' where a chain does not fit (see `answersFit`).
 */
export async function answerLogps(
  chains: readonly AnswerChain[],
  policy: Policy,
  context: ReadContext,
): Promise<AnswerLogps[]> {
  const texts = chains.map((chain) => ({ prompt: context.prompt(chain.question), lines: lineOf(chain, context) }));
  const items = chains.flatMap(({ pieces, after }, i) => {
    const { prompt, lines } = texts[i]!;
    return after.map((n) => ({ context: [prompt, ...pieces.slice(0, n)], completion: lines.join('') }));
  });
  const found = await policy.logps(items, { signal: context.signal });
  const parts = chains.map(({ pieces, after }, i) => {
    const { prompt, lines } = texts[i]!;
    return [prompt, ...pieces.slice(0, after.at(-1) ?? 0), lines[0], lines.join('')];
  });
  const counts = await policy.countTokens(parts.flat());
  let [item, part] = [0, 0];
  return chains.map(({ after }, i) => {
    const lengths = counts.slice(part, (part += parts[i]!.length));
    const [lead = 0, line = 0] = lengths.slice(-2);
    const own = found.slice(item, (item += after.length));
    const logps = own.map((tokens) => mean(tokens.slice(-Math.max(1, line - lead))));
    return { logps, tokens: after.length === 0 ? 0 : sum(lengths.slice(0, -2)) + after.length * line };
  });
}

function lineOf({ question }: AnswerChain, { task }: ReadContext): readonly [string, string] {
  const line = taskOf(task, question).answerLine?.(question);
  if (line === undefined) throw new Error(`Expected requireAnswerText before, got ${task.name}.`);
  return line;
}
