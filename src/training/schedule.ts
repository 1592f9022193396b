// An optimizer step's number -> its learning rate, as Hugging Face's schedules count.
import type { TrainOptions } from '../backend.ts';

type ScheduleOptions = Pick<TrainOptions, 'learningRate' | 'schedule' | 'warmup'>;

/** Factor by progress in [0, 1] after the warm-up. */
const SHAPES: Readonly<Record<TrainOptions['schedule'], (progress: number) => number>> = {
  linear: (progress) => 1 - progress,
  cosine: (progress) => 0.5 * (1 + Math.cos(Math.PI * progress)),
  constant: () => 1,
};

/**
 * Warm-up steps: `warmup` itself from 1 on, else that fraction of all steps, rounded up. At most `steps - 1`, so that a short run, whose
 * first warm-up step has rate 0, still moves.
 */
export function warmupSteps(warmup: number, steps: number): number {
  const wanted = warmup >= 1 ? Math.round(warmup) : Math.ceil(warmup * steps);
  return Math.min(wanted, Math.max(0, steps - 1));
}

/** Learning rate of step 0, 1, ...: rises from 0 during the warm-up, then falls to 0 at `steps` (linear, cosine) or stays. */
export function learningRate(
  { learningRate: peak, schedule, warmup }: ScheduleOptions,
  step: number,
  steps: number,
): number {
  const rise = warmupSteps(warmup, steps);
  if (step < rise) return (peak * step) / rise;
  return peak * SHAPES[schedule]((step - rise) / Math.max(1, steps - rise));
}
