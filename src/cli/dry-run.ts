// A configuration -> its estimate of tokens, rollouts, steps, memory and time, from a calibration of under a minute. Leaves the formulas to cost.ts.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Backend, ModelSource, Policy } from '../backends/backend.ts';
import type { Config } from '../config.ts';
import { SipfError } from '../errors.ts';
import { goldRows } from '../pipeline/align.ts';
import { type Calibration, estimate, type RunEstimate, type Typical } from '../pipeline/cost.ts';
import { loadShots, makePrompter } from '../pipeline/prompt.ts';
import { trainOptions } from '../pipeline/train-settings.ts';
import type { Question } from '../records.ts';
import { openTasks } from '../tasks/index.ts';
import { type Task, taskOf } from '../tasks/task.ts';
import { formatDuration } from './progress.ts';
import { renderTable } from './show-steps.ts';
import type { Terminal } from './terminal.ts';

interface DryRunArgs {
  readonly config: Config;
  readonly backend: Backend;
  readonly json: boolean;
}

/** Questions that are generated for and rows that are trained on while measuring. */
const PROBES = 64;
const PROBE_TOKENS = 48;
const PROBE_STEPS = 3;

export async function dryRun({ config, backend, json }: DryRunArgs, terminal: Terminal): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sipf-dry-run-'));
  try {
    await using tasks = openTasks();
    const task = tasks.named(config.task.name);
    const source = await modelOf({ config, backend, task, folder, signal: terminal.signal });
    const facts = await backend.facts(source);
    const { calibration, measured } = await calibrate({ config, backend, task, source, folder }, terminal);
    const result = estimate(config, facts, calibration, measured);
    if (json) await terminal.print(JSON.stringify({ config, estimate: result, calibration }));
    else await printEstimate(config, result, calibration, terminal);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface ModelOfArgs {
  readonly config: Config;
  readonly backend: Backend;
  readonly task: Task;
  readonly folder: string;
  readonly signal: AbortSignal;
}

async function modelOf({ config, backend, task, folder, signal }: ModelOfArgs): Promise<ModelSource> {
  const { model, adapter } = config;
  if (typeof model === 'string') {
    if (model === '')
      throw new SipfError(
        'bad-config',
        'Expected a model (a Hugging Face folder or a .gguf file), got none. Give --model, or a preset that makes one.',
      );
    return adapter === null ? { model } : { model, adapter };
  }
  const tokenizer = task.tokenizer?.();
  if (tokenizer === undefined) {
    throw new SipfError(
      'unsupported',
      `Expected a task with its own tokenizer for model.init, got ${task.name}. Give --model, or use the task mini.`,
    );
  }
  const out = join(folder, 'model');
  await backend.initModel(out, { config: { ...model.init }, tokenizer, seed: config.seed }, { signal });
  return { model: out };
}

interface CalibrateArgs {
  readonly config: Config;
  readonly backend: Backend;
  readonly task: Task;
  readonly source: ModelSource;
  readonly folder: string;
}

async function calibrate(
  args: CalibrateArgs,
  terminal: Terminal,
): Promise<{ calibration: Calibration; measured: Partial<Typical> }> {
  const { config, backend, task, source } = args;
  const questions = await loadSplit(task, config, 'train');
  const { shots: count, shotsFile: file } = config.prompt;
  const shots = await loadShots({ task, count, file, fallback: questions, data: config.task.data ?? undefined });
  const prompt = await makePrompter({
    task,
    options: config.prompt,
    shots,
    openPolicy: () => backend.openPolicy(source),
  });
  const probes = questions.slice(0, PROBES);
  terminal.log(`Measuring speed on ${probes.length} questions ...`);
  const speeds = await measurePolicy(args, probes.map(prompt), terminal);
  const rows = goldRows(questions.slice(0, 256), null, 'dry-run', { task, prompt });
  const trainSpeed = rows.length === 0 ? speeds.promptTokensPerSecond / 3 : await measureTraining(args, rows, terminal);
  const { evaluate } = config;
  return {
    calibration: {
      ...speeds.calibration,
      trainTokensPerSecond: trainSpeed,
      secondsPerGrade: await measureGrading(task, probes, terminal.signal),
    },
    measured: {
      promptTokens: speeds.promptTokens,
      ...(await pathFigures(args, probes)),
      trainQuestions: questions.length,
      evalQuestions: await countSets(config, task, evaluate.sets),
      finalQuestions: await countSets(config, task, evaluate.final),
    },
  };
}

function loadSplit(
  task: Task,
  { task: options }: Config,
  split: 'train' | 'valid' | 'test',
  limit?: number,
): Promise<Question[]> {
  return task.load({
    data: options.data ?? undefined,
    split,
    limit: limit ?? (split === 'train' ? (options.limit ?? undefined) : undefined),
    maxGoldSteps: split === 'train' ? (options.maxGoldSteps ?? undefined) : undefined,
    seed: options.seed,
  });
}

async function countSets(config: Config, task: Task, sets: Config['evaluate']['sets']): Promise<number> {
  let count = 0;
  for (const { name, split, limit, data } of sets) {
    // Another task's data may lie on the hub: its size is not worth a download, its limit or a thousand will do.
    if (name === null || name === config.task.name) {
      const own = data === null ? config : { ...config, task: { ...config.task, data } };
      count += (await loadSplit(task, own, split, limit ?? undefined)).length;
    } else count += limit ?? 1000;
  }
  return count;
}

/** Steps and tokens of worked solutions, the best guess at what the model's own paths look like; none: cost.ts's guesses stay. */
async function pathFigures(
  { backend, source, task }: CalibrateArgs,
  questions: readonly Question[],
): Promise<Partial<Typical>> {
  const solved = questions.filter(({ solution }) => solution !== undefined);
  if (solved.length === 0) return {};
  await using policy = await backend.openPolicy(source);
  const tokens = await policy.countTokens(
    solved.map(({ task: name, solution = [] }) => taskOf(task, { task: name }).pieces(solution).join('')),
  );
  return { pathTokens: mean(tokens) + 1, stepsPerPath: mean(solved.map(({ solution = [] }) => solution.length)) };
}

interface PolicySpeeds {
  readonly calibration: Pick<Calibration, 'promptTokensPerSecond' | 'generatedTokensPerSecond'>;
  readonly promptTokensPerSecond: number;
  readonly promptTokens: number;
}

async function measurePolicy(
  { backend, source, task }: CalibrateArgs,
  prompts: readonly string[],
  terminal: Terminal,
): Promise<PolicySpeeds> {
  await using policy = await backend.openPolicy(source);
  const counts = await policy.countTokens(prompts);
  const { signal } = terminal;
  const items = prompts.map((prompt) => ({ context: [prompt], completion: '\n' }));
  // The first call of each kind pays for sessions and caches.
  await policy.logps(items.slice(0, 1), { signal });
  const readStarted = performance.now();
  await policy.logps(items, { signal });
  const readSeconds = (performance.now() - readStarted) / 1000;
  await write(policy, prompts.slice(0, 1), task, signal);
  const writeStarted = performance.now();
  const { generatedTokens, promptTokens } = await write(policy, prompts, task, signal);
  const writeSeconds = (performance.now() - writeStarted) / 1000;
  const promptTokensPerSecond = sum(counts) / Math.max(1e-3, readSeconds);
  const decodeSeconds = Math.max(0.2 * writeSeconds, writeSeconds - promptTokens / promptTokensPerSecond);
  return {
    calibration: { promptTokensPerSecond, generatedTokensPerSecond: generatedTokens / Math.max(1e-3, decodeSeconds) },
    promptTokensPerSecond,
    promptTokens: mean(counts),
  };
}

function write(policy: Policy, prompts: readonly string[], task: Task, signal: AbortSignal) {
  const sampling = { temperature: 1, maxTokens: Math.min(PROBE_TOKENS, task.maxTokens), ignoreEos: true };
  const requests = prompts.map((prompt, index) => ({
    id: String(index),
    context: [prompt],
    key: `dry-run/${index}`,
    sampling,
  }));
  return policy.generate(requests, () => [], { signal });
}

async function measureTraining(
  { config, backend, source, folder }: CalibrateArgs,
  examples: ReturnType<typeof goldRows>,
  terminal: Terminal,
): Promise<number> {
  const settings = { ...config.align.train, epochs: PROBE_STEPS + 1, checkpointEverySteps: 1000 };
  const options = trainOptions(settings, { kind: 'sft', scope: 'completion' }, config.seed, PROBE_STEPS);
  const times: { at: number; tokens: number }[] = [];
  const onStep = ({ tokens }: { tokens: number }) => times.push({ at: performance.now(), tokens });
  await backend.train({ source, examples, options, out: join(folder, 'trained') }, onStep, { signal: terminal.signal });
  // The first step pays for the session.
  const [first, ...rest] = times;
  const last = rest.at(-1);
  if (first === undefined || last === undefined)
    throw new SipfError(
      'nothing-left',
      'Expected rows to measure training with, got none that fit train.maxLength. Raise it.',
    );
  return (1000 * sum(rest.map(({ tokens }) => tokens))) / Math.max(1, last.at - first.at);
}

/** Seconds a text until its outcome is known, from the references; programs are run, answers are compared in no time. */
async function measureGrading(task: Task, questions: readonly Question[], signal: AbortSignal): Promise<number> {
  const solved = questions.filter(({ solution }) => solution !== undefined);
  if (task.brokenReferences === undefined || solved.length === 0) return 0;
  // The first call pays for the interpreters.
  await task.brokenReferences(solved.slice(0, 8), { signal });
  const started = performance.now();
  await task.brokenReferences(solved, { signal });
  return (performance.now() - started) / 1000 / solved.length;
}

async function printEstimate(
  config: Config,
  result: RunEstimate,
  calibration: Calibration,
  terminal: Terminal,
): Promise<void> {
  const { colors } = terminal;
  const whole = (value: number) => Math.round(value).toLocaleString('en');
  const time = (seconds: number | null) => (seconds === null ? '-' : formatDuration(seconds * 1000));
  const rows = result.stages.map((stage) => [
    /^\d-/.test(stage.stage) ? String(stage.iteration) : '',
    stage.stage,
    ...[
      stage.promptTokens,
      stage.generatedTokens,
      stage.scoredTokens,
      stage.trainTokens,
      stage.rollouts,
      stage.trainSteps,
    ].map(whole),
    time(stage.seconds),
  ]);
  const { total, memoryBytes, assumptions } = result;
  const totals = [
    total.promptTokens,
    total.generatedTokens,
    total.scoredTokens,
    total.trainTokens,
    total.rollouts,
    total.trainSteps,
  ].map(whole);
  await terminal.print(JSON.stringify(config, null, 2));
  const head = ['round', 'stage', 'read', 'written', 'scored', 'trained', 'rollouts', 'steps', 'time'];
  for (const line of renderTable([head, ...rows, ['', 'all', ...totals, time(total.seconds)]], colors))
    await terminal.print(line);
  const { generatedTokensPerSecond: written, promptTokensPerSecond: read, trainTokensPerSecond: trained } = calibration;
  const { secondsPerGrade } = calibration;
  const judged = secondsPerGrade === 0 ? '' : `, and ${(1 / secondsPerGrade).toFixed(1)} programs/s judged`;
  await terminal.print(
    `About ${time(total.seconds)}, ${(memoryBytes / 2 ** 30).toFixed(1)} GiB of memory and ${total.flops.toExponential(1)} model FLOPs, ` +
      `at ${whole(read)} tokens/s read, ${whole(written)} written and ${whole(trained)} trained on this machine${judged}.`,
  );
  await terminal.print(
    colors.dim(
      `Assumed: ${Object.entries(assumptions)
        .map(([name, value]) => `${name} ${Number(value.toFixed(2))}`)
        .join(', ')}`,
    ),
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : sum(values) / values.length;
}
