// Stage 2: samples and a simulator -> Monte-Carlo tallies of every step. Leaves hard or soft labels to step-labels.ts.
import type { Completion, GenerateRequest, Policy } from '../backend.ts';
import { drawKey } from '../hashing.ts';
import type { Outcome, Question, Sample, StepLabels, StepTally } from '../records.ts';
import { type Counts, countInto, gradeWithRetries, type StageOutput } from '../run/units.ts';
import { type Task, taskOf } from '../task.ts';
import { fitsContext } from './fits.ts';
import type { LabelOptions } from './label-options.ts';
import type { BuildPrompt } from './prompt.ts';
import { samplingOf } from './sample.ts';

export interface LabelContext {
  readonly simulator: Policy;
  readonly task: Task;
  readonly prompt: BuildPrompt;
  readonly options: LabelOptions;
  readonly seed: number;
  readonly iteration: number;
  readonly signal?: AbortSignal | undefined;
  /** Called with how many of the unit's paths are labelled. */
  readonly onDone?: ((done: number) => void) | undefined;
}

/** A question and those of its samples that get labels. */
export interface LabelItem {
  readonly question: Question;
  readonly samples: readonly Sample[];
}

/** A prefix of one question's paths, rolled out once however many paths share it. */
interface Prefix {
  /** Its place in the unit's list: names its rollouts. */
  readonly place: number;
  readonly pieces: readonly string[];
  readonly item: LabelItem;
  readonly prompt: string;
  /** Outcome by rollout index; null: an infrastructure error; a hole: still running. */
  readonly results: (boolean | null | undefined)[];
  /** Length by rollout index. */
  readonly tokens: number[];
  asked: number;
  pending: number;
  waiting: Path[];
}

interface Path {
  readonly sample: Sample;
  readonly prefixes: readonly Prefix[];
  readonly tallies: (StepTally | null)[];
  /** The step under scan. */
  at: number;
  failed: boolean;
}

/** The context, with all paths of the unit. */
interface UnitContext extends LabelContext {
  readonly paths: readonly Path[];
}

const isOpen = ({ failed, tallies }: Path): boolean => !failed && tallies.includes(null);

/** Labels the paths of one unit of questions. Rollouts of all of them share the slots; each prefix asks for one at a time, few prefixes for several (all K in full mode). */
export async function labelUnit(items: readonly LabelItem[], given: LabelContext): Promise<StageOutput<StepLabels>> {
  const counts: Record<string, number> = {};
  const prefixes: Prefix[] = [];
  const paths = items.flatMap((item) => pathsOf(item, prefixes, given));
  const context: UnitContext = { ...given, paths };
  await setTooLongAside(paths, context, counts);
  const first = paths.filter(({ failed }) => !failed).flatMap((path) => advance(path, context));
  const onFinished = async (finished: readonly Completion[]): Promise<GenerateRequest[]> => {
    const next: GenerateRequest[] = [];
    const judged = await Promise.all(finished.map((completion) => judge(completion, prefixes, context)));
    for (const [i, completion] of finished.entries()) {
      const prefix = record(completion, judged[i]!, counts);
      if (context.options.mode === 'full' && prefix.pending > 0) continue;
      const { waiting } = prefix;
      prefix.waiting = [];
      for (const path of waiting) next.push(...advance(path, context));
    }
    context.onDone?.(paths.filter((path) => !isOpen(path)).length);
    return next;
  };
  if (first.length > 0) {
    const stats = await context.simulator.generate(first, onFinished, { signal: context.signal });
    countInto(counts, 'promptTokens', stats.promptTokens);
    countInto(counts, 'generatedTokens', stats.generatedTokens);
  }
  countVain(prefixes, context, counts);
  const paid = new Set<Prefix>();
  return { records: paths.flatMap((path) => finish(path, context, { counts, paid })), counts };
}

/** The stage on its own: streams the labels of `items`, unit by unit. */
export async function* labelSteps(
  units: AsyncIterable<readonly LabelItem[]> | Iterable<readonly LabelItem[]>,
  context: LabelContext,
  onUnit: (counts: Counts) => void = () => {},
): AsyncGenerator<StepLabels> {
  for await (const unit of units) {
    const { records, counts } = await labelUnit(unit, context);
    onUnit(counts);
    yield* records;
  }
}

function pathsOf(item: LabelItem, prefixes: Prefix[], { task, prompt }: LabelContext): Path[] {
  const text = prompt(item.question);
  const byText = new Map<string, Prefix>();
  return item.samples.map((sample) => {
    const pieces = taskOf(task, item.question).pieces(sample.steps);
    const own = sample.steps.slice(0, -1).map((_, j) => {
      const upTo = pieces.slice(0, j + 1);
      const key = upTo.join('');
      let prefix = byText.get(key);
      if (prefix === undefined) {
        prefix = {
          place: prefixes.length,
          pieces: upTo,
          item,
          prompt: text,
          results: [],
          tokens: [],
          asked: 0,
          pending: 0,
          waiting: [],
        };
        byText.set(key, prefix);
        prefixes.push(prefix);
      }
      return prefix;
    });
    return { sample, prefixes: own, tallies: own.map(() => null), at: own.length - 1, failed: false };
  });
}

