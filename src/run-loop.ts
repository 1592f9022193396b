// A configuration, a run directory and a backend -> the loop, run or resumed there. Leaves the method to pipeline/iterate.ts.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { z } from 'zod';
import type { Backend, ModelSource } from './backends/backend.ts';
import type { Config } from './config.ts';
import type { Disk } from './disk.ts';
import { SipfError } from './errors.ts';
import { isRun, noRunAt } from './no-run.ts';
import type { Counts } from './pipeline/counts.ts';
import type { EvalReport } from './pipeline/evaluate.ts';
import { type FinalReport, setOpener } from './pipeline/evaluation.ts';
import { iterate } from './pipeline/iterate.ts';
import { canonicalJson, keyedSeed, sha256, shareHeldOut } from './pipeline/keys.ts';
import { METHODS } from './pipeline/methods.ts';
import { loadShots, makePrompter, withoutShots } from './pipeline/prompt.ts';
import { answerWarning, type LoadedSet } from './pipeline/question-sets.ts';
import { checkReferences } from './pipeline/references.ts';
import { type Loop, stageOf } from './pipeline/stages.ts';
import type { Log, OnProgress } from './progress.ts';
import { Checkpoint, type Question } from './records.ts';
import { Run } from './run.ts';
import { checkpointOf, type OutsideModels, relativeTo, sourceOf } from './run-paths.ts';
import { openTasks } from './tasks/index.ts';
import { openSandbox } from './tasks/sandbox/open-sandbox.ts';
import type { Sandbox } from './tasks/sandbox/sandbox.ts';
import type { Task } from './tasks/task.ts';
import { loadRunQuestions } from './train-questions.ts';
import { trainedOn } from './trained-questions.ts';

export interface RunLoopOptions {
  readonly config: Config;
  /** Run directory: new, or an existing run of the same configuration, which goes on where it stopped. */
  readonly out: string;
  /** The caller disposes it. */
  readonly backend: Backend;
  /** An older run directory: its stages whose inputs are equal are copied instead of run. */
  readonly fromRun?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
  readonly log?: Log | undefined;
  /** A task by name; absent: the tasks of this package. */
  readonly tasks?: ((name: string) => Task) | undefined;
  /** Makes what runs programs; absent: this package's sandbox. */
  readonly sandbox?: (() => Sandbox) | undefined;
  readonly disk?: Disk | undefined;
  readonly clock?: (() => Date) | undefined;
}

export interface LoopResult {
  /** The warm-up's report, then one a round. */
  readonly rounds: readonly EvalReport[];
  readonly final: FinalReport | null;
  /** The last policy, where it lies now. */
  readonly policy: ModelSource;
}

/**
 * Runs `config` into `out`, or resumes it there. Throws SipfError: 'locked' (another writer), 'config-changed' (with the differing keys),
 * 'nothing-left' (no rows to train on), 'write-failed', 'aborted' and what the backend and the task throw; the directory stays valid.
 */
export async function runLoop(options: RunLoopOptions): Promise<LoopResult> {
  const { config, backend, signal } = options;
  if (options.fromRun !== undefined && !(await isRun(options.fromRun)))
    throw await noRunAt(options.fromRun, 'a run to copy stages from');
  if (config.model === '') {
    throw new SipfError(
      'bad-config',
      'Expected a model (a Hugging Face folder or a .gguf file), got none. Give --model, or a preset that makes one.',
    );
  }
  const out = resolve(options.out);
  const sandbox = options.sandbox ?? (() => openSandbox(config.sandbox));
  await using tasks = openTasks({ make: options.tasks, sandbox });
  const task = tasks.named(config.task.name);
  const { train, sets } = await loadRunQuestions(config, task, tasks.named);
  await using run = await Run.open({
    dir: out,
    config: relativeTo(out, config),
    versions: versions(),
    reuse: options.fromRun === undefined ? undefined : resolve(options.fromRun),
    disk: options.disk,
    clock: options.clock ?? (() => new Date()),
    log: options.log ?? (() => {}),
    onProgress: options.onProgress ?? (() => {}),
    signal,
  });
  try {
    const { kept: questions, counts } = await checkReferences(run, task, train);
    return await start({ run, config, backend, sets, task, questions, counts });
  } catch (error) {
    run.log({ type: 'error', message: error instanceof Error ? `${error.name}: ${error.message}` : String(error) });
    throw error;
  }
}

interface StartArgs {
  readonly run: Run;
  readonly config: Config;
  readonly backend: Backend;
  readonly sets: ReadonlyMap<string, LoadedSet>;
  readonly task: Task;
  readonly questions: readonly Question[];
  /** Of the reference check; null: none was needed. */
  readonly counts: Counts | null;
}

