// A run's options -> whether it can start, and an estimate of its costs and time, in about a minute.
import type { Backend } from '../../backend.ts';
import type { Config } from '../../config/schema.ts';
import { METHODS, needs, scorerOf } from '../../method/methods.ts';
import { type Calibration, estimate, type RunEstimate } from '../../pipeline/estimate.ts';
import { sourceOf } from '../../pipeline/models.ts';
import { promptOf } from '../../pipeline/prompts.ts';
import { requireUsable } from '../../pipeline/references.ts';
import { TYPICAL, type Typical } from '../../pipeline/round-costs.ts';
import { checkTraining, type RunStart, startRun } from '../../pipeline/start.ts';
import type { Interval } from '../../reports.ts';
import { mean } from '../../statistics/intervals.ts';
import type { GivenText } from '../../task.ts';
import type { Terminal } from '../terminal.ts';
import { absentModels, estimateAbsent } from './dry-run-absent.ts';
import { answerFigures, pathFigures, questionCounts, referencesOf, relativeSizes, rowsOf } from './dry-run-figures.ts';
import { type LabelEffort, measureLabels } from './dry-run-labels.ts';
import {
  distinctShares,
  type Graded,
  gradeTexts,
  keptSamples,
  type PathSuccess,
  type ProbePath,
  pathSuccess,
  samplePaths,
} from './dry-run-paths.ts';
import { printEstimate } from './dry-run-print.ts';
import { measureSpeeds, measureTraining, type Probe, probeQuestions } from './dry-run-probes.ts';

export interface DryRunArgs {
  readonly config: Config;
  readonly out: string;
  readonly fromRun: string | undefined;
  readonly backend: Backend;
  readonly json: boolean;
  /** false: nothing is measured, and the estimate says what it assumes. */
  readonly measure: boolean;
}

/** What the rollouts of an estimate rest on: the start model's paths, or an assumption. */
interface Success extends Pick<PathSuccess, 'right' | 'n' | 'questions'> {
  /** Chance of a rollout to be right, as the estimate uses it. */
  readonly p: number;
  /** null: p is assumed. */
  readonly ci95: Interval | null;
  /** Why p is assumed; null: it is measured. */
  readonly assumed: string | null;
  /** Programs that ran into sandbox.timeout. */
  readonly timedOut: number;
  /** Paths that were labelled for a try; null: the success of paths alone says what labels cost. */
  readonly labelled: Pick<LabelEffort, 'paths' | 'rollouts'> | null;
}

/** An estimate with what its rollouts rest on; `range` is what the ends of p's interval give. */
export interface DryRunEstimate extends RunEstimate {
  readonly success: Success;
  readonly range: { readonly rollouts: Interval; readonly seconds: Interval } | null;
  /** Why nothing was measured; null: it was. */
  readonly unmeasured: string | null;
}

/**
 * Starts as the run would, then measures and prints. Writes nothing into the run directory. A preset's model that is still on the hub is not
 * downloaded: its size is known.
 * @throws SipfError of the run's start.
 */
export async function dryRun(args: DryRunArgs, terminal: Terminal): Promise<void> {
  const { config, json } = args;
  const absent = await absentModels(config);
  const { result, calibration } =
    absent.length === 0 ? await started(args, terminal) : await unstarted(args, absent, terminal);
  if (json) await terminal.print(JSON.stringify({ config, estimate: result, calibration }));
  else await printEstimate(config, result, calibration, terminal);
}

interface DryRunResult {
  readonly result: DryRunEstimate;
  /** null: nothing was measured. */
  readonly calibration: Calibration | null;
}

async function unstarted(args: DryRunArgs, absent: readonly string[], terminal: Terminal): Promise<DryRunResult> {
  for (const warning of await checkTraining({ ...args, signal: terminal.signal })) terminal.warn(warning);
  const unmeasured = `${absent.join(' and ')} ${absent.length === 1 ? 'is' : 'are'} not on this machine`;
  const result = await estimateAbsent(args, terminal);
  return { result: { ...result, success: assumedSuccess(unmeasured), range: null, unmeasured }, calibration: null };
}

async function started({ measure, ...options }: DryRunArgs, terminal: Terminal): Promise<DryRunResult> {
  const { signal, log: say } = terminal;
  await using start = await startRun({ ...options, signal, say });
  const { task, train, sets } = start;
  if (task.brokenReferences !== undefined) say('Running reference solutions ...');
  for (const warning of start.warnings) terminal.warn(warning);
  await requireUsable(task, train, { signal });
  for (const set of sets.values()) await requireUsable(set.task, set.questions, { signal });
  await using policy = await options.backend.openPolicy(start.base);
  const probe = { start, backend: options.backend, policy, terminal, questions: probeQuestions(start) };
  if (!measure) return await unmeasured(probe);
  const began = performance.now();
  const found = await measureAll(probe);
  say(`Measured in ${((performance.now() - began) / 1000).toFixed(0)} s.`);
  return { result: estimateFrom(start, found), calibration: found.calibration };
}

async function unmeasured(probe: Probe): Promise<DryRunResult> {
  const { config, description } = probe.start;
  const why = 'nothing was to be measured (--no-measure)';
  const result = estimate(config, description, undefined, await figuresOf(probe, []));
  return { result: { ...result, success: assumedSuccess(why), range: null, unmeasured: why }, calibration: null };
}

