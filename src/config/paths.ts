// Paths of the user's and of a run -> names that hold wherever the run directory lies. Leaves reading to others.
import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import type { Checkpoint, ModelSource } from '../records.ts';
import type { ReadPath } from '../run/out-paths.ts';
import type { Config } from './schema.ts';

/** `config` with every local path passed through `change`. Names that are no local path (hub ids) stay. */
export function mapPaths(config: Config, change: (path: string) => string): Config {
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
  };
}

/** Every local path that a configuration reads. */
export function readsOf({ model, adapter, task, prompt, simulator, verifier, evaluate }: Config): ReadPath[] {
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
  return reads;
}

/** Local paths relative to the run directory, so that config.json holds no absolute ones. */
export function relativeTo(dir: string, config: Config): Config {
  return mapPaths(config, (path) => (path !== '' && existsSync(path) ? relative(resolve(dir), resolve(path)) : path));
}

/** The inverse of `relativeTo`. */
export function absoluteFrom(dir: string, config: Config): Config {
  return mapPaths(config, (path) => (path !== '' && existsSync(resolve(dir, path)) ? resolve(dir, path) : path));
}

/** A path that `relativeTo` made of something outside the run directory, where nothing is now. */
function isGone(dir: string, path: string): boolean {
  return (path.startsWith('..') || isAbsolute(path)) && !existsSync(resolve(dir, path));
}

/**
 * A run's stored configuration, its paths taken from `now` wherever nothing is at the stored ones: the run was moved or copied, or what it reads was.
 * Whether they are the same models and data, the hashes in the stages' markers say.
 */
export function withMovedPaths(dir: string, stored: Config, now: Config): Config {
  const paths: string[] = [];
  mapPaths(now, (path) => {
    paths.push(path);
    return path;
  });
  return mapPaths(stored, (path) => {
    const other = paths.shift();
    return other !== undefined && isGone(dir, path) ? other : path;
  });
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
};

/** Models outside the run directory, by the name that artefacts use for them. */
export type OutsideModels = Readonly<Record<string, string>>;

/** A model's place as artefacts name it: relative to the run directory inside it, `@name` outside. */
export function checkpointOf(dir: string, outside: OutsideModels, source: ModelSource, hash: string): Checkpoint {
  const name = (path: string) => {
    const known = Object.entries(outside).find(([, value]) => value === path);
    if (known !== undefined) return known[0];
    const inside = relative(resolve(dir), resolve(path));
    if (inside.startsWith('..') || isAbsolute(inside))
      throw new Error(`Expected a model inside ${dir} or one of the configured ones, got ${path}.`);
    return inside;
  };
  return { model: name(source.model), adapter: source.adapter === undefined ? null : name(source.adapter), hash };
}

/** The inverse of `checkpointOf`. */
export function sourceOf(dir: string, outside: OutsideModels, checkpoint: Checkpoint): ModelSource {
  const place = (name: string) => outside[name] ?? join(dir, name);
  const { model, adapter } = checkpoint;
  return adapter === null ? { model: place(model) } : { model: place(model), adapter: place(adapter) };
}

/** Data of another task beside or inside the run's own data folder, where it is there; else undefined (the hub). */
export function dataBeside(own: string | null, taskName: string): string | undefined {
  if (own === null) return undefined;
  const names = [taskName, taskName.replaceAll('-', '_')];
  return names.flatMap((name) => [join(own, name), join(dirname(own), name)]).find((path) => existsSync(path));
}
