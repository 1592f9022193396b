// Settings of the engine -> an open Backend; and what backends are made of.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Backend } from '../backend.ts';
import { checkPrecision } from '../engine/runtime/precision.ts';
import type { EngineOptions } from '../engine-settings.ts';
import { messageOf, SipfError } from '../errors.ts';
import { checkCount, MOST, MOST_THREADS } from '../limits.ts';
import type { Fact } from '../remote/fact.ts';
import { openSampler } from '../samplers/samplers.ts';
import { openScorer } from '../scorers/scorers.ts';
import { openTrainer } from '../trainers/trainers.ts';
import { BACKEND_METHODS, composeBackends } from './compose.ts';
import { downloadingFirst } from './local/downloads.ts';
import { createWorkerBackend } from './local/worker-client.ts';
import { WAITS } from './waits.ts';

export type { EngineOptions } from '../engine-settings.ts';
export { checkEngine, type EngineFinding } from './check-engine.ts';
export { type BackendParts, composeBackends } from './compose.ts';
export { createScriptedBackend, type ScriptedOptions, type WriteArgs } from './scripted.ts';

export interface OpenBackendParts {
  /** Told where a model is drawn from, where that may surprise, and how far the download of one is. */
  readonly log?: (message: string) => void;
  /** Where API keys are. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** What a module that `engine.module` names has as its default export. */
export type MakeBackend = (options: EngineOptions) => Backend | Promise<Backend>;

/**
 * Opens what executes models: the engine of this package, on a thread of its own, or the backend that a module makes; with servers that draw and score, and a program that trains.
 * @throws SipfError 'bad-input' where a setting is out of range, or the module makes no backend; 'not-found' where there is no module;
 * 'bad-config' where an API key is not there; 'unsupported' for half precision on the CPU.
 * @example
 * await using backend = await openBackend({ provider: 'cpu', threads: 2 });
 */
export async function openBackend(options: EngineOptions = {}, parts: OpenBackendParts = {}): Promise<Backend> {
  const { sampler: drawsBy, scorer: scoresBy, trainer: trainsBy, threads = null } = options;
  const { log = () => {}, env = process.env } = parts;
  const local = await openLocal(options, log);
  if (!drawsBy && !scoresBy && !trainsBy) return local;
  try {
    const sampler = drawsBy ? openSampler(drawsBy, { ...WAITS, local, log, env }) : null;
    const starts = async () => sampler?.release();
    const scorer = scoresBy ? openScorer(scoresBy, { ...WAITS, local, log, env, starts }) : local;
    const trainer = trainsBy ? await openTrainer(trainsBy, { ...WAITS, store: local, log, threads, env }) : local;
    const backend = composeBackends({ sampler: sampler ?? local, scorer, trainer, store: local });
    if (sampler === null) return backend;
    const train: Backend['train'] = async (...job) => {
      await sampler.release();
      return backend.train(...job);
    };
    return { ...backend, train };
  } catch (error) {
    await local[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * What the server of `engine.sampler` can; nothing without one.
 * @example
 * for (const { name, value } of await samplerTable(engineOf(config))) console.log(name, value);
 * @throws SipfError as `openBackend` does, 'bad-config' where the server has another model or tokenizer, 'unreachable' where it does not answer.
 */
export async function samplerTable(options: EngineOptions, parts: OpenBackendParts = {}): Promise<readonly Fact[]> {
  const { sampler } = options;
  const { log = () => {}, env = process.env } = parts;
  if (!sampler) return [];
  await using local = await openLocal(options, log);
  await using elsewhere = openSampler(sampler, { ...WAITS, local, log, env });
  return await elsewhere.table();
}

/**
 * What the server of `engine.scorer` can; nothing without one.
 * @example
 * for (const { name, value } of await scorerTable(engineOf(config))) console.log(name, value);
 * @throws SipfError as `openBackend` does, 'bad-config' where the server has another model, 'unsupported' where it scores in no known way, 'unreachable' where it does not answer.
 */
export async function scorerTable(options: EngineOptions, parts: OpenBackendParts = {}): Promise<readonly Fact[]> {
  const { scorer } = options;
  const { log = () => {}, env = process.env } = parts;
  if (!scorer) return [];
  await using local = await openLocal(options, log);
  await using elsewhere = openScorer(scorer, { ...WAITS, local, log, env, starts: async () => undefined });
  return await elsewhere.table();
}

async function openLocal(options: EngineOptions, log: (message: string) => void): Promise<Backend> {
  const { module, provider = 'cpu', threads, slots, quantisation = null, precision = 'float32' } = options;
  if (module) return madeBy(module, options);
  checkPrecision(provider, precision);
  checkCount('threads', threads ?? undefined, MOST_THREADS);
  checkCount('slots', slots ?? undefined, MOST.slots);
  const sizes = { ...(threads ? { threads } : {}), ...(slots ? { slots } : {}) };
  return downloadingFirst(createWorkerBackend({ provider, quantisation, precision, ...sizes }), { log, now: Date.now });
}

async function madeBy(module: string, options: EngineOptions): Promise<Backend> {
  const path = resolve(module);
  if (!existsSync(path))
    throw new SipfError(
      'not-found',
      `Expected a JavaScript file at engine.module ${module}, got nothing there. Check the path.`,
    );
  const { default: make } = await own(module, () => import(pathToFileURL(path).href) as Promise<{ default?: unknown }>);
  if (typeof make !== 'function')
    throw new SipfError(
      'bad-input',
      `Expected ${module} to have a function that makes a backend as its default export, got ${typeof make}. Add \`export default () => backend\`.`,
    );
  const backend = await own(module, async () => (make as MakeBackend)(options));
  const missing = BACKEND_METHODS.find((name) => typeof Reflect.get(Object(backend), name) !== 'function');
  if (missing === undefined) return backend;
  throw new SipfError(
    'bad-input',
    `Expected a backend from the default export of ${module}, got one without ${missing}. A backend has ${BACKEND_METHODS.join(', ')}.`,
  );
}

/** What a user's module does: its fault is an error with the place in it, not a fault of this package. */
async function own<T>(module: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof SipfError) throw cause;
    const place = cause instanceof Error ? /file:\/\/\S+:\d+/.exec(cause.stack ?? '')?.[0] : undefined;
    const at = place === undefined ? '' : ` at ${place}`;
    throw new SipfError(
      'bad-input',
      `Expected engine.module ${module} to make a backend, got an error: ${messageOf(cause)}${at}. Fix that file.`,
      { cause },
    );
  }
}
