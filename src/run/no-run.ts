// A folder -> whether a run is there; where none is, an error that says what is.
import { existsSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { z } from 'zod';
import { SipfError } from '../errors.ts';
import { readTextFile } from '../io/file-bytes.ts';
import { editDistance } from '../nearest.ts';

/** What a run's config.json holds; a model's folder has a file of that name, too. */
export const StoredConfig = z.object({
  config: z.record(z.string(), z.unknown()),
  /** Where models executed at the last start; absent in runs of version 0.1. */
  engine: z.unknown().optional(),
  versions: z.record(z.string(), z.string()),
});

/** True where `dir` holds a run, finished or not. */
export async function isRun(dir: string): Promise<boolean> {
  try {
    return StoredConfig.safeParse(JSON.parse((await readTextFile(join(dir, 'config.json'))) ?? '')).success;
  } catch {
    return false;
  }
}

const SHOWN = 8;

/** 'not-found', for `throw`. `what` says what was wanted there. */
export async function noRunAt(dir: string, what = 'a run'): Promise<SipfError> {
  return new SipfError('not-found', `Expected ${what} at ${dir}, got no run there: ${await found(dir)}`);
}

async function found(dir: string): Promise<string> {
  const around = await runAround(dir);
  if (around !== null) return `it is inside the run ${around}. Give ${around}.`;
  if (!existsSync(dir)) return `nothing has that name. ${await near(dir)}`;
  if (!statSync(dir).isDirectory()) return `it is a file. ${await near(dir)}`;
  const inside = await runsIn(dir);
  if (inside.length > 0) return `the folder holds ${list(inside)}. Give one of them, such as ${join(dir, inside[0]!)}.`;
  const text = await readTextFile(join(dir, 'config.json')).catch(() => null);
  if (text === null) return `the folder has no config.json. ${await near(dir)}`;
  const kind = /"(?:model_type|architectures)"/.test(text) ? "it is a model's folder" : "its config.json is no run's";
  return `${kind}. ${await near(dir)}`;
}

/** Which runs there are in the folder where this one was looked for, else in `runs`; the nearest by name first. */
async function near(dir: string): Promise<string> {
  for (const folder of new Set([dirname(dir), 'runs', '.'])) {
    const names = await runsIn(folder);
    if (names.length === 0) continue;
    const wanted = basename(dir).toLowerCase();
    const ranked = names
      .map((name) => ({ name, distance: editDistance(name.toLowerCase(), wanted), length: name.length }))
      .sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1));
    const [best] = ranked;
    const all = list(ranked.map(({ name }) => name));
    const isNear = best !== undefined && (best.distance <= 0.5 || best.distance * best.length <= 2);
    const hint = isNear ? ` Did you mean ${join(folder, best.name)}?` : '';
    return `In ${folder}: ${all}.${hint || ' Give one of them.'}`;
  }
  return `There are no runs in ${dirname(dir)} either. Give the --out of a run.`;
}

function list(names: readonly string[]): string {
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '';
  return `${names.length === 1 ? 'the run' : 'the runs'} ${names.slice(0, SHOWN).join(', ')}${more}`;
}

/** Names of the folders in `folder` that hold a run. */
async function runsIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const runs: string[] = [];
  for (const entry of entries) {
    if (!entry.isFile() && (await isRun(join(folder, entry.name)))) runs.push(entry.name);
  }
  return runs.sort();
}

/** The run that `path` is inside of, as a path like it; null: none. */
async function runAround(path: string): Promise<string | null> {
  for (let dir = dirname(resolve(path)); dir !== dirname(dir); dir = dirname(dir)) {
    if (await isRun(dir)) return relative('.', dir) || '.';
  }
  return null;
}
