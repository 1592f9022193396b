// The engine's settings -> an open backend, for the commands.
import type { Command } from 'commander';
import type { Backend } from '../backend.ts';
import { trainingCheck } from '../backends/compose.ts';
import { type EngineOptions, openBackend } from '../backends/index.ts';
import { engineOf } from '../config/engine.ts';
import type { Config } from '../config/schema.ts';
import type { ModelSource } from '../records.ts';
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

/** The same backend, which tells once each what the user should know of the models that are opened, described, or trained from. */
export function tellingWarnings(backend: Backend, warn: (message: string) => void): Backend {
  const told = new Set<string>();
  const tell = <T extends { readonly warnings: readonly string[] }>(opened: T): T => {
    for (const message of opened.warnings) if (!told.has(message)) warn(message);
    for (const message of opened.warnings) told.add(message);
    return opened;
  };
  const describe = async (source: ModelSource) => tell(await backend.describe(source));
  return {
    openPolicy: async (source) => tell(await backend.openPolicy(source)),
    openPrm: async (source) => tell(await backend.openPrm(source)),
    ...trainingCheck(backend),
    async train(job, onStep, call) {
      await describe(job.source);
      return backend.train(job, onStep, call);
    },
    describe,
    initModel: (out, init, call) => backend.initModel(out, init, call),
    async exportModel(source, job, call) {
      const warnings = await backend.exportModel(source, job, call);
      return tell({ warnings }).warnings;
    },
    [Symbol.asyncDispose]: () => backend[Symbol.asyncDispose](),
  };
}
