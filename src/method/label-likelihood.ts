// Paths of questions and a policy -> labels without rollouts: the likelihood of the right answer.
import type { Policy } from '../backend.ts';
import type { StepLabels, StepTally } from '../records.ts';
import { countInto, type StageOutput } from '../run/units.ts';
import { taskOf } from '../task.ts';
import { type AnswerChain, answerLogps, answersFit, chainTokens, requireAnswerText } from './answer-likelihood.ts';
import type { QuestionPaths } from './context-length.ts';
import type { UnitContext } from './draw.ts';
import { spoiledSteps } from './exact-checks.ts';
import type { LabelOptions } from './label-options.ts';
import { type CheckedPath, labelRecord, SETTLED } from './label-record.ts';

/** What it depends on; `onDone` counts paths. */
interface LikelihoodContext extends UnitContext<LabelOptions> {
  readonly simulator: Policy;
}

interface Path extends CheckedPath {
  readonly chain: AnswerChain;
}

/** No rollout was run. */
const NONE: StepTally = { correct: 0, run: 0, stop: 'full', impliedBy: null };

/**
 * Labels the paths of one unit of questions by `answerLogps` (docs/method.md, section 5). A prefix that paths of a question share is read once.
 * A path that leaves no room for the line of the answer gives no record. Counts paths, stepsRead, scoredTokens.
 * @throws SipfError 'unsupported' where the task's answers are no text.
 */
export async function labelByLikelihood(
  items: readonly QuestionPaths[],
  context: LikelihoodContext,
): Promise<StageOutput<StepLabels>> {
  const { simulator, task, onDone } = context;
  requireAnswerText(task, 'labels.mode gold-likelihood');
  const counts: Record<string, number> = {};
  const all = items.flatMap((item) => pathsOf(item, context));
  const fit = await answersFit(
    all.map(({ chain }) => chain),
    simulator,
    context,
  );
  const paths = all.filter((_, i) => fit[i]);
  for (const name of ['pathsTooLong', 'pathsUnlabelled'])
    if (paths.length < all.length) countInto(counts, name, all.length - paths.length);
  const fresh = firstReads(paths);
  const read = await answerLogps(fresh, simulator, context);
  const tokens = await chainTokens(fresh, simulator, context);
  const known = new Map<string, number>();
  for (const [i, { after, ...chain }] of fresh.entries())
    for (const [n, length] of after.entries()) known.set(keyOf(chain, length), read[i]![n]!);
  const records = paths.map((path, i): StepLabels => {
    const cost = { simulator: simulator.hash, K: 0, rolloutTokens: tokens[i]! };
    const tallies = path.chain.pieces.map((_, j) => (path.spoiled[j] ? SETTLED : NONE));
    countInto(counts, 'paths');
    countInto(counts, 'stepsRead', fresh[i]!.after.length);
    countInto(counts, 'scoredTokens', cost.rolloutTokens);
    const logps = path.chain.after.map((length) => known.get(keyOf(path.chain, length))!);
    return { ...labelRecord(path, tallies, cost), answerLogps: logps };
  });
  onDone?.(all.length);
  return { records, counts };
}

/** A path's steps but the last, which holds its own answer. */
function pathsOf({ question, samples }: QuestionPaths, { task, options }: LikelihoodContext): Path[] {
  return samples.map((sample) => {
    const pieces = taskOf(task, question).pieces(sample.steps).slice(0, -1);
    const spoiled = options.exactChecks ? spoiledSteps(task, question, sample.steps) : [];
    return { sample, spoiled, chain: { question, pieces, after: [0, ...pieces.map((_, j) => j + 1)] } };
  });
}

/** Each path's chain, less what the chains before it read. */
function firstReads(paths: readonly Path[]): AnswerChain[] {
  const asked = new Set<string>();
  return paths.map(({ chain }) => {
    const after = chain.after.filter((length) => !asked.has(keyOf(chain, length)));
    for (const length of after) asked.add(keyOf(chain, length));
    return { ...chain, after };
  });
}

function keyOf({ question, pieces }: Omit<AnswerChain, 'after'>, length: number): string {
  return JSON.stringify([question.id, ...pieces.slice(0, length)]);
}
