// Pairs and two policies -> how probable each finds a pair's chosen and its rejected side.
import type { Policy } from '../backend.ts';
import type { PairShift, PreferencePair } from '../records.ts';
import type { PairLogps } from '../reports.ts';
import { mean } from '../statistics/intervals.ts';
import { taskOf } from '../task.ts';
import type { ReadContext } from './context-length.ts';

interface SideLogps {
  readonly chosen: number;
  readonly rejected: number;
}

/** Mean log-probability, over the drawn tokens after the steps that both share, of both sides of each pair under one policy. */
export async function pairLogps(
  policy: Policy,
  pairs: readonly PreferencePair[],
  { task, prompt, signal }: ReadContext,
): Promise<SideLogps[]> {
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
  return pairs.map((_, n) => ({ chosen: means[2 * n] ?? 0, rejected: means[2 * n + 1] ?? 0 }));
}

/** What each policy found of the pairs of these `rows`, joined. */
export function pairShifts(
  rows: readonly number[],
  before: readonly SideLogps[],
  after: readonly SideLogps[],
): PairShift[] {
  const shift = (n: number, side: keyof SideLogps) => ({ before: before[n]![side], after: after[n]![side] });
  return rows.map((row, n) => ({ row, chosen: shift(n, 'chosen'), rejected: shift(n, 'rejected') }));
}

/** Means over pairs; null of none. */
export function meanShift(shifts: readonly PairShift[]): PairLogps | null {
  if (shifts.length === 0) return null;
  const meanOf = (side: keyof SideLogps, when: 'before' | 'after') => mean(shifts.map((one) => one[side][when]));
  const both = (side: keyof SideLogps) => ({ before: meanOf(side, 'before'), after: meanOf(side, 'after') });
  return { n: shifts.length, chosen: both('chosen'), rejected: both('rejected') };
}
