// What completed stages keep in their markers, as schemas. Leaves the stages to stages.ts and policies.ts.
import { z } from 'zod';
import { Checkpoint } from '../records.ts';

export const COUNTS = z.record(z.string(), z.number());

/** A trained model with what its training spent. */
export const Trained = z.object({
  checkpoint: Checkpoint,
  steps: z.number().int(),
  trainTokens: z.number(),
  examples: z.number().int(),
  /** Examples longer than maxLength. */
  dropped: z.number().int(),
  counts: COUNTS,
});
export type Trained = z.infer<typeof Trained>;
