// A stage's training section of the configuration -> a trainer's options, and how long it trains.
import type { TrainExample, TrainOptions } from '../backend.ts';
import type { Objective } from '../objectives/objectives.ts';
import type { Counts } from '../reports.ts';
import type { TrainSettings } from '../train-settings.ts';

export interface TrainRows {
  readonly examples: readonly TrainExample[];
  readonly objective: Objective;
  readonly counts: Counts;
}

/** Texts of an example as the model reads them, each once. */
export function textsOf(example: TrainExample): string[] {
  if (example.kind === 'sft') return [example.prompt, ...example.completion];
  if (example.kind === 'prm') return [example.prompt, ...example.steps];
  return [example.prompt, ...(example.shared ?? []), ...example.chosen, ...(example.rejected ?? [])];
}

/** Tokens of all `examples`: their texts, and one EOS a completion. */
export async function countExampleTokens(
  examples: readonly TrainExample[],
  countTokens: (texts: readonly string[]) => Promise<number[]>,
): Promise<number> {
  const counts = await countTokens(examples.map((example) => textsOf(example).join('')));
  const ends = examples.reduce((sum, example) => sum + endsOf(example), 0);
  return counts.reduce((sum, n) => sum + n, 0) + ends;
}

function endsOf(example: TrainExample): number {
  if (example.kind === 'prm') return 0;
  return example.kind === 'preference' && example.rejected !== null ? 2 : 1;
}

/** Optimizer steps that spend about `tokens` on `rows` examples which hold `rowTokens` together; the last step of an epoch may hold fewer rows. At least 1. */
export function stepsForTokens(tokens: number, rows: number, rowTokens: number, batchSize: number): number {
  const perStep = rowTokens / Math.max(1, Math.ceil(rows / batchSize));
  return Math.max(1, Math.round(tokens / Math.max(perStep, 1)));
}

/** The backend's options for one training; `maxSteps` takes the place of that setting. */
export function trainOptions(
  settings: TrainSettings,
  objective: Objective,
  seed: number,
  maxSteps: number | null = settings.maxSteps,
): TrainOptions {
  const { tokens: _tokens, maxSteps: _maxSteps, ...rest } = settings;
  return { ...rest, objective, seed, shuffle: true, ...(maxSteps === null ? {} : { maxSteps }) };
}
