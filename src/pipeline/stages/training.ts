// A training stage's rows, start and settings -> a trained model with what it cost.
import type { TrainExample } from '../../backend.ts';
import type { Config } from '../../config/schema.ts';
import { SipfError } from '../../errors.ts';
import { keyedSeed } from '../../hashing.ts';
import { countExampleTokens, stepsForTokens, type TrainSettings, trainOptions } from '../../method/train-settings.ts';
import type { Objective } from '../../objectives/objectives.ts';
import type { Checkpoint } from '../../records.ts';
import type { Counts, Trained } from '../../reports.ts';
import type { StageName } from '../../run/marker.ts';
import type { Found, Inputs, Training, Work } from '../workspace.ts';

export interface Rows {
  readonly examples: readonly TrainExample[];
  readonly objective: Objective;
  readonly counts: Counts;
}

export interface TrainStage {
  /** The folder that it writes. */
  readonly writes: string;
  /** What the model is for the round. */
  readonly finds: keyof Pick<Found, 'prm' | 'trained'>;
  start(work: Work): Checkpoint;
  train(config: Config): TrainSettings;
  /** What is trained on, complete: what a row needs of a model besides its texts is computed here. */
  rows(work: Work): Promise<Rows>;
}

export interface TrainArgs extends Omit<TrainStage, 'finds'> {
  readonly place: StageName;
  readonly inputs: Inputs;
}

/** @throws SipfError 'no-change' where the weights stay as they were, 'nothing-left' where every row is too long. */
export function train(work: Work, { place, writes, inputs, ...stage }: TrainArgs): Promise<Trained> {
  const { config, space } = work;
  const [start, settings] = [stage.start(work), stage.train(config)];
  const seed = keyedSeed(config.seed, place.name, place.iteration);
  const body = async (out: string): Promise<Training> => {
    const { examples, objective, counts } = await stage.rows(work);
    const options = trainOptions(settings, objective, seed, await maxStepsFor(work, start, examples, settings));
    const result = await space.runTraining({ source: space.source(start), examples, options, out }, place, counts);
    if (result.hash === start.hash) {
      throw new SipfError(
        'no-change',
        `Expected ${space.nameOf(place)} to change the model, got the very weights it started from. Raise the learning rate or the number of steps.`,
      );
    }
    reportDropped(work, place, examples.length, result.dropped.length, settings.maxLength);
    return { result, examples: examples.length, counts: { ...counts } };
  };
  const all = { ...inputs, start: start.hash, train: settings, seed };
  return space.train({ stage: place, inputs: all, output: writes, body });
}

async function maxStepsFor(
  { space }: Work,
  start: Checkpoint,
  examples: readonly TrainExample[],
  settings: TrainSettings,
): Promise<number | null> {
  if (settings.tokens === null) return settings.maxSteps;
  await using policy = await space.openPolicy(start);
  const rowTokens = await countExampleTokens(examples, (texts) => policy.countTokens(texts));
  return stepsForTokens(settings.tokens, examples.length, rowTokens, settings.batchSize);
}

function reportDropped({ space }: Work, place: StageName, examples: number, dropped: number, maxLength: number): void {
  if (dropped === 0) return;
  if (dropped === examples) {
    throw new SipfError(
      'nothing-left',
      `Expected rows of at most ${maxLength} tokens for ${space.nameOf(place)}, got ${dropped} longer ones and no other. Raise its train.maxLength.`,
    );
  }
  space.warn(
    `${dropped} of ${examples} rows are longer than ${maxLength} tokens and were left out of ${space.nameOf(place)}. Raise its train.maxLength to keep them.`,
    place,
  );
}
