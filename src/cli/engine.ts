// The engine's settings -> an open backend, for the commands.
import type { Command } from 'commander';
import type { Backend } from '../backend.ts';
import { type EngineOptions, openBackend } from '../backends/index.ts';
import { engineOf } from '../config/engine.ts';
import type { Config } from '../config/schema.ts';
import { tellingWarnings } from './model-warnings.ts';
import type { ModelOptions } from './options.ts';
import { readSettings } from './settings.ts';
import type { Terminal } from './terminal.ts';

/** The engine that the options of a command say which takes no other setting. */
export async function readEngine(command: Command, options: ModelOptions): Promise<EngineOptions> {
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
export async function openEngine(engine: EngineOptions, terminal: Terminal): Promise<Backend> {
  return tellingWarnings(await openBackend(engine, { log: terminal.log }), terminal.warn);
}
