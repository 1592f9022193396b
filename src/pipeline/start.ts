// A run's options -> all that it needs before its first stage, checked. Writes nothing there.
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Backend, ModelDescription, ModelInit } from '../backend.ts';
import { keptConfig, readsOf, withMovedPaths } from '../config/paths.ts';
import type { Config } from '../config/schema.ts';
import { SipfError, throwIfAborted } from '../errors.ts';
import type { Checkpoint, ModelSource, Question } from '../records.ts';
import { readMarker } from '../run/marker.ts';
import { isRun, noRunAt } from '../run/no-run.ts';
import { checkRunFolder } from '../run/run-folder.ts';
import { checkRunStorage } from '../run/run-storage.ts';
import type { Sandbox } from '../sandbox.ts';
import { openSandbox } from '../sandboxes/open.ts';
import { isStorageAddress, parseAddress } from '../storage/address.ts';
import { openStorage, type Storage } from '../storage/storage.ts';
import type { Task } from '../task.ts';
import { openTasks } from '../tasks/index.ts';
import type { ModelSizes } from './cost.ts';
import { helperOf, initOf, type OutsideModels, outsideModels, sourceOf } from './models.ts';
import { promptOfSet } from './open-sets.ts';
import { checkOutRun } from './out-paths.ts';
import { openPrompts, type Prompts, promptOf } from './prompts.ts';
import type { LoadedSet } from './question-sets.ts';
import {
  checkAdapters,
  checkContexts,
  checkLoraTargets,
  checkPrmQuestions,
  checkProbe,
  checkQuantised,
  checkRowLengths,
  checkSamples,
  checkScorer,
  checkSignals,
  lastTrainings,
  type PromptedQuestions,
  questionsOfRounds,
} from './start-checks.ts';
import { loadRunQuestions } from './train-questions.ts';
import { stageOf } from './workspace.ts';

export interface RunStartOptions {
  readonly config: Config;
  /** Run directory: new, or an existing run of the same configuration. */
  readonly out: string;
  /** The caller disposes it. */
  readonly backend: Backend;
  /** An older run directory: its stages whose inputs are equal are copied instead of run. */
  readonly fromRun?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** A task by name; absent: the tasks of this package. */
  readonly tasks?: ((name: string) => Task) | undefined;
  /** Makes what runs programs; absent: this package's sandbox. */
  readonly sandbox?: (() => Sandbox) | undefined;
  /** Called with what is being checked, for people. */
  readonly say?: ((what: string) => void) | undefined;
}

/** What a run is asked, before any model is opened. Disposing it disposes its tasks and its storage. */
export interface StartQuestions extends AsyncDisposable {
  readonly config: Config;
  /** Absolute. */
  readonly out: string;
  readonly task: Task;
  readonly train: readonly Question[];
  readonly sets: ReadonlyMap<string, LoadedSet>;
  /** Where finished stages are kept; null: in `out` alone. */
  readonly storage: Storage | null;
}

/** A run that nothing speaks against. Disposing it disposes its tasks and what was made to check it. */
export interface RunStart extends StartQuestions {
  readonly outside: OutsideModels;
  readonly simulator: Checkpoint | null;
  readonly verifier: Checkpoint | null;
  /** What the run makes its model from; null: the model is configured. */
  readonly init: ModelInit | null;
  /** The model that training starts from: the configured one, or a copy of the one that the run makes. */
  readonly base: ModelSource;
  readonly description: ModelDescription;
  /** Parameters of the models that roll out, and that a PRM starts from. */
  readonly helperSizes: Omit<ModelSizes, 'policy'>;
  /** Of the train questions, broken ones among them. */
  readonly prompts: Prompts;
  readonly warnings: readonly string[];
}

/**
 * Checks everything that can be known before the first stage.
 * @throws SipfError of the code with which the run would end later.
 */
export async function startRun(options: RunStartOptions): Promise<RunStart> {
  const questions = await startQuestions(options);
  const opened: AsyncDisposable[] = [questions];
  try {
    const [models, told] = await Promise.allSettled([startModels(questions, options, opened), checkTraining(options)]);
    if (models.status === 'rejected') throw models.reason;
    if (told.status === 'rejected') throw told.reason;
    return { ...models.value, warnings: [...models.value.warnings, ...told.value] };
  } catch (error) {
    await disposeAll(opened);
    throw error;
  }
}

/**
 * Checks the settings and the run directory, and reads the questions: the first part of a start, which needs no model.
 * @throws SipfError of the code with which the run would end later.
 */
