// A training job -> its hash, its result and its errors, the same wherever it executes.
import type { TrainJob, TrainResult, TrainStep } from '../backend.ts';
import { SipfError } from '../errors.ts';
import { sha256 } from '../hashing.ts';
import type { OpenModel } from '../models/open-model.ts';
import { whyNotNumbers } from '../models/weights/not-numbers.ts';
import type { ModelSource } from '../records.ts';
import type { CheckpointFiles, StoredResult } from './checkpoint.ts';
import type { TokenExample } from './examples.ts';

/** Everything that decides the trajectory: contents, not paths. How often checkpoints are written does not. @param model its hash. */
export function jobHash({ examples, options }: TrainJob, model: string): string {
  const { checkpointEverySteps: _, ...deciding } = options;
  return sha256(JSON.stringify([2, model, deciding, examples]));
}

/** What training makes: the adapter in `out` on the model that it started from, or `out` itself. */
export function trainedSource({ options: { lora }, out }: TrainJob, { model }: ModelSource): ModelSource {
  return lora === null ? { model: out } : { model, adapter: out };
}

export function resultOf(
  job: TrainJob,
  source: ModelSource,
  { hash, steps, dropped, tokens }: Omit<StoredResult, 'job'>,
): TrainResult {
  return { source: trainedSource(job, source), hash, steps, dropped, tokens };
}

/**
 * The stored result, if the weights beside it are still those it speaks of.
 * @param hash of those weights.
 * @throws SipfError 'bad-input' where they are others.
 */
export function checkedResult(stored: StoredResult, { out }: TrainJob, hash: string): StoredResult {
  if (hash === stored.hash) return stored;
  throw new SipfError(
    'bad-input',
    `Expected the weights ${stored.hash.slice(0, 12)} that training.json in ${out} speaks of, got ${hash.slice(0, 12)}. Delete the folder to train again.`,
  );
}

interface Divergence {
  readonly step: number;
  readonly loss: number;
  readonly gradNorm: number;
  readonly batch: readonly TokenExample[];
}

interface Diverged {
  readonly job: TrainJob;
  readonly files: CheckpointFiles;
  readonly model: OpenModel;
}

/** A loss or gradient that is no number; keeps the batch. */
export async function diverged(
  { job, files, model }: Diverged,
  { step, loss, gradNorm, batch }: Divergence,
): Promise<SipfError> {
  const examples = batch.map(({ index }) => ({ index, ...job.examples[index] }));
  // Before the first update nothing but the source itself, or ORPO's odds, can be to blame.
  const advice =
    step > 0
      ? 'Lower learningRate, set clip, or for ORPO align.loss.maxLogp.'
      : `${await whyNotNumbers(await model.files.weights(), model.decoder.config)} For ORPO, set align.loss.maxLogp.`;
  const file = await files.saveDiverged({ step, loss: String(loss), gradNorm: String(gradNorm), examples });
  return new SipfError(
    'diverged',
    `Expected a finite loss and gradient at optimizer step ${step}, got loss ${loss} and gradient norm ${gradNorm}. Its examples are in ${file}. ${advice}`,
  );
}

/** Training that moved nothing. */
export function unchanged(records: readonly TrainStep[]): SipfError {
  const rates = records.map((record) => record.learningRate);
  return new SipfError(
    'no-change',
    `Expected ${records.length} optimizer steps to change the trained weights, got every one as it was (largest learning rate ${Math.max(0, ...rates)}, largest gradient norm ${Math.max(0, ...records.map(({ gradNorm }) => gradNorm))}). Raise learningRate, or give examples with a loss.`,
  );
}