async function start({ run, config, backend, sets, task, questions, counts }: StartArgs): Promise<LoopResult> {
  const outside = outsideModels(config);
  const base = await prepare({ run, config, backend, task, questions, outside });
  const openBase = () => backend.openPolicy(sourceOf(run.dir, outside, base.checkpoint));
  const { shots: count, shotsFile: file } = config.prompt;
  const shots = await loadShots({ task, count, file, fallback: questions, data: config.task.data ?? undefined });
  const runsPrograms = (task.members ?? [task]).some(({ judgedBy }) => judgedBy === 'tests');
  const judging = runsPrograms ? { sandbox: config.sandbox } : {};
  const asked = withoutShots(questions, shots);
  const heldOut = shareHeldOut(
    asked.map(({ id }) => id),
    config.labels.heldOut,
  );
  const loop: Loop = {
    run,
    config: { ...config, labels: { ...config.labels, heldOut } },
    method: METHODS[config.method],
    backend,
    task,
    prompt: await makePrompter({ task, options: config.prompt, shots, openPolicy: openBase }),
    questions: asked,
    byId: new Map(questions.map((question) => [question.id, question])),
    data: sha256(canonicalJson({ questions, prompt: config.prompt, shots, task: task.name, ...judging })),
    inputCounts: counts === null ? {} : { '0-references': counts },
    outside,
    simulator: await helper(backend, outside, '@simulator'),
    verifier: await helper(backend, outside, '@verifier'),
  };
  const earlier = await trainedOn({
    model: typeof config.model === 'string' ? config.model : '',
    adapter: config.adapter ?? undefined,
  });
  for (const warning of answerWarning(task.name, questions)) run.warn(warning);
  const opener = setOpener({ loop, loaded: sets, seen: { train: questions, shots, earlier }, base: base.checkpoint });
  const { rounds, final, policy } = await iterate({ loop, opener, base: base.checkpoint, parameters: base.parameters });
  return { rounds, final, policy: sourceOf(run.dir, outside, policy) };
}

const Base = z.object({ checkpoint: Checkpoint, parameters: z.number(), questions: z.number() });
type Base = z.infer<typeof Base>;

interface PrepareArgs extends Omit<StartArgs, 'sets' | 'counts'> {
  readonly outside: OutsideModels;
}

/** Writes the train questions (so that the run explains itself) and the base model where it is made from nothing; records their hashes. */
async function prepare({ run, config, backend, task, questions, outside }: PrepareArgs): Promise<Base> {
  const stage = stageOf(0, '0-inputs');
  const made = typeof config.model === 'string' ? null : config.model.init;
  const place = run.path(stage.folder, '0-model');
  const configured: ModelSource = {
    model: String(outside['@model']),
    ...(config.adapter === null ? {} : { adapter: config.adapter }),
  };
  const known = made === null ? await backend.facts(configured) : null;
  const body = async (): Promise<Base> => {
    await run.writeRecords(stage, '0-questions.jsonl', questions);
    if (known !== null) {
      return {
        checkpoint: checkpointOf(run.dir, outside, configured, known.hash),
        parameters: known.parameters,
        questions: questions.length,
      };
    }
    const init = {
      config: { ...made },
      tokenizer: tokenizerOf(task),
      tokenizerConfig: task.tokenizerConfig?.(),
      seed: keyedSeed(config.seed, 'model', 0),
    };
    const facts = await backend.initModel(place, init, { signal: run.signal });
    return {
      checkpoint: checkpointOf(run.dir, outside, { model: place }, facts.hash),
      parameters: facts.parameters,
      questions: questions.length,
    };
  };
  return run.once({
    stage,
    inputs: { questions: sha256(canonicalJson(questions)), model: known?.hash ?? null, init: made, seed: config.seed },
    outputs: ['0-questions.jsonl', ...(made === null ? [] : ['0-model'])],
    result: Base,
    body,
  });
}

function tokenizerOf(task: Task): object {
  const tokenizer = task.tokenizer?.();
  if (tokenizer !== undefined) return tokenizer;
  throw new SipfError(
    'unsupported',
    `Expected a task with its own tokenizer for model.init, got ${task.name}. Give --model, or use the task mini.`,
  );
}

function outsideModels({ model, adapter, simulator, verifier }: Config): OutsideModels {
  const named: Record<string, string> = {};
  if (typeof model === 'string') named['@model'] = model;
  if (adapter !== null) named['@adapter'] = adapter;
  for (const [name, value] of [
    ['@simulator', simulator],
    ['@verifier', verifier],
  ] as const) {
    if (value === 'self') continue;
    named[name] = value.model;
    if (value.adapter !== null) named[`${name}-adapter`] = value.adapter;
  }
  return named;
}

async function helper(backend: Backend, outside: OutsideModels, name: string): Promise<Checkpoint | null> {
  if (outside[name] === undefined) return null;
  const adapter = outside[`${name}-adapter`] === undefined ? null : `${name}-adapter`;
  const checkpoint = { model: name, adapter, hash: '' };
  const { hash } = await backend.facts(sourceOf('.', outside, checkpoint));
  return { ...checkpoint, hash };
}

const Package = z.object({ version: z.string() });

function versions(): Record<string, string> {
  const read = (path: string | URL) => Package.parse(JSON.parse(readFileSync(path, 'utf8'))).version;
  const runtime = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
  return { sipf: read(new URL('../package.json', import.meta.url)), node: process.version, runtime: read(runtime) };
}
