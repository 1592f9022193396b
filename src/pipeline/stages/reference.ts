// Before 6: the start policy's log-probabilities of each pair, where the loss compares with them.
import { canonicalHash } from '../../hashing.ts';
import { readRecords } from '../../io/jsonl.ts';
import {
  REFERENCE_UNIT,
  ReferenceLogps,
  referenceUnit,
  rowsToCompare,
  withReferences,
} from '../../method/reference-logps.ts';
import type { TrainRows } from '../../method/train-options.ts';
import type { Checkpoint } from '../../records.ts';
import { recordsFile } from '../../run/marker.ts';
import { stageOf, type Work } from '../workspace.ts';

/** TrainRows as the loss needs them. The numbers are kept, so that a training that was stopped continues with the same ones. */
export async function withReference(
  { store, models, config, k }: Work,
  start: Checkpoint,
  whole: TrainRows,
): Promise<TrainRows> {
  const rows = rowsToCompare(whole.examples, whole.objective);
  if (rows.length === 0) return whole;
  const stage = stageOf(k, '6-reference');
  const { calculatorLoss } = config.sft;
  await using policy = await models.openPolicy(start);
  const counts = await store.collect({
    stage,
    inputs: { policy: policy.hash, unit: REFERENCE_UNIT, rows: canonicalHash(rows), calculatorLoss },
    items: () => ({ total: rows.length, items: rows }),
    counted: 'pairs',
    unit: REFERENCE_UNIT,
    open: async () => ({ [Symbol.asyncDispose]: async () => undefined }),
    each: (unit) => referenceUnit(unit, { policy, calculatorLoss: calculatorLoss ?? true, signal: store.signal }),
  });
  const { tooLong = 0, scoredTokens = 0 } = counts;
  if (tooLong > 0)
    store.warn(
      `${tooLong} of ${rows.length} rows are longer than ${policy.contextLength} tokens and were left out of ${store.nameOf(stage)}. Raise max_position_embeddings of a model from nothing, or give shorter paths.`,
      stage,
    );
  const logps: ReferenceLogps[] = [];
  for await (const record of readRecords(store.path(stage.folder, recordsFile(stage)), ReferenceLogps))
    logps.push(record);
  const examples = withReferences(whole.examples, logps);
  return { ...whole, examples, counts: { ...whole.counts, scoredTokens } };
}
