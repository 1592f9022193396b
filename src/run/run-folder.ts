// A run directory and a configuration -> whether a run may begin or continue there. Writes nothing; leaves the run to run.ts.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { withMovedPaths } from '../config/paths.ts';
import { Config, configDifference } from '../config/schema.ts';
import { SipfError } from '../errors.ts';
import { readTextFile } from '../io/disk.ts';
import { checkCanWrite } from '../io/folders.ts';
import { Lock } from './lock.ts';
import { changesOf, hasMarkers, parseJson } from './marker.ts';

/** Throws what `Run.open` would for this directory and configuration, and writes nothing: 'locked', 'config-changed', 'write-failed'. */
export async function checkRunFolder(dir: string, config: unknown): Promise<void> {
  await checkCanWrite(dir);
  if ((await stat(dir).catch(() => null)) === null) return;
  await Lock.check(dir);
  await checkStored(dir, config);
}

export interface StoredRun {
  readonly versions: Readonly<Record<string, string>>;
  /** What is changed since in the configuration of a run in which no stage had finished: one line a key. */
  readonly changes: string;
  /** Paths that the run was begun with, at which nothing is now, and those that take their place: one line a key. */
  readonly moved: string;
}

/** The run that `dir` holds; null: none. Throws 'config-changed' where it has finished stages of another configuration. */
export async function checkStored(dir: string, config: unknown): Promise<StoredRun | null> {
  const path = join(dir, 'config.json');
  const text = await readTextFile(path);
  if (text === null) return null;
  const old = parseJson(text, path, z.object({ config: z.unknown(), versions: z.record(z.string(), z.string()) }));
  const now: unknown = JSON.parse(JSON.stringify(config));
  const { settled, moved } = asMoved(dir, old.config, now);
  const changes = changesOf(configDifference(settled, now));
  if (changes === '' || !(await hasMarkers(dir))) return { versions: old.versions, changes, moved };
  throw new SipfError(
    'config-changed',
    `Expected the configuration that ${dir} was made with, got another:\n${changes}\nRun with the old values, or start a new run in another directory with --from-run ${dir}, which copies the stages that did not change.`,
  );
}

/** A configuration that this version does not know stays as it is: the difference is shown. */
function asMoved(dir: string, stored: unknown, now: unknown): { readonly settled: unknown; readonly moved: string } {
  const [old, given] = [Config.safeParse(stored), Config.safeParse(now)];
  if (!old.success || !given.success) return { settled: stored, moved: '' };
  const settled = withMovedPaths(dir, old.data, given.data);
  const moved = changesOf(configDifference(old.data, settled));
  return moved === '' ? { settled: stored, moved } : { settled, moved };
}
