// A run's options -> whether it can start, and an estimate of its costs and time, within a minute.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Backend, ModelDescription, Policy } from '../../backend.ts';
import type { Config } from '../../config/schema.ts';
import { canonicalJson } from '../../hashing.ts';
import { METHODS } from '../../method/methods.ts';
import { type Calibration, estimate, type RunEstimate, TYPICAL, type Typical } from '../../pipeline/estimate.ts';
import { sourceOf } from '../../pipeline/models.ts';
import { requireUsable } from '../../pipeline/references.ts';
import { type RunStart, startRun } from '../../pipeline/start.ts';
import type { Checkpoint, Question } from '../../records.ts';
import type { Interval } from '../../reports.ts';
import { wilson } from '../../statistics/intervals.ts';
import { taskOf } from '../../task.ts';
import type { Terminal } from '../terminal.ts';
import {
  type Graded,
  gradeTexts,
  measureSpeeds,
  measureTraining,
  type ProbeArgs,
  type ProbePath,
  probeQuestions,
  probeRows,
  samplePaths,
} from './dry-run-probes.ts';
import { printEstimate } from './dry-run-report.ts';

interface DryRunArgs {
  readonly config: Config;
  readonly out: string;
  readonly fromRun: string | undefined;
  readonly backend: Backend;
  readonly json: boolean;
}

