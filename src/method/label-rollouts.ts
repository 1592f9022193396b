// Paths of questions and a simulator -> Monte-Carlo tallies of their steps, by rollouts.
import type { Policy, ProcessRewardModel } from '../backend.ts';
import type { Sample, StepLabels } from '../records.ts';
import { countInto, type StageOutput } from '../run/units.ts';
import { sum } from '../statistics/intervals.ts';
import { type QuestionPaths, withinContext } from './context-length.ts';
import { type Drawn, drawAndGrade, drawing, prefixOf, type UnitContext } from './draw.ts';
import { spoiledSteps } from './exact-checks.ts';
import type { LabelOptions } from './label-options.ts';
import { labelRecord, SETTLED } from './label-record.ts';
import { advance, isOpen, resume, type ScannedPath, type StepPrefix, scanned } from './path-scan.ts';
import type { BuildPrompt } from './prompt.ts';
import { rolloutPaths } from './rollout-paths.ts';
import { proposeErrors, scanOf } from './verify-labels.ts';

/** What labelling depends on; `onDone` counts paths. */
export interface LabelContext extends UnitContext<LabelOptions> {
  readonly simulator: Policy;
  /** Proposes first errors in the mode verify; without it that mode is first-success. */
  readonly prm?: ProcessRewardModel | null | undefined;
  /** Prompts of the PRM, where the simulator has others. */
  readonly prmPrompt?: BuildPrompt | undefined;
}

interface PathsContext extends LabelContext {
  readonly paths: readonly ScannedPath[];
}

/**
 * Labels the paths of one unit of questions; their rollouts share the slots of the simulator. Each prefix asks for one rollout at a time, few
 * prefixes for several (all K in full mode). A path without labels (too long, or too many errors) gives no record; counts say how many.
 */
export async function labelByRollouts(
  items: readonly QuestionPaths[],
  given: LabelContext,
): Promise<StageOutput<StepLabels>> {
  const { simulator, options, onDone } = given;
  const counts: Record<string, number> = {};
  const proposed = await proposals(items, given, counts);
  const paths = items.flatMap((item) => pathsOf(item, given, proposed));
  const context: PathsContext = { ...given, paths };
  if (options.exactChecks) countSettled(context, counts);
  await setTooLongAside(context, counts);
  const first = paths.filter(({ failed }) => !failed).flatMap((path) => advance(path, context));
  const tokens = await drawAndGrade(first, drawing('rollout', simulator, given), {
    take: (drawn) => {
      if (options.keepRollouts === true) drawn.prefix.rollouts[drawn.index] = drawn;
      record(drawn, counts);
    },
    next: (prefix) => (options.mode === 'full' && prefix.pending > 0 ? [] : resume(prefix, context)),
    onEnded: () => onDone?.(paths.filter((path) => !isOpen(path)).length),
  });
  Object.assign(counts, tokens);
  countVain(context, counts);
  const paid = new Set<StepPrefix>();
  return { records: paths.flatMap((path) => finish(path, context, counts, paid)), counts };
}

async function proposals(
  items: readonly QuestionPaths[],
  { prm = null, options, ...context }: LabelContext,
  counts: Record<string, number>,
): Promise<ReadonlyMap<string, number>> {
  if (options.mode !== 'verify' || prm === null) return new Map();
  const { proposed, scoredTokens } = await proposeErrors(items, prm, {
    ...context,
    prompt: context.prmPrompt ?? context.prompt,
  });
  countInto(counts, 'scoredTokens', scoredTokens);
  return proposed;
}

function pathsOf(
  { question, samples }: QuestionPaths,
  { task, prompt, options }: LabelContext,
  proposals: ReadonlyMap<string, number>,
): ScannedPath[] {
  const whole = prefixOf(task, question, prompt(question));
  const byText = new Map<string, StepPrefix>();
  return samples.map((sample) => {
    const pieces = whole.task.pieces(sample.steps);
    const own = sample.steps.slice(0, -1).map((_, j) => {
      const upTo = pieces.slice(0, j + 1);
      const text = upTo.join('');
      const prefix = byText.get(text) ?? { ...whole, pieces: upTo, results: [], tokens: [], rollouts: [], waiting: [] };
      byText.set(text, prefix);
      return prefix;
    });
    const spoiled = options.exactChecks ? spoiledSteps(task, question, sample.steps) : [];
    const tallies = own.map((_, j) => (spoiled[j] ? SETTLED : null));
    const scan = scanOf(tallies, proposals.get(sample.id) ?? null);
    return { sample, spoiled, prefixes: own, tallies, ...scan, failed: false };
  });
}

