// Pairs and a policy -> how probable it finds their chosen and their rejected sides.
import type { Policy } from '../backend.ts';
import type { PreferencePair } from '../records.ts';
import { mean } from '../statistics/intervals.ts';
import { taskOf } from '../task.ts';
import type { ReadContext } from './context-length.ts';

/** Mean log-probability (over the drawn tokens after the steps that both share, then over pairs) of both sides under one policy. */
export async function meanPairLogps(
  policy: Policy,
  pairs: readonly PreferencePair[],
  { task, prompt, signal }: ReadContext,
): Promise<{ chosen: number; rejected: number }> {
  const items = pairs.flatMap((pair) =>
    [pair.chosen, pair.rejected].map((side) => {
      const { shared = 0 } = pair;
      const pieces = taskOf(task, pair).pieces(side?.steps ?? []);
      return {
        context: [prompt(pair), ...pieces.slice(0, shared)],
        completion: pieces.slice(shared).join(''),
        calculator: side?.forced !== undefined,
      };
    }),
  );
  const drawn = (await policy.logps(items, { signal })).map((logps) => logps.filter((logp) => logp !== null));
  const means = drawn.map((logps) => (logps.length === 0 ? 0 : mean(logps)));
  return { chosen: mean(means.filter((_, i) => i % 2 === 0)), rejected: mean(means.filter((_, i) => i % 2 === 1)) };
}
