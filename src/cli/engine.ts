// The engine's settings -> an open backend, for a command that has other settings or none.
import type { Command } from 'commander';
import type { Backend } from '../backend.ts';
import { type OpenBackendOptions, openBackend } from '../backends/index.ts';
import type { Config } from '../config/schema.ts';
import { SipfError } from '../errors.ts';
import { tellingWarnings } from './model-warnings.ts';
import type { ModelOptions } from './options.ts';
import { readSettings } from './settings.ts';
import type { Terminal } from './terminal.ts';

/**
 * The engine of a configuration.
 * @throws SipfError 'bad-config' where a server is to serve a model that has no files of its own.
 */
export function engineOf({ engine, model, adapter, simulator }: Config): OpenBackendOptions {
  const { sampler, ...rest } = engine;
  if (sampler === null) return rest;
  const served = sampler.serves === 'simulator' ? simulator : { model, adapter };
  if (served !== 'self' && typeof served.model === 'string' && served.model !== '')
    return { ...rest, sampler: { ...sampler, serves: { model: served.model, adapter: served.adapter ?? undefined } } };
  throw new SipfError(
    'bad-config',
    `Expected the files of a model at ${sampler.serves} for engine.sampler.serves, got ${JSON.stringify(served === 'self' ? served : served.model)}. Name the model that the server has, or set engine.sampler null.`,
  );
}

/** The engine that the options of a command say which takes no other setting. */
export async function readEngine(command: Command, options: ModelOptions): Promise<OpenBackendOptions> {
  return engineOf(await readModelSettings(command, options));
}

/** The settings of `engine` and of more `sections`, for a command that has a model and no other setting. */
export function readModelSettings(
  command: Command,
  { model, adapter, provider, threads, slots }: ModelOptions,
  own: Readonly<Record<string, unknown>> = {},
  sections: readonly string[] = [],
): Promise<Config> {
  const execution = { provider, threads, slots };
  return readSettings(command, execution, { model, adapter, ...own }, null, ['engine', ...sections]);
}

/** Opens the backend; the terminal hears once of each thing that the user should know of a model's files. */
export async function openEngine(engine: OpenBackendOptions, terminal: Terminal): Promise<Backend> {
  return tellingWarnings(await openBackend(engine, { log: terminal.log }), terminal.warn);
}