/** A path whose longest prefix leaves the simulator no room for a rollout stays without labels. */
async function setTooLongAside(
  paths: readonly Path[],
  { simulator }: LabelContext,
  counts: Record<string, number>,
): Promise<void> {
  const rolled = paths.flatMap((path) => {
    const longest = path.prefixes.at(-1);
    return longest === undefined ? [] : [{ path, text: [longest.prompt, ...longest.pieces] }];
  });
  const fits = await fitsContext(
    simulator,
    rolled.map(({ text }) => text),
  );
  for (const [n, { path }] of rolled.entries()) {
    if (fits[n]) continue;
    path.failed = true;
    countInto(counts, 'pathsTooLong');
  }
}

/** Settles what is known of a path and returns the rollouts it needs next; none when it is done or waits for those of another path. */
function advance(path: Path, context: UnitContext): GenerateRequest[] {
  const { options } = context;
  const requests: GenerateRequest[] = [];
  if (options.ownWitness && path.sample.outcome.kind === 'right') {
    for (const [j, tally] of path.tallies.entries()) path.tallies[j] = tally ?? implied(path.prefixes.length);
    return requests;
  }
  if (options.mode === 'full') return advanceFull(path, context);
  while (path.at >= 0) {
    const prefix = path.prefixes[path.at];
    if (prefix === undefined) return requests;
    const { state } = scan(prefix, options);
    if (state === 'open') return waitFor(path, prefix, ahead(prefix, context), context);
    path.failed = state === 'failed';
    if (path.failed) return requests;
    const tally = tallyOf(prefix, options);
    path.tallies[path.at] = tally;
    if (tally.correct > options.delta && options.closure === 'monotone') {
      for (let j = 0; j < path.at; j += 1) path.tallies[j] = implied(path.at);
      path.at = -1;
    }
    path.at -= 1;
  }
  return requests;
}

function advanceFull(path: Path, context: LabelContext): GenerateRequest[] {
  const { options } = context;
  const requests: GenerateRequest[] = [];
  for (const [j, prefix] of path.prefixes.entries()) {
    if (path.tallies[j] !== null || prefix.waiting.includes(path)) continue;
    const need = stillNeeded(prefix, options);
    if (need === 'done') path.tallies[j] = tallyOf(prefix, options);
    else if (need === 'failed') path.failed = true;
    else requests.push(...waitFor(path, prefix, prefix.pending > 0 ? 0 : need, context));
  }
  return requests;
}

function waitFor(path: Path, prefix: Prefix, count: number, context: LabelContext): GenerateRequest[] {
  prefix.waiting.push(path);
  return rollOut(prefix, count, context);
}

/** How many more rollouts the scan of a prefix asks for now: its next one, and where few prefixes are under scan also those it may come to need. */
function ahead(prefix: Prefix, { options, paths }: UnitContext): number {
  const { used, tally } = scan(prefix, options);
  const share = options.lookahead === 1 ? 1 : Math.floor(options.lookahead / underScan(paths));
  const wanted = Math.min(Math.max(1, share), options.K - tally.run);
  return Math.max(0, wanted - (prefix.asked - used));
}

/** Prefixes that are rolled out now: paths of one question often wait for the same one. */
function underScan(paths: readonly Path[]): number {
  return new Set(paths.filter(isOpen).map(({ prefixes, at }) => prefixes[at])).size;
}

function rollOut(prefix: Prefix, count: number, context: LabelContext): GenerateRequest[] {
  const { options, task, seed, iteration } = context;
  const from = prefix.asked;
  prefix.asked += count;
  prefix.pending += count;
  const text = prefix.prompt + prefix.pieces.join('');
  const questionId = prefix.item.question.id;
  return Array.from({ length: count }, (_, i) => ({
    id: `${prefix.place}/${from + i}`,
    context: [prefix.prompt, ...prefix.pieces],
    key: drawKey({ seed, stage: 'rollout', iteration, questionId, prefix: text, index: from + i }),
    sampling: samplingOf(options, taskOf(task, prefix.item.question)),
  }));
}

interface Scan {
  readonly state: 'done' | 'failed' | 'open';
  /** Results looked at, in the order of their indices: those that asking for one at a time would have asked for so far. */
  readonly used: number;
  readonly tally: StepTally;
}

