// A run's options -> whether it can start, and an estimate of its costs and time, within a minute.
import { totalmem } from 'node:os';
import type { Backend } from '../../backend.ts';
import type { Config } from '../../config/schema.ts';
import { canonicalJson } from '../../hashing.ts';
import { goldRows } from '../../method/align-rows.ts';
import { METHODS } from '../../method/methods.ts';
import { type Calibration, estimate, type RunEstimate } from '../../pipeline/estimate.ts';
import { sourceOf } from '../../pipeline/models.ts';
import { requireUsable } from '../../pipeline/references.ts';
import { TYPICAL, type Typical } from '../../pipeline/round-costs.ts';
import { type RunStart, startRun } from '../../pipeline/start.ts';
import type { Question } from '../../records.ts';
import type { Interval } from '../../reports.ts';
import { mean, sum, wilson } from '../../statistics/intervals.ts';
import { type GivenText, taskOf } from '../../task.ts';
import { formatDuration } from '../progress.ts';
import type { Terminal } from '../terminal.ts';
import {
  type Graded,
  gradeTexts,
  MOST_QUESTIONS,
  measureSpeeds,
  measureTraining,
  type Probe,
  type ProbePath,
  probeQuestions,
  samplePaths,
} from './dry-run-probes.ts';
import { renderTable, wrap } from './show-steps.ts';

interface DryRunArgs {
  readonly config: Config;
  readonly out: string;
  readonly fromRun: string | undefined;
  readonly backend: Backend;
  readonly json: boolean;
}

/** What the rollouts of an estimate rest on: the share of the start model's paths that are right, or an assumption. */
interface Success extends Omit<Graded, 'secondsEach'> {
  /** Chance of a rollout to be right, as the estimate uses it. */
  readonly p: number;
  /** Wilson's; null: p is assumed. */
  readonly ci95: Interval | null;
  /** Why p is assumed; null: it is measured. */
  readonly assumed: string | null;
}

/** An estimate with what its rollouts rest on; `range` is what the ends of p's interval give. */
export interface DryRunEstimate extends RunEstimate {
  readonly success: Success;
  readonly range: { readonly rollouts: Interval; readonly seconds: Interval } | null;
}

/**
 * Starts as the run would, then measures and prints. Writes nothing into the run directory.
 * @throws SipfError of the run's start.
 */
export async function dryRun({ config, out, fromRun, backend, json }: DryRunArgs, terminal: Terminal): Promise<void> {
  const { signal, log: say } = terminal;
  await using start = await startRun({ config, out, fromRun, backend, signal, say });
  const { task, train, sets } = start;
  if (task.brokenReferences !== undefined) say('Running reference solutions ...');
  await requireUsable(task, train, { signal });
  for (const set of sets.values()) await requireUsable(set.task, set.questions, { signal });
  const measured = await measure(start, backend, terminal);
  const result = estimateFrom(start, measured);
  const { calibration } = measured;
  if (json) await terminal.print(JSON.stringify({ config, estimate: result, calibration }));
  else await printEstimate(config, result, calibration, terminal);
}

interface Measured {
  readonly calibration: Calibration;
  readonly typical: Partial<Typical>;
  readonly success: Success;
}

function estimateFrom({ config, description }: RunStart, { calibration, typical, success }: Measured): DryRunEstimate {
  const at = (pRight: number) => estimate(config, description, calibration, { ...typical, pRight });
  const likely = at(success.p);
  if (success.ci95 === null) return { ...likely, success, range: null };
  const [low, high] = success.ci95;
  // A higher chance means fewer rollouts and more questions that can give pairs: the extremes may be anywhere.
  const between = Array.from({ length: 11 }, (_, i) => at(low + (i / 10) * (high - low)));
  const totals = [likely, ...between].map(({ total }) => total);
  const rangeOf = (values: readonly number[]): Interval => [Math.min(...values), Math.max(...values)];
  const rollouts = rangeOf(totals.map((total) => total.rollouts));
  return { ...likely, success, range: { rollouts, seconds: rangeOf(totals.map(({ seconds }) => seconds ?? 0)) } };
}

