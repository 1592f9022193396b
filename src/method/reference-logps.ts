// Pairs and the policy that training starts from -> log-probabilities for losses that compare.
import { z } from 'zod';
import type { LogpsItem, Policy, PreferenceExample, TrainExample } from '../backend.ts';
import { OBJECTIVES, type Objective } from '../objectives/objectives.ts';
import type { StageOutput } from '../run/units.ts';
import { sum } from '../statistics/intervals.ts';
import { withinContext } from './context-length.ts';

/** Log-probabilities of both paths of a row, end-of-text tokens included; null: the policy's context does not hold the row. */
export const ReferenceLogps = z.object({
  /** Place among the stage's rows. */
  row: z.number().int(),
  logps: z.object({ chosen: z.number(), rejected: z.number() }).nullable(),
});
export type ReferenceLogps = z.infer<typeof ReferenceLogps>;

/** Rows that are computed and kept at a time. */
export const REFERENCE_UNIT = 64;

interface PairRow extends PreferenceExample {
  readonly row: number;
  readonly rejected: readonly string[];
}

/** The rows whose reference an objective needs: those with two paths. */
export function rowsToCompare(examples: readonly TrainExample[], { kind }: Objective): PairRow[] {
  if (!OBJECTIVES[kind].needsReference) return [];
  return examples.flatMap((example, row) => {
    if (example.kind !== 'preference' || example.rejected === null) return [];
    return [{ ...example, row, rejected: example.rejected }];
  });
}

interface ReferenceContext {
  readonly policy: Policy;
  /** Whether results that a calculator would write count: as training counts them. */
  readonly calculatorLoss: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** The sums of `logps` over each side's tokens, pieces and end as training reads them: log π_ref of DPO's equation 7. */
export async function referenceUnit(
  rows: readonly PairRow[],
  { policy, calculatorLoss, signal }: ReferenceContext,
): Promise<StageOutput<ReferenceLogps>> {
  const sides = rows.flatMap((row) => [row.chosen, row.rejected].map((side) => [...contextOf(row), ...side]));
  const within = await withinContext(policy, sides);
  const readable = rows.filter((_, n) => within[2 * n] === true && within[2 * n + 1] === true);
  const items = readable.flatMap((row) =>
    [row.chosen, row.rejected].map(
      (completion): LogpsItem => ({
        context: contextOf(row),
        completion,
        ended: true,
        calculator: !calculatorLoss,
      }),
    ),
  );
  const found = await policy.logps(items, { signal });
  const sums = found.map((logps) => sum(logps.map((logp) => logp ?? 0)));
  const known = new Map(readable.map((row, n) => [row, { chosen: sums[2 * n] ?? 0, rejected: sums[2 * n + 1] ?? 0 }]));
  const contexts = await policy.countTokens(readable.flatMap(contextOf));
  const scoredTokens = sum([...contexts, ...found.map(({ length }) => length)]);
  return {
    records: rows.map((row) => ({ row: row.row, logps: known.get(row) ?? null })),
    counts: { rows: readable.length, tooLong: rows.length - readable.length, scoredTokens },
  };
}

/** What both sides of a row continue, in pieces. */
function contextOf({ prompt, shared = [] }: PairRow): readonly string[] {
  return [prompt, ...shared];
}

/** The rows with their references. Those that the policy's context does not hold are left out. */
export function withReferences(
  examples: readonly TrainExample[],
  references: readonly ReferenceLogps[],
): readonly TrainExample[] {
  const known = new Map(references.map(({ row, logps }) => [row, logps]));
  return examples.flatMap((example, row) => {
    const reference = known.get(row);
    if (example.kind !== 'preference' || reference === undefined) return [example];
    return reference === null ? [] : [{ ...example, reference }];
  });
}
