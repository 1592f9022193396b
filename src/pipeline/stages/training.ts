// A training stage's rows, start and settings -> a trained model with what it cost.
import type { TrainExample, TrainStep } from '../../backend.ts';
import type { Config } from '../../config/schema.ts';
import { SipfError } from '../../errors.ts';
import { keyedSeed } from '../../hashing.ts';
import { countExampleTokens, stepsForTokens, type TrainRows, trainOptions } from '../../method/train-options.ts';
import type { Checkpoint } from '../../records.ts';
import { Trained } from '../../reports.ts';
import type { StageName } from '../../run/marker.ts';
import type { TrainSettings } from '../../train-settings.ts';
import type { Found, Work } from '../workspace.ts';

export interface TrainStage {
  readonly writes: string;
  /** What the model is for the round. */
  readonly finds: keyof Pick<Found, 'prm' | 'trained'>;
  start(work: Work): Checkpoint;
  train(config: Config): TrainSettings;
  /** What is trained on, complete: what a row needs of a model besides its texts is computed here. */
  rows(work: Work): Promise<TrainRows>;
}

export interface TrainArgs extends Omit<TrainStage, 'finds'> {
  readonly place: StageName;
  readonly inputs: Readonly<Record<string, unknown>>;
}

/** @throws SipfError 'no-change' where the weights stay as they were, 'nothing-left' where every row is too long. */
export async function train(work: Work, { place, writes, inputs, ...stage }: TrainArgs): Promise<Trained> {
  const { config, store, models, found } = work;
  const [start, settings] = [stage.start(work), stage.train(config)];
  const seed = keyedSeed(config.seed, place.name, place.iteration);
  const { name, iteration } = place;
  const onStep = (step: TrainStep) => {
    const { steps: total, loss } = step;
    const detail = `loss ${loss.toFixed(4)}`;
    store.onProgress({ stage: name, iteration, done: step.step + 1, total, unit: 'steps', detail });
    store.log({ type: 'train-step', stage: name, iteration, data: { ...step } });
  };
  const body = async (): Promise<Trained> => {
    const { examples, objective, counts } = await stage.rows(work);
    store.log({ type: 'counts', stage: name, iteration, data: { ...counts } });
    const maxSteps = await maxStepsFor(work, start, examples, settings);
    // A process reward model predicts no token.
    const calculatorLoss = objective.kind === 'prm' ? undefined : config.sft.calculatorLoss;
    const options = { ...trainOptions(settings, objective, seed, maxSteps), calculatorLoss };
    const job = { source: models.source(start), examples, options, out: store.path(place.folder, writes) };
    const { source, hash, steps, tokens, dropped } = await models.train(job, onStep, { signal: store.signal });
    if (hash === start.hash) throw unchanged(store.nameOf(place));
    reportDropped(work, place, examples.length, dropped.length, settings.maxLength);
    found.losses = [steps[0]?.loss ?? null, steps.at(-1)?.loss ?? null];
    return {
      checkpoint: models.checkpoint(source, hash),
      steps: steps.at(-1)?.steps ?? 0,
      trainTokens: tokens,
      examples: examples.length,
      dropped: dropped.length,
      counts: { ...counts },
    };
  };
  const all = { ...inputs, start: start.hash, train: settings, seed };
  return store.once({ stage: place, inputs: all, outputs: [writes], result: Trained, body });
}

function unchanged(name: string): SipfError {
  return new SipfError(
    'no-change',
    `Expected ${name} to change the model, got the very weights it started from. Raise the learning rate or the number of steps.`,
  );
}

async function maxStepsFor(
  { models }: Work,
  start: Checkpoint,
  examples: readonly TrainExample[],
  settings: TrainSettings,
): Promise<number | null> {
  if (settings.tokens === null) return settings.maxSteps;
  await using policy = await models.openPolicy(start);
  const rowTokens = await countExampleTokens(examples, (texts) => policy.countTokens(texts));
  return stepsForTokens(settings.tokens, examples.length, rowTokens, settings.batchSize);
}

function reportDropped({ store }: Work, place: StageName, examples: number, dropped: number, maxLength: number): void {
  if (dropped === 0) return;
  if (dropped === examples) {
    throw new SipfError(
      'nothing-left',
      `Expected rows of at most ${maxLength} tokens for ${store.nameOf(place)}, got ${dropped} longer ones and no other. Raise its train.maxLength.`,
    );
  }
  store.warn(
    `${dropped} of ${examples} rows are longer than ${maxLength} tokens and were left out of ${store.nameOf(place)}. Raise its train.maxLength to keep them.`,
    place,
  );
}