export async function startQuestions(options: Omit<RunStartOptions, 'backend'>): Promise<StartQuestions> {
  const { config, signal, say = () => {} } = options;
  if (config.model === '') {
    throw new SipfError(
      'bad-config',
      'Expected a model (a Hugging Face folder or a .gguf file), got none. Give --model, or a preset that has one (sipf presets).',
    );
  }
  const out = resolve(options.out);
  if (options.fromRun !== undefined && !(await isRun(options.fromRun)))
    throw await noRunAt(options.fromRun, 'a run to copy stages from');
  const from =
    options.fromRun === undefined ? [] : [{ name: '--from-run', path: options.fromRun, kind: 'model' as const }];
  // Before anything is written that may hold a key.
  for (const { path } of readsOf(config)) if (isStorageAddress(path)) parseAddress(path);
  await checkOutRun(out, [...readsOf(config), ...from]);
  const wanted = { dir: out, config: keptConfig(out, config).config, settle: withMovedPaths };
  await checkRunFolder(wanted);
  const address = config.engine.storage;
  const storage = address === null ? null : await openStorage(address, { signal });
  const sandbox = options.sandbox ?? (() => openSandbox(config.sandbox));
  const tasks = openTasks({ make: options.tasks, sandbox });
  const close = async () => {
    storage?.[Symbol.dispose]();
    await tasks[Symbol.asyncDispose]();
  };
  try {
    if (storage !== null) await checkRunStorage(storage, wanted);
    const task = tasks.named(config.task.name);
    checkQuantised(config);
    checkAdapters(config);
    checkScorer(config);
    checkSamples(config);
    checkSignals(config, task);
    say('Reading questions ...');
    const { train, sets } = await loadRunQuestions(config, task, tasks.named);
    throwIfAborted(signal);
    return { config, out, task, train, sets, storage, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** `opened` takes what is made to check the models. */
async function startModels(
  { config, out, task, train, sets, storage }: StartQuestions,
  options: RunStartOptions,
  opened: AsyncDisposable[],
): Promise<RunStart> {
  const { backend, say = () => {} } = options;
  say('Opening models ...');
  const init = initOf(config, task);
  const { model, adapter } = config;
  const given = { model: String(model), adapter: adapter ?? undefined };
  const base = init === null ? given : await madeBase(out, init, options, opened);
  const warnings: string[] = [];
  const describe = async (source: ModelSource) => {
    const found = await backend.describe(source);
    warnings.push(...found.warnings.filter((warning) => !warnings.includes(warning)));
    return found;
  };
  const description = await describe(base);
  const outside = outsideModels(config);
  const simulator = await helperOf(describe, outside, '@simulator');
  const verifier = await helperOf(describe, outside, '@verifier');
  const ofHelper = async (helper: Checkpoint | null) =>
    helper === null ? description : await describe(sourceOf('.', outside, helper));
  const [rolling, prmBase] = [await ofHelper(simulator), await ofHelper(verifier)];
  const helperSizes = { simulator: rolling.parameters, verifier: prmBase.parameters };
  checkLoraTargets('sft', config, description);
  checkLoraTargets('prm', config, prmBase);
  checkLoraTargets('align', config, description);
  const models = { outside, simulator, verifier, init, base, description, helperSizes };
  const start = { config, out, task, train, sets, storage, ...models, warnings };
  say('Checking prompts and lengths ...');
  const prompts = await openPrompts(start, train, () => backend.openPolicy(base));
  await checkTexts(start, prompts, backend);
  return { ...start, prompts, [Symbol.asyncDispose]: () => disposeAll(opened) };
}

async function disposeAll(opened: readonly AsyncDisposable[]): Promise<void> {
  for (const one of opened) await one[Symbol.asyncDispose]();
}

/**
 * What the user should know of what trains, where a training is left to do.
 * @throws SipfError 'provider-unavailable' where it would fail.
 */
export async function checkTraining({
  config,
  out,
  backend,
  signal,
}: Pick<RunStartOptions, 'config' | 'out' | 'backend' | 'signal'>): Promise<readonly string[]> {
  if (backend.checkTraining === undefined) return [];
  const left = await Promise.all(lastTrainings(config).map(async (stage) => (await readMarker(out, stage)) === null));
  return left.includes(true) ? backend.checkTraining({ signal }) : [];
}

/** The model that an earlier start of the run has made, else one that is as the run will make it, in a folder of its own, which `opened` takes. */
async function madeBase(
  out: string,
  init: ModelInit,
  { backend, signal }: RunStartOptions,
  opened: AsyncDisposable[],
): Promise<ModelSource> {
  const stage = stageOf(0, '0-inputs');
  if (existsSync(out) && (await readMarker(out, stage)) !== null) return { model: join(out, stage.folder, '0-model') };
  const folder = await mkdtemp(join(tmpdir(), 'sipf-start-'));
  opened.push({ [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) });
  const model = join(folder, 'model');
  await backend.initModel(model, init, { signal });
  return { model };
}

/** Prompts as the run will have them, against the contexts of its models and the lengths of its training rows. */
async function checkTexts(
  start: Omit<RunStart, 'prompts' | keyof AsyncDisposable>,
  { shots, prompt, asked }: Prompts,
  backend: Backend,
): Promise<void> {
  const { config, task, sets, base, outside, simulator, verifier } = start;
  const rounds = questionsOfRounds(config, asked);
  checkPrmQuestions(config, rounds[0] ?? []);
  const openPolicy = () => backend.openPolicy(base);
  const prompted: PromptedQuestions[] = [{ questions: [...new Set(rounds.flat())], prompt }];
  for (const set of sets.values()) {
    const own = { task, prompt, shots, options: config.prompt, openPolicy };
    prompted.push({ questions: set.questions, prompt: await promptOfSet(set, own) });
  }
  await using policy = await openPolicy();
  await checkContexts(policy, prompted, 'all');
  await checkRowLengths(policy, config, asked, { task, prompt });
  await checkProbe(config, () => backend.openPolicy(verifier === null ? base : sourceOf('.', outside, verifier)));
  if (simulator === null || rounds.length === 0) return;
  const openSimulator = () => backend.openPolicy(sourceOf('.', outside, simulator));
  await using rolling = await openSimulator();
  const own = { questions: rounds.flat(), prompt: await promptOf(start, shots, openSimulator) };
  await checkContexts(rolling, [own], 'any');
}