/** A path whose longest prefix leaves the simulator no room for a rollout stays without labels. */
async function setTooLongAside({ simulator, paths }: PathsContext, counts: Record<string, number>): Promise<void> {
  const rolled = paths.filter(({ at }) => at >= 0);
  const longest = rolled.map(({ prefixes, at }) => prefixes[at]!);
  const within = await withinContext(
    simulator,
    longest.map(({ prompt, pieces }) => [prompt, ...pieces]),
  );
  for (const [n, path] of rolled.entries()) {
    if (within[n]) continue;
    path.failed = true;
    countInto(counts, 'pathsTooLong');
  }
}

/** Rollouts that were asked for ahead and not needed, and their tokens. */
function countVain({ paths, options }: PathsContext, counts: Record<string, number>): void {
  if (options.mode === 'full') return;
  for (const prefix of new Set(paths.flatMap(({ prefixes }) => prefixes))) {
    const { asked, tokens } = prefix;
    const { used } = scanned(prefix, options);
    if (asked === used) continue;
    countInto(counts, 'rolloutsInVain', asked - used);
    countInto(counts, 'tokensInVain', sum(tokens.slice(used)));
  }
}

/** Steps that exact checks settle, and the rollouts that these would have cost at most: K for each prefix. */
function countSettled({ paths, options }: PathsContext, counts: Record<string, number>): void {
  const settled = paths.flatMap(({ prefixes, tallies }) => prefixes.filter((_, j) => tallies[j] !== null));
  countInto(counts, 'stepsSettled', settled.length);
  countInto(counts, 'rolloutsSaved', options.K * new Set(settled).size);
}

function record({ prefix, index, completion, graded }: Drawn<StepPrefix>, counts: Record<string, number>): void {
  const { kind } = graded.outcome;
  prefix.results[index] = kind === 'error' ? null : kind === 'right';
  prefix.tokens[index] = completion.tokens;
  countInto(counts, 'rollouts');
  countInto(counts, kind === 'error' ? 'rolloutErrors' : `rollouts:${kind}`);
  if (completion.finishReason === 'length') countInto(counts, 'rolloutsTruncated');
}

/** `paid`: prefixes whose tokens a record has. */
function finish(
  path: ScannedPath,
  given: LabelContext,
  counts: Record<string, number>,
  paid: Set<StepPrefix>,
): StepLabels[] {
  const { options, simulator } = given;
  const tallies = path.tallies.filter((tally) => tally !== null);
  if (path.failed || tallies.length < path.tallies.length) {
    countInto(counts, 'pathsUnlabelled');
    return [];
  }
  countInto(counts, 'paths');
  countInto(counts, 'stepsRolledOut', tallies.filter(({ run }) => run > 0).length);
  countInto(counts, 'stepsImplied', tallies.filter(({ impliedBy }) => impliedBy !== null).length);
  if (path.proposed !== null)
    countInto(counts, 'stepsAssumed', tallies.filter(({ assumed }) => assumed !== undefined).length);
  // A prefix's tokens are charged to the first path that it settled a step of: they do not depend on what ran when.
  const own = path.prefixes.filter((prefix, j) => (tallies[j]?.run ?? 0) > 0 && !paid.has(prefix));
  for (const prefix of own) paid.add(prefix);
  const tokensOf = (prefix: StepPrefix): number => sum(prefix.tokens.slice(0, scanned(prefix, options).used));
  // Not those that were asked for ahead: which these are depends on what ran when.
  const keptOf = (prefix: StepPrefix): Sample[] =>
    rolloutPaths(path.sample, prefix.rollouts.slice(0, scanned(prefix, options).used), given);
  const cost = { simulator: simulator.hash, K: options.K, rolloutTokens: sum(own.map(tokensOf)) };
  const record = labelRecord(path, tallies, cost);
  return [options.keepRollouts === true ? { ...record, rollouts: own.flatMap(keptOf) } : record];
}
