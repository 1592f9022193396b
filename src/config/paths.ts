// A configuration's paths -> relative to the run directory and back, what it reads, what has moved.
import { existsSync } from 'node:fs';
import { isAbsolute, relative, resolve } from 'node:path';
import { type Difference, jsonDifference } from '../hashing.ts';
import { Config } from './schema.ts';

/** A path that is read. Nothing may be written below a model: its hash covers the whole folder. */
export interface ReadPath {
  /** As the user knows it: `--data`, `evaluate.sets`. */
  readonly name: string;
  readonly path: string;
  readonly kind: 'file' | 'data' | 'model';
}

/** One that a configuration names, with the option that changes it. */
interface ConfiguredPath extends ReadPath {
  readonly option: string;
}

/** `config` with every local path passed through `change`. Names that are no local path (hub ids) stay. */
function mapPaths(config: Config, change: (read: ConfiguredPath) => string): Config {
  const map = <P extends string | null>(path: P, kind: ReadPath['kind'], option: string, name = option): P | string =>
    path === null ? path : change({ name, path, kind, option });
  const helper = (value: Config['simulator'], option: string) =>
    value === 'self'
      ? value
      : {
          model: map(value.model, 'model', option, `the ${option}`),
          adapter: map(value.adapter, 'model', `${option}.adapter`, `the ${option}'s adapter`),
        };
  const sets = (all: Config['evaluate']['sets']) =>
    all.map((set) => ({ ...set, data: map(set.data, 'data', 'evaluate.sets', 'data of an evaluation') }));
  const { model, adapter, task, prompt, simulator, verifier, evaluate, engine } = config;
  return {
    ...config,
    model: typeof model === 'string' ? map(model, 'model', 'model', 'the model') : model,
    adapter: map(adapter, 'model', 'adapter', 'the adapter'),
    task: { ...task, data: map(task.data, 'data', 'data', 'task.data') },
    prompt: { ...prompt, shotsFile: map(prompt.shotsFile, 'file', 'prompt.shotsFile') },
    simulator: helper(simulator, 'simulator'),
    verifier: helper(verifier, 'verifier'),
    evaluate: { ...evaluate, sets: sets(evaluate.sets), final: sets(evaluate.final) },
    engine: { ...engine, module: map(engine.module, 'file', 'engine.module', 'the engine module') },
  };
}

/** Every local path that a configuration names. */
function pathsIn(config: Config): ConfiguredPath[] {
  const paths: ConfiguredPath[] = [];
  mapPaths(config, (read) => {
    paths.push(read);
    return read.path;
  });
  return paths;
}

/** Every local path that a configuration reads. */
export function readsOf(config: Config): ConfiguredPath[] {
  return pathsIn(config).filter(({ path }) => path !== '');
}

/**
 * A configuration as a run keeps it: what its results depend on, and apart from that where models execute. Local paths are relative to the run
 * directory, so that config.json holds no absolute ones.
 */
export function keptConfig(dir: string, given: Config) {
  const { engine, ...config } = mapPaths(given, ({ path }) =>
    path !== '' && existsSync(path) ? relative(resolve(dir), resolve(path)) : path,
  );
  return { config, engine };
}

/** The inverse for the paths. */
export function absoluteFrom(dir: string, config: Config): Config {
  return mapPaths(config, ({ path }) => (path !== '' && existsSync(resolve(dir, path)) ? resolve(dir, path) : path));
}

/** A path that `keptConfig` made of something outside the run directory, where nothing is now. */
function isGone(dir: string, path: string): boolean {
  return (path.startsWith('..') || isAbsolute(path)) && !existsSync(resolve(dir, path));
}

/**
 * A run's stored configuration, with the defaults of settings that came later, its paths taken from `now` wherever nothing is at the stored
 * ones, and the paths that differ: the run or what it reads was moved.
 * The hashes in the stages' markers say whether it is the same. A configuration that this version does not know stays as it is.
 */
export function withMovedPaths(
  dir: string,
  stored: unknown,
  now: unknown,
): { config: unknown; paths: readonly Difference[] } {
  const [old, given] = [Config.safeParse(stored), Config.safeParse(now)];
  if (!old.success || !given.success) return { config: stored, paths: [] };
  const paths = pathsIn(given.data);
  const settled = mapPaths(old.data, ({ path }) => {
    const other = paths.shift();
    return other !== undefined && isGone(dir, path) ? other.path : path;
  });
  const { engine: _elsewhere, ...config } = settled;
  return { config, paths: jsonDifference(old.data, settled) };
}

/** What of a run's configuration is not where it was. `config` as `absoluteFrom` gives it. */
export function goneFrom(dir: string, config: Config): ConfiguredPath[] {
  return readsOf(config).filter(({ path }) => isGone(dir, path));
}
