// A stage command's training rows -> a trained folder and a report of it, exactly as the loop trains them. Leaves the rows to the commands.
import type { Backend, TrainExample, TrainResult } from '../../backend.ts';
import { SipfError } from '../../errors.ts';
import { keyedSeed } from '../../hashing.ts';
import { countExampleTokens, stepsForTokens, type TrainSettings, trainOptions } from '../../method/train-settings.ts';
import type { Objective } from '../../objectives/objectives.ts';
import type { ModelSource } from '../../records.ts';
import type { Terminal } from '../terminal.ts';
import type { StageOptions } from './stage.ts';

export interface StageTraining {
  /** The loop's name of the stage: its training seed depends on it. */
  readonly stage: '3-prm' | '6-policy';
  readonly iteration: number;
  readonly seed: number;
  readonly source: ModelSource;
  readonly examples: readonly TrainExample[];
  readonly objective: Objective;
  readonly settings: TrainSettings;
}

/** Trains into --out with progress and prints what came of it: with --json one object. */
export async function trainStage(
  backend: Backend,
  training: StageTraining,
  { out, json }: StageOptions,
  terminal: Terminal,
): Promise<void> {
  const { stage, iteration, seed, source, examples, objective, settings } = training;
  const maxSteps = await maxStepsOf(backend, training);
  const options = trainOptions(settings, objective, keyedSeed(seed, stage, iteration), maxSteps);
  terminal.resumes('A checkpoint, where there is one, is kept in --out: the same command continues from it.');
  const progress = terminal.progress({ title: 'train', unit: 'steps' });
  try {
    const result = await backend.train(
      { source, examples, options, out },
      ({ step, steps, loss }) => progress.update(step + 1, `loss ${loss.toFixed(4)}`, steps),
      { signal: terminal.signal },
    );
    progress.end();
    await report(result, examples.length, options.maxLength, json === true, terminal);
  } finally {
    progress.end();
  }
}

async function maxStepsOf(backend: Backend, { source, examples, settings }: StageTraining): Promise<number | null> {
  if (settings.tokens === null) return settings.maxSteps;
  await using policy = await backend.openPolicy(source);
  const rowTokens = await countExampleTokens(examples, (texts) => policy.countTokens(texts));
  return stepsForTokens(settings.tokens, examples.length, rowTokens, settings.batchSize);
}

async function report(
  result: TrainResult,
  examples: number,
  maxLength: number,
  json: boolean,
  terminal: Terminal,
): Promise<void> {
  const { source, hash, steps, tokens } = result;
  const dropped = result.dropped.length;
  if (dropped === examples) {
    throw new SipfError(
      'nothing-left',
      `Expected rows of at most ${maxLength} tokens, got ${dropped} longer ones and no other. Raise train.maxLength.`,
    );
  }
  const [firstLoss, lastLoss] = [steps[0]?.loss ?? null, steps.at(-1)?.loss ?? null];
  const adapter = source.adapter ?? null;
  if (json) {
    const row = {
      model: source.model,
      adapter,
      hash,
      examples,
      dropped,
      steps: steps.length,
      tokens,
      firstLoss,
      lastLoss,
    };
    await terminal.print(JSON.stringify(row));
    return;
  }
  if (dropped > 0) {
    terminal.warn(`${dropped} of ${examples} rows are longer than ${maxLength} tokens and were left out.`);
  }
  const loss = `loss ${firstLoss?.toFixed(4) ?? '-'} -> ${lastLoss?.toFixed(4) ?? '-'}`;
  await terminal.print(
    `${adapter ?? source.model}: ${steps.length} optimizer steps on ${examples - dropped} rows, ${tokens} tokens, ${loss}`,
  );
}
