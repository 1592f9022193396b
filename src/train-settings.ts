// How a stage trains, as the configuration and the options of a trainer say it: one schema.
import { z } from 'zod';
import { described } from './described.ts';
import { MOST } from './limits.ts';

/** Low-rank factors beside frozen weights (LoRA, Hu et al. 2021). */
const LoraSettings = z.strictObject({
  rank: described(
    z.number().int().positive().max(MOST.rank).default(16),
    'Rank of the low-rank factors. Raise it where LoRA learns too little; memory and time grow slowly with it.',
  ),
  alpha: described(
    z.number().positive().default(32),
    'Scale of what the factors add, divided by rank. Keep it near twice the rank; change learningRate first.',
  ),
  dropout: described(
    z.number().min(0).max(1).default(0),
    "Share of the factors' inputs that are set to zero in training. Raise it (0.05) for many epochs on few rows.",
  ),
  targets: described(
    z.union([z.array(z.string()).min(1), z.literal('all-linear')]).default('all-linear'),
    'Layers that get factors: all-linear, or a list such as ["q_proj", "v_proj"]; a wrong name is answered with the layers of the model. Name fewer for less memory and a smaller adapter.',
  ),
});

/** How a stage trains. */
export const TrainSettings = z.strictObject({
  lora: described(
    LoraSettings.nullable().default(null),
    'Trains low-rank factors beside frozen weights. null: trains every weight. Use it ({"rank": 16}) for models from 100M parameters on: it needs a fraction of the memory.',
  ),
  learningRate: described(
    z.number().positive().default(1e-4),
    'Highest learning rate. Lower it where the loss jumps or diverges; raise it where the loss hardly falls. LoRA takes about ten times that of full training.',
  ),
  schedule: described(
    z.enum(['linear', 'cosine', 'constant']).default('linear'),
    'How the rate falls after its warm-up. linear and cosine: to 0 at the last optimizer step. constant: not at all. Change it to copy another recipe.',
  ),
  warmup: described(
    z.number().min(0).default(0.1),
    'Optimizer steps in which the rate rises from 0: below 1 a share of all steps, from 1 on their number. Raise it where training starts badly.',
  ),
  weightDecay: described(
    z.number().min(0).default(0),
    'Decoupled weight decay (AdamW). Raise it (0.01 to 0.1) for many epochs on few rows.',
  ),
  clip: described(
    z.number().positive().nullable().default(1),
    'Longest gradient norm; longer gradients are scaled to it. null: no limit. Lower it (0.3) where the loss jumps.',
  ),
  betas: described(
    z.tuple([z.number(), z.number()]).default([0.9, 0.999]),
    "Decay of AdamW's two moments. Lower the second (0.98) for short trainings with small batches.",
  ),
  eps: described(
    z.number().positive().default(1e-8),
    "Added to the root of AdamW's second moment. There is no reason to change it, save to copy another recipe.",
  ),
  batchSize: described(
    z.number().int().positive().max(MOST.unit).default(16),
    'Rows of one optimizer step. Raise it for steadier steps, lower it for more of them; memory does not depend on it.',
  ),
  epochs: described(
    z.number().positive().max(MOST.rounds).default(1),
    'How often each row is seen; 0.5 is half of them. Raise it while valid accuracy still rises. Unused where tokens or maxSteps is set.',
  ),
  tokens: described(
    z.number().positive().nullable().default(null),
    'Ends training after about so many tokens, for any number of rows. null: by epochs. Set it to fix what training costs.',
  ),
  maxSteps: described(
    z.number().int().positive().nullable().default(null),
    'Ends training after so many optimizer steps. null: by epochs. Set it for a quick trial; tokens has the last word.',
  ),
  tokensPerPass: described(
    z.number().int().positive().max(MOST.tokens).default(1024),
    'Tokens of one forward and backward pass; an optimizer step takes as many passes as it needs. Lower it for less memory. Results stay the same but for rounding.',
  ),
  activationsGiB: described(
    z.number().min(0).default(8),
    'GiB that a pass may keep for its backward pass; beyond that each layer is computed again, for time instead of memory. Lower it (2) where memory is short.',
  ),
  maxLength: described(
    z.number().int().positive().max(MOST.tokens).default(512),
    'Longest row in tokens, prompt included; longer rows are left out, counted and reported. Raise it where a warning says that rows were left out.',
  ),
  checkpointEverySteps: described(
    z.number().int().positive().default(50),
    'Optimizer steps between checkpoints, from which a stopped training continues. Lower it where single steps take minutes.',
  ),
});
export type TrainSettings = z.infer<typeof TrainSettings>;
