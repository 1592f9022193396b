// Examples placed in passes -> what losses read of them: where each token is predicted.
import type { Loss, LossPass, PlacedExample, Prediction } from '../objectives/objective.ts';
import type { Pass, Placement } from './batches.ts';
import type { TokenExample } from './examples.ts';

/** One pass within its optimizer step. */
export interface StepPass extends LossPass {
  readonly pass: Pass;
}

/** All passes of an optimizer step. */
export function placeStep(passes: readonly Pass[]): StepPass[] {
  const step = passes.map(({ placements, seq }) => placements.map((placement) => placed(placement, seq)));
  return passes.map((pass, n) => ({ pass, examples: step[n] ?? [], step }));
}

/** Positions of an example that need the output head. */
export function positionsOf(loss: Loss): (example: TokenExample) => number {
  return (example) => loss.positions(placedAlone(example));
}

/** An example as if it were alone in a pass. */
export const placedAlone = (example: TokenExample): PlacedExample => placed({ example, row: 0, offset: 0 }, 0);

function placed({ example, row, offset }: Placement, seq: number): PlacedExample {
  const { prompt, branches, silent, stepEnds, reference } = example;
  const start = row * seq + offset;
  const end = start + prompt.length;
  let next = end;
  const predictions = branches.map((ids, branch) => {
    const first = next;
    next += ids.length;
    return ids.flatMap((target, u): Prediction[] => {
      if (silent?.[branch]?.[u] || (u === 0 && prompt.length === 0)) return [];
      // A branch's first token is predicted at the prompt's last one.
      return [{ row: (u > 0 ? first + u : end) - 1, target }];
    });
  });
  return {
    prompt: prompt.slice(1).map((target, t) => ({ row: start + t, target })),
    branches: predictions,
    stepEnds: stepEnds.map(({ at, target }) => ({ row: end + at, target })),
    reference,
  };
}