async function measure(start: RunStart, backend: Backend, terminal: Terminal): Promise<Measured> {
  const { task, prompts } = start;
  const sizes = relativeSizes(start);
  await using policy = await backend.openPolicy(start.base);
  const probe = { start, backend, policy, terminal, questions: probeQuestions(start) };
  terminal.log('Measuring how fast the model reads and writes ...');
  const { promptTokens, ...speeds } = await measureSpeeds(probe);
  const { paths, assumed } = await pathsOrWhyNone(speeds.generatedTokensPerSecond / sizes.simulatorSize, probe);
  const solved = prompts.asked.filter(({ solution }) => solution !== undefined && solution.length > 0);
  const references = probe.questions.filter((question) => solved.includes(question));
  const graded = await gradeTexts(assumed === null ? paths : references.map((one) => referenceOf(task, one)), probe);
  terminal.log('Measuring how fast it trains ...');
  const gold = goldRows(prompts.asked, 4 * MOST_QUESTIONS, 'dry-run', { task, prompt: prompts.prompt });
  const own = paths.map(({ question, text }) => ({
    kind: 'sft' as const,
    prompt: prompts.prompt(question),
    completion: [text],
  }));
  const trained = await measureTraining(gold.length > 0 ? gold : own, speeds.promptTokensPerSecond, probe);
  return {
    calibration: {
      ...speeds,
      // A backward pass costs twice a forward one.
      trainTokensPerSecond: trained ?? speeds.promptTokensPerSecond / 3,
      secondsPerGrade: graded.secondsEach,
    },
    typical: {
      ...{ promptTokens, ...sizes, ...questionCounts(start, solved) },
      ...(await pathFigures(probe, paths, solved)),
      ...(await answerFigures(probe)),
    },
    success: successOf(graded, assumed),
  };
}

/** `speed`: tokens a second that the model which rolls out writes. `assumed`: why there are none, so that their success is assumed. */
async function pathsOrWhyNone(speed: number, probe: Probe) {
  const { config, simulator, outside, init } = probe.start;
  const none = (assumed: string) => ({ paths: [], assumed });
  if (!METHODS[config.method].samples) return none('this method draws no paths');
  if (simulator === null && init !== null) return none('the run makes its model, which has learned nothing yet');
  probe.terminal.log(`Sampling paths of the ${simulator === null ? 'start model' : 'simulator'} ...`);
  await using rolling = simulator && (await probe.backend.openPolicy(sourceOf('.', outside, simulator)));
  const paths = await samplePaths(rolling ?? probe.policy, speed, probe);
  return paths.length > 0
    ? { paths, assumed: null }
    : none('the model is too slow here to sample paths from in a few seconds');
}

function successOf({ right, n, timedOut }: Graded, assumed: string | null): Success {
  if (assumed !== null) return { p: TYPICAL.pRight, right: 0, n: 0, ci95: null, assumed, timedOut: 0 };
  // Half a path more of each kind: no path right is no proof of a chance of zero.
  return { p: (right + 0.5) / (n + 1), right, n, ci95: wilson(right, n), assumed, timedOut };
}

/** Parameters of the helper models, as a multiple of the policy's. */
function relativeSizes({ helperSizes: { simulator, verifier }, description: { parameters } }: RunStart) {
  return { simulatorSize: simulator / parameters, verifierSize: verifier / parameters };
}

function questionCounts({ config, sets, prompts }: RunStart, solved: readonly Question[]): Partial<Typical> {
  const countOf = (chosen: Config['evaluate']['sets']) =>
    sum(chosen.map((set) => sets.get(canonicalJson(set))?.questions.length ?? 0));
  return {
    trainQuestions: prompts.asked.length,
    solvedQuestions: solved.length,
    evalQuestions: countOf(config.evaluate.sets),
    finalQuestions: countOf(config.evaluate.final),
  };
}

/**
 * Lengths of paths as the rounds will have them: like worked solutions after a warm-up, else like the start model's.
 * None where there is neither: the guesses of `TYPICAL` stay.
 */
async function pathFigures(
  { start: { config, task }, policy }: Probe,
  paths: readonly ProbePath[],
  solved: readonly Question[],
): Promise<Partial<Typical>> {
  if (!config.sft.enabled && paths.length > 0) {
    const steps = paths.map(({ question, text }) => taskOf(task, question).split(text).length);
    return { pathTokens: mean(paths.map(({ tokens }) => tokens)), stepsPerPath: mean(steps) };
  }
  const some = solved.slice(0, 256);
  if (some.length === 0) return {};
  const counts = await policy.countTokens(some.map((question) => referenceOf(task, question).text));
  return { pathTokens: mean(counts) + 1, stepsPerPath: mean(some.map(({ solution = [] }) => solution.length)) };
}