/** Sizes and lengths, which need no measuring. */
async function figuresOf(probe: Probe, paths: readonly ProbePath[]): Promise<Partial<Typical>> {
  const { start, policy, questions } = probe;
  const counts = await policy.countTokens(questions.map(start.prompts.prompt));
  return {
    ...{ promptTokens: mean(counts), ...relativeSizes(start), ...questionCounts(start, start.prompts.asked) },
    ...(await pathFigures(probe, paths)),
    ...(await answerFigures(probe)),
  };
}

interface Measured {
  readonly calibration: Calibration;
  readonly typical: Partial<Typical>;
  readonly success: Success;
}

function estimateFrom({ config, description }: RunStart, { calibration, typical, success }: Measured): DryRunEstimate {
  const at = (pRight: number) => estimate(config, description, calibration, { ...typical, pRight });
  const likely = { ...at(success.p), success, unmeasured: null };
  if (success.ci95 === null) return { ...likely, range: null };
  const [low, high] = success.ci95;
  // A higher chance means fewer rollouts and more questions that can give pairs: the extremes may be anywhere.
  const between = Array.from({ length: 11 }, (_, i) => at(low + (i / 10) * (high - low)));
  const totals = [likely, ...between].map(({ total }) => total);
  const rangeOf = (values: readonly number[]): Interval => [Math.min(...values), Math.max(...values)];
  const rollouts = rangeOf(totals.map((total) => total.rollouts));
  return { ...likely, range: { rollouts, seconds: rangeOf(totals.map(({ seconds }) => seconds ?? 0)) } };
}

async function measureAll(probe: Probe): Promise<Measured> {
  const { start, terminal } = probe;
  terminal.log('Measuring how fast the model reads and writes ...');
  const speeds = await measureSpeeds(probe);
  const { paths, assumed } = await pathsOrWhyNone(speeds.generatedTokensPerSecond, probe);
  const drawn = await gradeTexts(paths, probe);
  const graded = assumed === null ? drawn : await gradeTexts(referencesOf(probe.questions, start.task), probe);
  const figures = await figuresOf(probe, paths);
  const labels = await labelsOf(drawn, speeds.generatedTokensPerSecond / relativeSizes(start).simulatorSize, probe);
  terminal.log('Measuring how fast it trains ...');
  const trained = await measureTraining(rowsOf(paths, probe), speeds.promptTokensPerSecond, probe);
  return {
    calibration: {
      ...speeds,
      // A backward pass costs twice a forward one.
      trainTokensPerSecond: trained ?? speeds.promptTokensPerSecond / 3,
      secondsPerGrade: graded.secondsEach,
    },
    typical: { ...figures, ...distinctShares(drawn.texts, keptSamples(drawn.texts, probe)), ...labels?.typical },
    success: assumed === null ? measuredSuccess(drawn, labels) : assumedSuccess(assumed),
  };
}

/** `speed`: tokens a second that the start model writes. `assumed`: why there are none, so that their success is assumed. */
async function pathsOrWhyNone(speed: number, probe: Probe) {
  const { config, init } = probe.start;
  const none = (assumed: string) => ({ paths: [], assumed });
  if (!METHODS[config.method].samples) return none('this method draws no paths');
  if (init !== null) return none('the run makes its model, which has learned nothing yet');
  probe.terminal.log('Sampling paths of the start model ...');
  const paths = await samplePaths(speed, probe);
  return paths.length > 0
    ? { paths, assumed: null }
    : none('the model is too slow here to sample paths from in a few seconds');
}

/** What labels cost; null where there are none, no time for them, or programs to run for them. `speed`: tokens a second that the simulator writes. */
async function labelsOf({ texts }: Graded<ProbePath>, speed: number, probe: Probe): Promise<LabelEffort | null> {
  const { config, task, simulator, outside, prompts } = probe.start;
  const method = METHODS[config.method];
  const rollsOut = needs(scorerOf(method, config.score.scorer)).labels && config.labels.mode !== 'gold-likelihood';
  if (!rollsOut || texts.length === 0 || task.gradedBy === 'tests') return null;
  probe.terminal.log('Labelling some of them ...');
  const open = simulator && (() => probe.backend.openPolicy(sourceOf('.', outside, simulator)));
  await using rolling = open && (await open());
  const prompt = open === null ? prompts.prompt : await promptOf(probe.start, prompts.shots, open);
  const { right, n } = pathSuccess(texts);
  const model = { simulator: rolling ?? probe.policy, prompt, speed };
  return measureLabels(keptSamples(texts, probe), shareOf(right, n), model, probe);
}

/** Half a path more of each kind: no path right is no proof of a chance of zero. */
const shareOf = (right: number, n: number): number => (right + 0.5) / (n + 1);

function measuredSuccess({ texts, timedOut }: Graded<GivenText>, labels: LabelEffort | null): Success {
  const { right, n, questions, ci95 } = pathSuccess(texts);
  const labelled = labels === null ? null : { paths: labels.paths, rollouts: labels.rollouts };
  return { p: shareOf(right, n), right, n, questions, ci95, assumed: null, timedOut, labelled };
}

function assumedSuccess(assumed: string): Success {
  const none = { right: 0, n: 0, questions: 0, timedOut: 0, labelled: null };
  return { p: TYPICAL.pRight, ...none, ci95: null, assumed };
}
