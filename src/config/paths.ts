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

/** `config` with every local path passed through `change`. Names that are no local path (hub ids) stay. */
function mapPaths(config: Config, change: (path: string) => string): Config {
  const maybe = (path: string | null) => (path === null ? null : change(path));
  const helper = (value: Config['simulator']) =>
    value === 'self' ? value : { model: change(value.model), adapter: maybe(value.adapter) };
  const sets = (all: Config['evaluate']['sets']) => all.map((set) => ({ ...set, data: maybe(set.data) }));
  const { evaluate } = config;
  return {
    ...config,
    model: typeof config.model === 'string' ? change(config.model) : config.model,
    adapter: maybe(config.adapter),
    task: { ...config.task, data: maybe(config.task.data) },
    prompt: { ...config.prompt, shotsFile: maybe(config.prompt.shotsFile) },
    simulator: helper(config.simulator),
    verifier: helper(config.verifier),
    evaluate: { ...evaluate, sets: sets(evaluate.sets), final: sets(evaluate.final) },
    engine: { ...config.engine, module: maybe(config.engine.module) },
  };
}

/** Every local path that a configuration reads. */
export function readsOf({ model, adapter, task, prompt, simulator, verifier, evaluate, engine }: Config): ReadPath[] {
  const reads: ReadPath[] = [];
  const add = (name: string, path: unknown, kind: ReadPath['kind']) => {
    if (typeof path === 'string' && path !== '') reads.push({ name, path, kind });
  };
  add('the model', model, 'model');
  add('the adapter', adapter, 'model');
  add('task.data', task.data, 'data');
  add('prompt.shotsFile', prompt.shotsFile, 'file');
  for (const [name, value] of Object.entries({ simulator, verifier })) {
    if (value === 'self') continue;
    add(`the ${name}`, value.model, 'model');
    add(`the ${name}'s adapter`, value.adapter, 'model');
  }
  for (const { data } of [...evaluate.sets, ...evaluate.final]) add('data of an evaluation', data, 'data');
  add('the engine module', engine.module, 'file');
  return reads;
}

/** A configuration as a run keeps it: what its results depend on, and apart from that where models execute. */
interface KeptConfig {
  readonly config: Omit<Config, 'engine'>;
  readonly engine: Config['engine'];
}

/** Local paths relative to the run directory, so that config.json holds no absolute ones. */
export function keptConfig(dir: string, given: Config): KeptConfig {
  const { engine, ...config } = mapPaths(given, (path) =>
    path !== '' && existsSync(path) ? relative(resolve(dir), resolve(path)) : path,
  );
  return { config, engine };
}

/** The inverse for the paths. */
export function absoluteFrom(dir: string, config: Config): Config {
  return mapPaths(config, (path) => (path !== '' && existsSync(resolve(dir, path)) ? resolve(dir, path) : path));
}

/** A path that `keptConfig` made of something outside the run directory, where nothing is now. */
function isGone(dir: string, path: string): boolean {
  return (path.startsWith('..') || isAbsolute(path)) && !existsSync(resolve(dir, path));
}

/** A stored configuration that takes the place of the one that was read, and the paths that differ. */
interface Moved {
  readonly config: unknown;
  readonly paths: readonly Difference[];
}

/**
 * A run's stored configuration, its paths taken from `now` wherever nothing is at the stored ones: the run or what it reads was moved.
 * The hashes in the stages' markers say whether it is the same. A configuration that this version does not know stays as it is.
 */
export function withMovedPaths(dir: string, stored: unknown, now: unknown): Moved {
  const [old, given] = [Config.safeParse(stored), Config.safeParse(now)];
  if (!old.success || !given.success) return { config: stored, paths: [] };
  const paths: string[] = [];
  mapPaths(given.data, (path) => {
    paths.push(path);
    return path;
  });
  const settled = mapPaths(old.data, (path) => {
    const other = paths.shift();
    return other !== undefined && isGone(dir, path) ? other : path;
  });
  const moved = jsonDifference(old.data, settled);
  const { engine: _elsewhere, ...config } = settled;
  return { config: moved.length === 0 ? stored : config, paths: moved };
}

/** What of a run's configuration is not where it was, and which option says where it is now. `config` as `absoluteFrom` gives it. */
export function goneFrom(dir: string, config: Config): { readonly option: string; readonly path: string }[] {
  const gone = readsOf(config).filter(({ path }) => isGone(dir, path));
  return gone.map(({ name, path }) => ({ option: `--${OPTION_OF[name] ?? name}`, path }));
}

const OPTION_OF: Readonly<Record<string, string>> = {
  'the model': 'model',
  'the adapter': 'adapter',
  'task.data': 'data',
  'the simulator': 'simulator',
  "the simulator's adapter": 'simulator.adapter',
  'the verifier': 'verifier',
  "the verifier's adapter": 'verifier.adapter',
  'data of an evaluation': 'evaluate.sets',
  'the engine module': 'engine.module',
};