/** The length of the line that states the right answer; none where answers are programs. */
async function answerFigures({ start: { task }, policy, questions }: Probe): Promise<Partial<Typical>> {
  const lines = questions.flatMap((question) => taskOf(task, question).answerLine?.(question).join('') ?? []);
  return lines.length === 0 ? {} : { answerTokens: mean(await policy.countTokens(lines)) };
}

/** A worked solution as a path to grade. */
function referenceOf(task: RunStart['task'], question: Question): GivenText {
  const text = taskOf(task, question)
    .pieces(question.solution ?? [])
    .join('');
  return { question, text, finishReason: 'stop' };
}

const GIB = 2 ** 30;
const whole = (value: number) => Math.round(value).toLocaleString('en');
const time = (seconds: number | null) => (seconds === null ? '-' : formatDuration(seconds * 1000));
const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** Prints all of it on stdout; a memory that this machine has not is a warning. */
async function printEstimate(
  config: Config,
  result: DryRunEstimate,
  calibration: Calibration,
  terminal: Terminal,
): Promise<void> {
  const { colors, columns } = terminal;
  await terminal.print(JSON.stringify(config, null, 2));
  for (const line of renderTable(tableOf(result), colors)) await terminal.print(line);
  const { total, memoryBytes, assumptions } = result;
  const { generatedTokensPerSecond: written, promptTokensPerSecond: read, trainTokensPerSecond: trained } = calibration;
  const { secondsPerGrade } = calibration;
  const graded = secondsPerGrade === 0 ? '' : `, and ${(1 / secondsPerGrade).toFixed(1)} texts/s graded`;
  await terminal.print(
    `About ${time(total.seconds)}, ${(memoryBytes / GIB).toFixed(1)} GiB of memory and ${total.flops.toExponential(1)} model FLOPs, ` +
      `at ${whole(read)} tokens/s read, ${whole(written)} written and ${whole(trained)} trained on this machine${graded}.`,
  );
  if (total.rollouts > 0) for (const line of wrap(describeSuccess(result, config), columns)) await terminal.print(line);
  const memory = totalmem();
  if (memoryBytes > memory)
    terminal.warn(
      `The run needs about ${(memoryBytes / GIB).toFixed(1)} GiB of memory, and this machine has ${(memory / GIB).toFixed(1)}. Lower tokensPerPass or activationsGiB of the training sections, or train with lora.`,
    );
  const named = Object.entries(assumptions).map(([name, value]) => `${name} ${Number(value.toFixed(2))}`);
  await terminal.print(colors.dim(`Assumed: ${named.join(', ')}`));
}

function tableOf({ stages, total }: DryRunEstimate): string[][] {
  const head = ['round', 'stage', 'read', 'written', 'scored', 'trained', 'rollouts', 'steps', 'time'];
  const cells = (cost: DryRunEstimate['total']) =>
    [cost.promptTokens, cost.generatedTokens, cost.scoredTokens, cost.trainTokens, cost.rollouts, cost.trainSteps].map(
      whole,
    );
  const rows = stages.map((stage) => [
    // The control and the final evaluation are of no round.
    /^\d-/.test(stage.stage) ? String(stage.iteration) : '',
    stage.stage,
    ...cells({ ...stage, flops: 0 }),
    time(stage.seconds),
  ]);
  return [head, ...rows, ['', 'all', ...cells(total), time(total.seconds)]];
}

/** What the rollouts rest on, and how far they may be off. */
export function describeSuccess({ success, range, total }: DryRunEstimate, config: Config): string {
  const { p, right, n, ci95, assumed, timedOut } = success;
  const alike = 'All questions and steps are taken as alike.';
  if (assumed !== null || ci95 === null || range === null)
    return `Rollouts: a chance of ${percent(p)} to be right is assumed, since ${assumed ?? 'none was measured'}. ${alike}`;
  const who = config.simulator === 'self' ? 'start model' : 'simulator';
  const later =
    config.simulator === 'self' && config.sft.enabled
      ? ' After the warm-up the model is better, so that fewer are needed.'
      : '';
  const endless =
    timedOut === 0
      ? ''
      : ` ${timedOut} of these programs did not end within ${config.sandbox.timeout} s (sandbox.timeout).`;
  const [fewest, most] = range.rollouts;
  const [shortest, longest] = range.seconds;
  return (
    `Rollouts: ${right} of ${n} sampled paths of the ${who} are right, ${percent(right / n)} (95 %: ${ci95.map(percent).join(' to ')}). ` +
    `That makes ${whole(total.rollouts)} (${whole(fewest)} to ${whole(most)}), and ${time(shortest)} to ${time(longest)} in all.${later}${endless} ${alike}`
  );
}