/** What the rollouts of an estimate rest on: the share of the start model's paths that are right, or an assumption. */
interface Success {
  /** Chance of a rollout to be right, as the estimate uses it. */
  readonly p: number;
  readonly right: number;
  readonly n: number;
  /** Wilson's; null: p is assumed. */
  readonly ci95: Interval | null;
  /** Why p is assumed; null: it is measured. */
  readonly assumed: string | null;
  /** Of the sampled programs. */
  readonly timedOut: number;
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
  const say = (what: string) => terminal.log(what);
  const { signal } = terminal;
  await using start = await startRun({ config, out, fromRun, backend, signal, say });
  const { task, train, sets } = start;
  if (task.brokenReferences !== undefined) say('Running reference solutions ...');
  await requireUsable(task, train, { signal });
  for (const set of sets.values()) await requireUsable(set.task, set.questions, { signal });
  const folder = await mkdtemp(join(tmpdir(), 'sipf-dry-run-'));
  try {
    const args = { start, backend, terminal };
    const { calibration, measured, success } = await measure(args, folder);
    const result = withRange(start, { calibration, measured, success });
    if (json) await terminal.print(JSON.stringify({ config, estimate: result, calibration }));
    else await printEstimate({ config, result, calibration, memory: totalmem() }, terminal);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Measured {
  readonly calibration: Calibration;
  readonly measured: Partial<Typical>;
  readonly success: Success;
}

function withRange({ config, description }: RunStart, { calibration, measured, success }: Measured): DryRunEstimate {
  const at = (pRight: number) => estimate(config, description, calibration, { ...measured, pRight });
  const { ci95 } = success;
  if (ci95 === null) return { ...at(success.p), success, range: null };
  // A higher chance means fewer rollouts and more questions that can give pairs: the extremes may be anywhere.
  const between = Array.from({ length: 11 }, (_, i) => ci95[0] + (i / 10) * (ci95[1] - ci95[0]));
  const found = [success.p, ...between].map(at);
  const range = (of: (total: RunEstimate['total']) => number): Interval => {
    const values = found.map(({ total }) => of(total));
    return [Math.min(...values), Math.max(...values)];
  };
  return {
    ...at(success.p),
    success,
    range: { rollouts: range(({ rollouts }) => rollouts), seconds: range(({ seconds }) => seconds ?? 0) },
  };
}

async function measure(args: ProbeArgs, folder: string): Promise<Measured> {
  const { start, backend, terminal } = args;
  const { prompts } = start;
  const questions = probeQuestions(start);
  const sizes = await helperSizes(start, backend);
  await using policy = await backend.openPolicy(start.base);
  terminal.log('Measuring how fast the model reads and writes ...');
  const { promptTokens, ...speeds } = await measureSpeeds(policy, questions, args);
  const speed = speeds.generatedTokensPerSecond / (sizes.simulatorSize ?? 1);
  const { paths, success, graded } = await probeSuccess(args, { policy, questions, speed });
  terminal.log('Measuring how fast it trains ...');
  const readTokensPerSecond = speeds.promptTokensPerSecond;
  const trained = await measureTraining(policy, { rows: probeRows(args, paths), folder, readTokensPerSecond }, args);
  const solved = prompts.asked.filter(({ solution }) => solution !== undefined && solution.length > 0);
  return {
    calibration: {
      ...speeds,
      // A backward pass costs twice a forward one.
      trainTokensPerSecond: trained ?? readTokensPerSecond / 3,
      secondsPerGrade: graded?.secondsEach ?? (await gradeReferences(args, solved, questions)),
    },
    measured: { promptTokens, ...sizes, ...(await typicalOf(args, { policy, paths, solved })) },
    success,
  };
}

interface TypicalArgs {
  readonly policy: Pick<Policy, 'countTokens'>;
  readonly paths: readonly ProbePath[];
  readonly solved: readonly Question[];
}

/** Figures of the data, and of paths as the rounds will have them: like worked solutions after a warm-up, else like the start model's. */
async function typicalOf({ start }: ProbeArgs, { policy, paths, solved }: TypicalArgs): Promise<Partial<Typical>> {
  const { config, sets, task, prompts } = start;
  const likeGold = config.sft.enabled || paths.length === 0;
  const countOf = (chosen: Config['evaluate']['sets']) =>
    chosen.reduce((sum, set) => sum + (sets.get(canonicalJson(set))?.questions.length ?? 0), 0);
  return {
    ...(likeGold ? await goldFigures(task, policy, solved) : pathFigures(task, paths)),
    trainQuestions: prompts.asked.length,
    solvedQuestions: solved.length,
    evalQuestions: countOf(config.evaluate.sets),
    finalQuestions: countOf(config.evaluate.final),
  };
}

interface SuccessArgs {
  readonly policy: Policy;
  readonly questions: readonly Question[];
  /** Tokens a second that the model which rolls out writes. */
  readonly speed: number;
}

interface FoundSuccess {
  readonly paths: readonly ProbePath[];
  readonly success: Success;
  readonly graded: Graded | null;
}

async function probeSuccess(args: ProbeArgs, { policy, questions, speed }: SuccessArgs): Promise<FoundSuccess> {
  const { start, backend, terminal } = args;
  const { config, simulator, outside } = start;
  const assume = (assumed: string): FoundSuccess => ({
    paths: [],
    success: { p: TYPICAL.pRight, right: 0, n: 0, ci95: null, assumed, timedOut: 0 },
    graded: null,
  });
  if (!METHODS[config.method].samples) return assume('this method draws no paths');
  if (simulator === null && start.init !== null)
    return assume('the run makes its model, which has learned nothing yet');
  terminal.log(`Sampling paths of the ${simulator === null ? 'start model' : 'simulator'} ...`);
  await using rolling = simulator === null ? null : await backend.openPolicy(sourceOf('.', outside, simulator));
  const paths = await samplePaths(rolling ?? policy, questions, speed, args);
  if (paths.length === 0) return assume('the model is too slow here to sample paths from in a few seconds');
  const texts = paths.map(({ question, completion: { text, finishReason } }) => ({ question, text, finishReason }));
  const graded = await gradeTexts(texts, args);
  const { right, n, timedOut } = graded;
  // Half a path more of each kind: no path right is no proof of a chance of zero.
  const p = (right + 0.5) / (n + 1);
  return { paths, success: { p, right, n, ci95: wilson(right, n), assumed: null, timedOut }, graded };
}

async function helperSizes(
  { simulator, verifier, outside, description }: RunStart,
  backend: Backend,
): Promise<Pick<Partial<Typical>, 'simulatorSize' | 'verifierSize'>> {
  const size = async (checkpoint: Checkpoint) =>
    sizeOf(await backend.describe(sourceOf('.', outside, checkpoint)), description);
  return {
    ...(simulator === null ? {} : { simulatorSize: await size(simulator) }),
    ...(verifier === null ? {} : { verifierSize: await size(verifier) }),
  };
}

function sizeOf({ parameters }: ModelDescription, policy: ModelDescription): number {
  return parameters / policy.parameters;
}

function pathFigures(task: RunStart['task'], paths: readonly ProbePath[]): Partial<Typical> {
  return {
    pathTokens: mean(paths.map(({ completion }) => completion.tokens)),
    stepsPerPath: mean(paths.map(({ question, completion }) => taskOf(task, question).split(completion.text).length)),
  };
}

/** None where there are no worked solutions: cost.ts's guesses stay. */
async function goldFigures(
  task: RunStart['task'],
  policy: Pick<Policy, 'countTokens'>,
  solved: readonly Question[],
): Promise<Partial<Typical>> {
  const some = solved.slice(0, 256);
  if (some.length === 0) return {};
  const texts = some.map((question) =>
    taskOf(task, question)
      .pieces(question.solution ?? [])
      .join(''),
  );
  return {
    pathTokens: mean(await policy.countTokens(texts)) + 1,
    stepsPerPath: mean(some.map(({ solution = [] }) => solution.length)),
  };
}

/** Where no path was sampled: seconds that reference programs take. */
async function gradeReferences(
  args: ProbeArgs,
  solved: readonly Question[],
  questions: readonly Question[],
): Promise<number> {
  const known = new Set(solved);
  const some = questions.filter((question) => known.has(question));
  const texts = some.map((question) => ({
    question,
    text: taskOf(args.start.task, question)
      .pieces(question.solution ?? [])
      .join(''),
    finishReason: 'stop' as const,
  }));
  return (await gradeTexts(texts, args)).secondsEach;
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((total, value) => total + value, 0) / values.length;
}
