// A model and a loss -> how the examples of an optimizer step are divided into passes.
import type { TrainOptions } from '../backend.ts';
import type { Decoder } from '../models/architectures/architecture.ts';
import type { Loss } from '../objectives/objective.ts';
import type { PackOptions } from './batches.ts';
import { passCost, positionBudget } from './cost.ts';
import { positionsOf } from './placed.ts';

/** Where passes are part of the objective, a trainer elsewhere needs the same ones. */
export function packing(decoder: Decoder, loss: Loss, options: TrainOptions): PackOptions {
  return {
    tokensPerPass: options.tokensPerPass,
    maxPositions: positionBudget(decoder.config),
    positionsOf: positionsOf(loss),
    cost: passCost(decoder, options.lora !== null),
    examplesPerPass: options.examplesPerPass,
    inOrder: loss.inOrder,
  };
}
