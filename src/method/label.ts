// Stage 2: samples and a simulator -> what labels every step: Monte-Carlo tallies, or likelihoods.
import { z } from 'zod';
import type { Policy, ProcessRewardModel } from '../backend.ts';
import { described, traceless } from '../described.ts';
import { MOST } from '../limits.ts';
import type { Sample, StepLabels, StepTally } from '../records.ts';
import type { Counts } from '../reports.ts';
import { countInto, type StageOutput } from '../run/units.ts';
import { sum } from '../statistics/intervals.ts';
import { type QuestionPaths, withinContext } from './context-length.ts';
import { ask, type Draw, type Drawn, drawAndGrade, drawing, type Prefix, prefixOf, type UnitContext } from './draw.ts';
import { requireEquations, requireTexts, spoiledSteps } from './exact-checks.ts';
import { labelByLikelihood } from './label-likelihood.ts';
import { labelRecord, SETTLED } from './label-record.ts';
import type { BuildPrompt } from './prompt.ts';
import { rolloutPaths } from './rollout-paths.ts';
import { scan } from './tallies.ts';
import { assumeOthers, proposeErrors, type ScannedPath, scanOf } from './verify-labels.ts';

/** Stage 2: how steps are labelled. */
export const LabelOptions = z.strictObject({
  K: described(
    z.number().int().positive().max(MOST.samples).default(8),
    'Rollouts of a step. Raise it for surer labels where right rollouts are rare; time grows with it.',
  ),
  delta: described(
    z.number().int().min(0).default(0),
    'A step is correct when more than this many of its rollouts are right. Raise it where lucky answers make wrong steps correct.',
  ),
  mode: described(
    z.enum(['auto', 'first-success', 'full', 'gold-likelihood', 'verify']).default('auto'),
    "first-success: stops a step at its first right rollout; hard labels stay exact. full: all K rollouts, for soft labels and the tallies scorer. gold-likelihood: no rollouts; how probable the right answer is after each step, for a small part of their time. verify: only the step with the largest drop of the last round's PRM scores, and the one before it (SAPO). auto: what the configuration needs. Set full to keep complete tallies, verify or gold-likelihood where rollouts cost too much.",
  ),
  keepRollouts: described(
    z.boolean().optional(),
    'Rollouts are kept as paths, which later stages score, pair and train on (SAPO). Absent: false. Set it true for more paths without more draws.',
  ),
  closure: described(
    z.enum(['monotone', 'none']).default('monotone'),
    'monotone: a step is correct if a later one is, which saves rollouts. none: each step by its own rollouts (the paper). Take none to repeat the paper.',
  ),
  ownWitness: described(
    z.boolean().default(false),
    "A right path's own success settles all its steps, without rollouts: an outcome label, and an approximation. Set it true only where rollouts cost too much.",
  ),
  exactChecks: described(
    z.boolean().default(false),
    'A false equation settles its step and all later ones as wrong, without rollouts. Set it true where steps hold equations: it saves time, and no lucky rollout makes such a step correct.',
  ),
  paths: described(
    z.number().int().positive().nullable().default(null),
    'Paths that are labelled in a round, half right and half wrong where there are enough, pairs of one question first. null: all. The first lever for the time of labelling.',
  ),
  heldOut: described(
    z.number().min(0).max(1).default(0.1),
    'Share of questions whose labels never train a PRM: all figures of the PRM come from them. Raise it where a warning says that nothing tells how good the PRM is.',
  ),
  relabel: described(
    z.boolean().default(false),
    'Labels the paths of earlier rounds again with the current simulator. Set it true where the policy changes much from round to round; the cost grows each round.',
  ),
  temperature: described(
    z.number().positive().default(1),
    'Randomness of rollouts. Keep it near sampling.temperature, so that labels speak of the policy as it samples.',
  ),
  topP: described(
    z.number().positive().max(1).default(1),
    'Nucleus sampling of rollouts: the likeliest tokens that hold this much probability. 1: all. Keep it as sampling.topP.',
  ),
  topK: described(
    z.number().int().min(0).default(0),
    'Only the k likeliest tokens in rollouts. 0: all. Keep it as sampling.topK.',
  ),
  maxTokens: described(
    z.number().int().positive().max(MOST.tokens).nullable().default(null),
    "Longest rollout in tokens. null: the task's own limit. Lower it for time, to no less than a path needs.",
  ),
  calculator: described(
    traceless(false),
    'Results of `<<3*4=` annotations in rollouts are computed and written, not drawn. Keep it as sampling.calculator.',
  ),
  gradeRetries: described(
    z.number().int().min(0).max(MOST.retries).default(2),
    'How often a rollout is graded again after an error of the grading itself. Raise it on a machine that is short of memory.',
  ),
  unit: described(
    z.number().int().positive().max(MOST.unit).default(64),
    'Questions that are labelled and saved together. Lower it to lose less work at a stop; a small unit leaves batches half empty.',
  ),
  lookahead: described(
    z.number().int().positive().max(MOST.unit).default(32),
    'Rollouts to keep running: with fewer steps under scan, each asks for several at once. Labels and records stay the same. 1: never. Change it for speed only.',
  ),
});
export type LabelOptions = z.infer<typeof LabelOptions>;

