// Paths of questions and a policy -> labels without rollouts: the likelihood of the right answer.
import type { Policy } from '../backend.ts';
import type { StepLabels, StepTally } from '../records.ts';
import { countInto, type StageOutput } from '../run/units.ts';
import { answerLikelihoods } from './answer-likelihood.ts';
import type { QuestionPaths } from './context-length.ts';
import type { UnitContext } from './draw.ts';
import { spoiledSteps } from './exact-checks.ts';
import type { LabelOptions } from './label-options.ts';
import { labelRecord, SETTLED } from './label-record.ts';
import { requireSignal } from './task-signals.ts';

/** What it depends on; `onDone` counts paths. */
interface LikelihoodContext extends UnitContext<LabelOptions> {
  readonly simulator: Policy;
}

/** No rollout was run. */
const NONE: StepTally = { correct: 0, run: 0, stop: 'full', impliedBy: null };

/**
 * Labels the paths of one unit of questions by `answerLikelihoods` (docs/method.md, section 5). A path that leaves no room for the line of the
 * answer gives no record. Counts paths, stepsRead, scoredTokens.
 * @throws SipfError 'unsupported' where the task's answers are no text.
 */
export async function labelByLikelihood(
  items: readonly QuestionPaths[],
  { simulator, options, onDone, ...context }: LikelihoodContext,
): Promise<StageOutput<StepLabels>> {
  const { task } = context;
  requireSignal(task, 'answer', 'labels.mode gold-likelihood');
  const counts: Record<string, number> = {};
  const paths = items.flatMap(({ question, samples }) => samples.map((sample) => ({ question, sample })));
  const read = await answerLikelihoods(paths, simulator, { ...context, from: 0 });
  const tooLong = read.filter((one) => one === null).length;
  if (tooLong > 0) for (const name of ['pathsTooLong', 'pathsUnlabelled']) countInto(counts, name, tooLong);
  const records = paths.flatMap(({ question, sample }, i): StepLabels[] => {
    const likelihood = read[i];
    if (!likelihood) return [];
    const { logps, places, tokens } = likelihood;
    countInto(counts, 'paths');
    countInto(counts, 'stepsRead', places);
    countInto(counts, 'scoredTokens', tokens);
    const spoiled = options.exactChecks ? spoiledSteps(task, question, sample.steps) : [];
    const tallies = logps.slice(1).map((_, j) => (spoiled[j] ? SETTLED : NONE));
    const cost = { simulator: simulator.hash, K: 0, rolloutTokens: tokens };
    return [{ ...labelRecord({ sample, spoiled }, tallies, cost), answerLogps: [...logps] }];
  });
  onDone?.(paths.length);
  return { records, counts };
}
