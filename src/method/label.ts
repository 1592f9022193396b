// Stage 2: samples and a simulator -> what labels every step: Monte-Carlo tallies, or likelihoods.
import type { StepLabels } from '../records.ts';
import type { Counts } from '../reports.ts';
import type { StageOutput } from '../run/units.ts';
import type { QuestionPaths } from './context-length.ts';
import { labelByLikelihood } from './label-likelihood.ts';
import { type LabelContext, labelByRollouts } from './label-rollouts.ts';
import { requireSignal, requireTexts } from './task-signals.ts';

/**
 * Labels the paths of one unit of questions as `labels.mode` says (docs/method.md, section 5).
 * @throws SipfError 'unsupported' where the options read equations, or the text of the answer, and the task has none.
 */
export async function labelUnit(
  items: readonly QuestionPaths[],
  context: LabelContext,
): Promise<StageOutput<StepLabels>> {
  const { exactChecks, calculator, mode } = context.options;
  if (exactChecks) requireSignal(context.task, 'equations', 'labels.exactChecks true');
  if (calculator === true) requireTexts(context.task, 'labels.calculator true');
  return mode === 'gold-likelihood' ? labelByLikelihood(items, context) : labelByRollouts(items, context);
}

/**
 * The labels of `units`, unit by unit: stage 2 without a run directory. `onUnit` receives the counts of each unit.
 * @throws SipfError 'unsupported' as `labelUnit` does.
 * @example
 * await using simulator = await backend.openPolicy({ model: './SmolLM2-135M' });
 * const context = { simulator, task, prompt, options: parseConfig({}).labels, seed: 0, iteration: 1 };
 * for await (const labels of labelSteps([[{ question, samples }]], context)) console.log(labels.steps);
 */
export async function* labelSteps(
  units: AsyncIterable<readonly QuestionPaths[]> | Iterable<readonly QuestionPaths[]>,
  context: LabelContext,
  onUnit: (counts: Counts) => void = () => {},
): AsyncGenerator<StepLabels> {
  for await (const unit of units) {
    const { records, counts } = await labelUnit(unit, context);
    onUnit(counts);
    yield* records;
  }
}