/** Takes a prefix's results one after another until a step is settled (more than delta right, or K), there are too many errors, or one is still running. */
function scan({ results }: Prefix, { K, delta }: LabelOptions): Scan {
  let [correct, run, used] = [0, 0, 0];
  const after = (state: Scan['state']): Scan => {
    const stop = run < K ? 'first-success' : 'full';
    return { state, used, tally: { correct, run, stop, impliedBy: null } };
  };
  for (const result of results) {
    if (result === undefined) break;
    used += 1;
    if (result !== null) run += 1;
    if (result === true) correct += 1;
    if (correct > delta || run >= K) return after('done');
    if (used - run > K) return after('failed');
  }
  return after('open');
}

/** Rollouts a prefix still needs in full mode: valid ones count by index, so that scan and full mode settle on the very same ones. */
function stillNeeded(prefix: Prefix, { K }: LabelOptions): number | 'done' | 'failed' {
  const valid = prefix.results.filter((result) => result === true || result === false);
  if (valid.length >= K) return 'done';
  if (prefix.results.length - valid.length > K) return 'failed';
  return K - valid.length;
}

function tallyOf(prefix: Prefix, options: LabelOptions): StepTally {
  if (options.mode !== 'full') return scan(prefix, options).tally;
  const valid = prefix.results.filter((result) => result === true || result === false).slice(0, options.K);
  return { correct: valid.filter(Boolean).length, run: valid.length, stop: 'full', impliedBy: null };
}

/** Rollouts that were asked for ahead and not needed, and their tokens. */
function countVain(prefixes: readonly Prefix[], { options }: LabelContext, counts: Record<string, number>): void {
  if (options.mode === 'full') return;
  for (const prefix of prefixes) {
    const { used } = scan(prefix, options);
    if (prefix.asked === used) continue;
    countInto(counts, 'rolloutsInVain', prefix.asked - used);
    countInto(counts, 'tokensInVain', sum(prefix.tokens.slice(used)));
  }
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

function implied(by: number): StepTally {
  return { correct: 0, run: 0, stop: 'first-success', impliedBy: by };
}

interface Judged {
  readonly prefix: Prefix;
  readonly index: number;
  readonly outcome: Outcome;
}

async function judge(
  { id, text: rest, finishReason }: Completion,
  prefixes: readonly Prefix[],
  { task, options, signal }: LabelContext,
): Promise<Judged> {
  const [at, index] = id.split('/').map(Number);
  const prefix = prefixes[at ?? -1];
  if (prefix === undefined || index === undefined) throw new Error(`Unknown rollout ${id}.`);
  const { question } = prefix.item;
  const text = prefix.pieces.join('') + rest;
  const { outcome } = await gradeWithRetries(task, { question, text, finishReason }, options.gradeRetries, signal);
  return { prefix, index, outcome };
}

function record(completion: Completion, { prefix, index, outcome }: Judged, counts: Record<string, number>): Prefix {
  prefix.results[index] = outcome.kind === 'error' ? null : outcome.kind === 'right';
  prefix.pending -= 1;
  countInto(counts, 'rollouts');
  countInto(counts, outcome.kind === 'error' ? 'rolloutErrors' : `rollouts:${outcome.kind}`);
  if (completion.finishReason === 'length') countInto(counts, 'rolloutsTruncated');
  prefix.tokens[index] = completion.tokenIds.length;
  return prefix;
}

interface Totals {
  readonly counts: Record<string, number>;
  /** Prefixes whose tokens a record has. */
  readonly paid: Set<Prefix>;
}

function finish(path: Path, { options, simulator }: LabelContext, { counts, paid }: Totals): StepLabels[] {
  const { sample } = path;
  const tallies = path.tallies.filter((tally) => tally !== null);
  if (path.failed || tallies.length < path.tallies.length) {
    countInto(counts, 'pathsUnlabelled');
    return [];
  }
  countInto(counts, 'paths');
  countInto(counts, 'stepsRolledOut', tallies.filter(({ run }) => run > 0).length);
  countInto(counts, 'stepsImplied', tallies.filter(({ impliedBy }) => impliedBy !== null).length);
  // A prefix's tokens are charged to the first path that it settled a step of: they do not depend on what ran when.
  const own = path.prefixes.filter((prefix, j) => (tallies[j]?.run ?? 0) > 0 && !paid.has(prefix));
  for (const prefix of own) paid.add(prefix);
  const tokensOf = (prefix: Prefix): number =>
    sum(options.mode === 'full' ? prefix.tokens : prefix.tokens.slice(0, scan(prefix, options).used));
  const outcomeRight = sample.outcome.kind === 'right';
  const last: StepTally = { correct: outcomeRight ? 1 : 0, run: 0, stop: 'full', impliedBy: null };
  return [
    {
      sampleId: sample.id,
      questionId: sample.questionId,
      iteration: sample.iteration,
      simulator: simulator.hash,
      K: options.K,
      steps: [...tallies, last],
      outcomeRight,
      rolloutTokens: sum(own.map(tokensOf)),
    },
  ];
}
