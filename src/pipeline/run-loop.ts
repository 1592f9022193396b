// A configuration, a run directory and a backend -> the loop, run or resumed there.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { z } from 'zod';
import type { Backend } from '../backend.ts';
import { keptConfig, withMovedPaths } from '../config/paths.ts';
import { canonicalHash } from '../hashing.ts';
import type { Disk } from '../io/files.ts';
import { METHODS } from '../method/methods.ts';
import { Checkpoint, type ModelSource, type Question } from '../records.ts';
import type { EvalReport, FinalReport } from '../reports.ts';
import type { Log, OnProgress } from '../run/events.ts';
import { Run } from '../run/run.ts';
import { iterate } from './iterate.ts';
import { openLoop } from './loop.ts';
import { checkpointOf, sourceOf } from './models.ts';
import { setOpener } from './open-sets.ts';
import { openPrompts, promptOf } from './prompts.ts';
import { answerWarnings, describeQuestions } from './question-sets.ts';
import { checkReferences } from './references.ts';
import { runWorkspace } from './run-workspace.ts';
import { evaluateFinal } from './stages/final.ts';
import { type RunStart, type RunStartOptions, startRun } from './start.ts';
import { trainedOn } from './trained-questions.ts';
import { dataHash, settled, stageOf } from './workspace.ts';

export interface RunLoopOptions extends Omit<RunStartOptions, 'say'> {
  readonly onProgress?: OnProgress | undefined;
  readonly log?: Log | undefined;
  readonly disk?: Disk | undefined;
  readonly clock?: (() => Date) | undefined;
}

export interface LoopResult {
  /** The warm-up's report, then one a round. */
  readonly rounds: readonly EvalReport[];
  readonly final: FinalReport | null;
  /** The last policy, where it is now. */
  readonly policy: ModelSource;
}

/**
 * Runs `config` into `out`, or resumes it there. The directory stays valid at every moment.
 * @throws SipfError 'locked' where another process writes there, 'config-changed' (with the keys that differ), 'nothing-left' where there are
 * no rows to train on, 'write-failed', 'aborted', and of the codes that the backend and the task give.
 * @example
 * const config = await loadConfig({ preset: 'smoke' });
 * await using backend = await openBackend({ provider: 'cpu' });
 * const { rounds, policy } = await runLoop({ config, out: 'runs/first', backend });
 */
export async function runLoop(options: RunLoopOptions): Promise<LoopResult> {
  const { backend } = options;
  await using start = await startRun(options);
  await using run = await Run.open({
    dir: start.out,
    ...keptConfig(start.out, start.config),
    settle: withMovedPaths,
    versions: versions(),
    reuse: options.fromRun === undefined ? undefined : resolve(options.fromRun),
    storage: start.storage,
    disk: options.disk,
    clock: options.clock ?? (() => new Date()),
    log: options.log ?? (() => {}),
    onProgress: options.onProgress ?? (() => {}),
    signal: options.signal,
  });
  try {
    return await runRounds(run, start, backend);
  } catch (error) {
    run.log({ type: 'error', message: error instanceof Error ? `${error.name}: ${error.message}` : String(error) });
    throw error;
  }
}

async function runRounds(run: Run, start: RunStart, backend: Backend): Promise<LoopResult> {
  const { task, outside, simulator, verifier } = start;
  const { kept: questions, counts } = await checkReferences(run, task, start.train);
  const { checkpoint: base, parameters } = await writeInputs(run, start, backend, questions);
  await run.settlePaths();
  const source = sourceOf(run.dir, outside, base);
  const openPolicy = () => backend.openPolicy(source);
  const { shots, prompt, asked } = await openPrompts(start, questions, openPolicy);
  const openSimulator = () => backend.openPolicy(sourceOf(run.dir, outside, simulator ?? base));
  const simulatorPrompt = await promptOf(start, shots, openSimulator);
  const config = settled(start.config, asked);
  const earlier = start.init === null ? await trainedOn(start.base) : [];
  run.log({ type: 'questions', message: describeQuestions(asked, start.sets) });
  for (const warning of answerWarnings(task.name, questions)) run.warn(warning);
  const prompts = { task, prompt, shots, options: config.prompt, openPolicy };
  const seen = { train: questions, shots, earlier };
  const loop = openLoop({
    ...runWorkspace(run, backend, outside, asked),
    run,
    config,
    method: METHODS[config.method],
    task,
    prompt,
    simulatorPrompt,
    questions: asked,
    data: dataHash({ config, task, questions }, shots),
    scoresAll: false,
    simulator,
    verifier,
    openSets: setOpener(run, start.sets, seen, prompts),
    base,
    sizes: { ...start.helperSizes, policy: parameters },
    counts: counts === null ? {} : { '0-references': counts },
  });
  const policy = await iterate(loop);
  const final = await evaluateFinal(loop);
  return {
    rounds: loop.rounds.flatMap(({ report }) => report ?? []),
    final,
    policy: sourceOf(run.dir, outside, policy),
  };
}

const Base = z.object({ checkpoint: Checkpoint, parameters: z.number(), questions: z.number() });
type Base = z.infer<typeof Base>;

/** Writes the train questions (so that the run explains itself) and the base model where it is made from nothing; records their hashes. */
async function writeInputs(run: Run, start: RunStart, backend: Backend, questions: readonly Question[]): Promise<Base> {
  const { config, outside, init, base, description } = start;
  const stage = stageOf(0, '0-inputs');
  for (const warning of start.warnings) run.warn(warning, stage);
  const made = typeof config.model === 'string' ? null : config.model.init;
  const body = async (): Promise<Base> => {
    await run.writeRecords(stage, '0-questions.jsonl', questions);
    const model = init === null ? base : { model: run.path(stage.folder, '0-model') };
    const known = init === null ? description : await backend.initModel(model.model, init, { signal: run.signal });
    return {
      checkpoint: checkpointOf(run.dir, outside, model, known.hash),
      parameters: known.parameters,
      questions: questions.length,
    };
  };
  return run.once({
    stage,
    inputs: {
      questions: canonicalHash(questions),
      model: init === null ? description.hash : null,
      init: made,
      seed: config.seed,
    },
    outputs: ['0-questions.jsonl', ...(made === null ? [] : ['0-model'])],
    result: Base,
    body,
  });
}

const Package = z.object({ version: z.string() });

function versions(): Record<string, string> {
  const read = (path: string | URL) => Package.parse(JSON.parse(readFileSync(path, 'utf8'))).version;
  const runtime = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
  return { sipf: read(new URL('../../package.json', import.meta.url)), node: process.version, runtime: read(runtime) };
}
