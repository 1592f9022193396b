// Paths and a policy -> its log-probability of every token, by step.
import type { Policy, StepPath } from '../backend.ts';
import { mean } from '../statistics/intervals.ts';

/** A path to read; `calculator`: the calculator wrote its results, which have no log-probability. */
export interface WrittenPath extends StepPath {
  readonly calculator?: boolean;
}

/** `[path][step]` the log-probabilities of a step's drawn tokens. Steps are tokenised one by one, as models are trained to read them. */
export async function stepLogps(
  texts: readonly WrittenPath[],
  policy: Pick<Policy, 'logps' | 'countTokens'>,
  signal?: AbortSignal,
): Promise<number[][][]> {
  const given = texts.map(({ prompt, steps, calculator }) => ({ context: [prompt], completion: steps, calculator }));
  const logps = await policy.logps(given, { signal });
  const lengths = await policy.countTokens(texts.flatMap(({ steps }) => steps));
  let next = 0;
  return texts.map(({ steps }, index) => {
    let from = 0;
    return steps.map(() => {
      const to = from + (lengths[next++] ?? 0);
      const own = (logps[index] ?? []).slice(from, to).filter((logp) => logp !== null);
      from = to;
      return own;
    });
  });
}

/** Mean and least of a step's log-probabilities; a step without tokens surprised nobody. */
export function logpFigures(logps: readonly number[]): readonly [mean: number, least: number] {
  return [logps.length === 0 ? 0 : mean(logps), Math.min(0, ...logps)];
}
