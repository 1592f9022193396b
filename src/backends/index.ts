// Settings of the engine -> an open Backend. Also what backends are made of: parts to compose, the scripted backend.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Backend } from '../backend.ts';
import type { EngineSettings } from '../engine-settings.ts';
import { SipfError } from '../errors.ts';
import { checkCount, MOST, MOST_THREADS } from '../limits.ts';
import { createWorkerBackend } from './local/worker-client.ts';

export { type BackendParts, composeBackends } from './compose.ts';
export { createScriptedBackend, type ScriptedOptions, type WriteArgs } from './scripted.ts';

export type OpenBackendOptions = Partial<EngineSettings>;

/** What a module that `engine.module` names has as its default export. */
export type MakeBackend = (options: OpenBackendOptions) => Backend | Promise<Backend>;

/**
 * Opens what executes models: the engine of this package, on a thread of its own, or the backend that a module makes.
 * @throws SipfError 'bad-input' where a setting is out of range, or the module makes no backend; 'not-found' where there is no module.
 * @example
 * await using backend = await openBackend({ provider: 'cpu', threads: 2 });
 */
export async function openBackend(options: OpenBackendOptions = {}): Promise<Backend> {
  const { module, provider = 'cpu', threads, slots } = options;
  if (module) return madeBy(module, options);
  checkCount('threads', threads ?? undefined, MOST_THREADS);
  checkCount('slots', slots ?? undefined, MOST.slots);
  return createWorkerBackend({ provider, ...(threads ? { threads } : {}), ...(slots ? { slots } : {}) });
}

const METHODS = ['openPolicy', 'openPrm', 'train', 'describe', 'initModel'] as const satisfies (keyof Backend)[];

async function madeBy(module: string, options: OpenBackendOptions): Promise<Backend> {
  const path = resolve(module);
  if (!existsSync(path))
    throw new SipfError(
      'not-found',
      `Expected a JavaScript file at engine.module ${module}, got nothing there. Check the path.`,
    );
  const { default: make } = (await import(pathToFileURL(path).href)) as { default?: unknown };
  if (typeof make !== 'function')
    throw new SipfError(
      'bad-input',
      `Expected ${module} to have a function that makes a backend as its default export, got ${typeof make}. Add \`export default () => backend\`.`,
    );
  const backend = await (make as MakeBackend)(options);
  const missing = METHODS.find((name) => typeof backend?.[name] !== 'function');
  if (missing === undefined) return backend;
  throw new SipfError(
    'bad-input',
    `Expected a backend from the default export of ${module}, got one without ${missing}. A backend has ${METHODS.join(', ')}.`,
  );
}