/** What labelling depends on; `onDone` counts paths. */
interface LabelContext extends UnitContext<LabelOptions> {
  readonly simulator: Policy;
  /** Proposes first errors in the mode verify; without it that mode is first-success. */
  readonly prm?: ProcessRewardModel | null | undefined;
  /** Prompts of the PRM, where the simulator has others. */
  readonly prmPrompt?: BuildPrompt | undefined;
}

/** A prefix of one question's paths, rolled out once however many paths share it. */
interface StepPrefix extends Prefix {
  /** Outcome by rollout index; null: an infrastructure error; a hole: still running. */
  readonly results: (boolean | null | undefined)[];
  /** Length by rollout index, and the rollouts themselves where they are kept. */
  readonly tokens: number[];
  readonly rollouts: Drawn<StepPrefix>[];
  waiting: Path[];
}

interface Path extends ScannedPath {
  readonly prefixes: readonly StepPrefix[];
  failed: boolean;
}

interface PathsContext extends LabelContext {
  readonly paths: readonly Path[];
}

const isOpen = ({ failed, tallies }: Path): boolean => !failed && tallies.includes(null);

/**
 * Labels the paths of one unit of questions (docs/method.md, section 5); their rollouts share the slots of the simulator.
 * Each prefix asks for one rollout at a time, few prefixes for several (all K in full mode).
 * A path without labels (too long, or too many errors) gives no record; counts say how many.
 * @throws SipfError 'unsupported' where the options read equations, or the text of the answer, and the task has none.
 */
export async function labelUnit(
  items: readonly QuestionPaths[],
  given: LabelContext,
): Promise<StageOutput<StepLabels>> {
  const { simulator, task, options, onDone } = given;
  if (options.exactChecks) requireEquations(task, 'labels.exactChecks true');
  if (options.calculator === true) requireTexts(task, 'labels.calculator true');
  if (options.mode === 'gold-likelihood') return labelByLikelihood(items, given);
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

/**
 * The labels of `units`, unit by unit: stage 2 without a run directory. `onUnit` receives the counts of each unit.
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
): Path[] {
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

/** What has come of a prefix's rollouts. In full mode only all K settle it. */
function scanned({ results }: StepPrefix, { K, delta, mode }: LabelOptions) {
  return scan(results, { K, delta: mode === 'full' ? K : delta });
}

/** The rollouts that the paths waiting for a prefix need next. */
function resume(prefix: StepPrefix, context: PathsContext): Draw<StepPrefix>[] {
  const { waiting } = prefix;
  prefix.waiting = [];
  return waiting.flatMap((path) => advance(path, context));
}

/** Settles what is known of a path. Returns the rollouts that it needs next: none when it is done, or waits for those of another path. */
function advance(path: Path, context: PathsContext): Draw<StepPrefix>[] {
  const { options } = context;
  if (options.ownWitness && path.sample.outcome.kind === 'right') {
    for (const [j, tally] of path.tallies.entries()) path.tallies[j] = tally ?? implied(path.prefixes.length);
    return [];
  }
  if (options.mode === 'full') return advanceFull(path, options);
  while (path.at >= path.from) {
    const prefix = path.prefixes[path.at];
    if (prefix === undefined) return [];
    const { state, tally } = scanned(prefix, options);
    if (state === 'open') return waitFor(path, prefix, ahead(prefix, context));
    path.failed = state === 'failed';
    if (path.failed) return [];
    path.tallies[path.at] = tally;
    if (tally.correct > options.delta && options.closure === 'monotone') {
      for (let j = 0; j < path.at; j += 1) path.tallies[j] = implied(path.at);
      path.at = -1;
    }
    path.at -= 1;
  }
  assumeOthers(path, options.delta);
  return [];
}

/** All steps at once: each asks for the rollouts that it still lacks, again where some ended in errors. */
function advanceFull(path: Path, options: LabelOptions): Draw<StepPrefix>[] {
  return path.prefixes.flatMap((prefix, j) => {
    if (path.tallies[j] !== null || prefix.waiting.includes(path)) return [];
    const { state, tally } = scanned(prefix, options);
    if (state === 'open') return waitFor(path, prefix, prefix.pending > 0 ? 0 : options.K - tally.run);
    if (state === 'done') path.tallies[j] = tally;
    else path.failed = true;
    return [];
  });
}

function waitFor(path: Path, prefix: StepPrefix, count: number): Draw<StepPrefix>[] {
  prefix.waiting.push(path);
  return ask(prefix, count);
}

/** How many more rollouts a prefix asks for now: its next one, and those that it may need later where few prefixes are under scan. */
function ahead(prefix: StepPrefix, { options, paths }: PathsContext): number {
  const { used, tally } = scanned(prefix, options);
  const share = options.lookahead === 1 ? 1 : Math.floor(options.lookahead / underScan(paths));
  const wanted = Math.min(Math.max(1, share), options.K - tally.run);
  return Math.max(0, wanted - (prefix.asked - used));
}

/** Prefixes that are rolled out now: paths of one question often wait for the same one. */
function underScan(paths: readonly Path[]): number {
  return new Set(paths.filter(isOpen).map(({ prefixes, at }) => prefixes[at])).size;
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

function implied(by: number): StepTally {
  return { correct: 0, run: 0, stop: 'first-success', impliedBy: by };
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
function finish(path: Path, given: LabelContext, counts: Record<string, number>, paid: Set<StepPrefix>): StepLabels[] {
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
