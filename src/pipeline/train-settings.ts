// A stage's training section of the configuration -> the backend's TrainOptions. Leaves the objective and the rows to the stage.
import { z } from 'zod';
import type { Objective, TrainExample, TrainOptions } from '../backends/backend.ts';

export const LoraSettings = z.strictObject({
  rank: z.number().int().positive().default(16),
  alpha: z.number().positive().default(32),
  dropout: z.number().min(0).max(1).default(0),
  targets: z.union([z.array(z.string()), z.literal('all-linear')]).default('all-linear'),
});

/** How a stage trains. `lora: null` trains every weight. `tokens` ends training by an amount of optimizer tokens instead of `epochs`. */
export const TrainSettings = z.strictObject({
  lora: LoraSettings.nullable().default(null),
  learningRate: z.number().positive().default(1e-4),
  schedule: z.enum(['linear', 'cosine', 'constant']).default('linear'),
  warmup: z.number().min(0).default(0.1),
  weightDecay: z.number().min(0).default(0),
  clip: z.number().positive().nullable().default(1),
  betas: z.tuple([z.number(), z.number()]).default([0.9, 0.999]),
  eps: z.number().positive().default(1e-8),
  batchSize: z.number().int().positive().default(16),
  epochs: z.number().positive().default(1),
  tokens: z.number().positive().nullable().default(null),
  maxSteps: z.number().int().positive().nullable().default(null),
  tokensPerPass: z.number().int().positive().default(1024),
  activationsGiB: z.number().min(0).default(8),
  maxLength: z.number().int().positive().default(512),
  checkpointEverySteps: z.number().int().positive().default(50),
});
export type TrainSettings = z.infer<typeof TrainSettings>;

/** Texts of an example as the model reads them, each once. */
export function textsOf(example: TrainExample): string[] {
  if (example.kind === 'sft') return [example.prompt, ...example.completion];
  if (example.kind === 'prm') return [example.prompt, ...example.steps];
  return [example.prompt, ...example.chosen, ...(example.rejected ?? [])];
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

export function trainOptions(
  settings: TrainSettings,
  objective: Objective,
  seed: number,
  maxSteps: number | null = settings.maxSteps,
): TrainOptions {
  const { tokens: _tokens, maxSteps: _maxSteps, ...rest } = settings;
  return { ...rest, objective, seed, shuffle: true, ...(maxSteps === null ? {} : { maxSteps }) };
}
