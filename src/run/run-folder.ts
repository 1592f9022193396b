// A run directory and a configuration -> whether a run may begin or continue there. Writes nothing.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import { SipfError } from '../errors.ts';
import { type Difference, jsonDifference } from '../hashing.ts';
import { checkCanWrite } from '../io/files.ts';
import { checkLock } from './lock.ts';
import { changesOf, hasMarkers, readJson } from './marker.ts';
import { StoredConfig } from './no-run.ts';

/** A run directory with the configuration that a run is to have there. */
export interface StoredConfiguration {
  readonly dir: string;
  /** JSON, with paths relative to the run directory. */
  readonly config: unknown;
  /** What a moved run's stored configuration is now, and the paths that differ. */
  readonly settle: (
    dir: string,
    stored: unknown,
    now: unknown,
  ) => { readonly config: unknown; readonly paths: readonly Difference[] };
}

/**
 * Checks what `Run.open` would for this directory and configuration, and writes nothing.
 * @throws SipfError 'locked', 'config-changed', 'write-failed'.
 */
export async function checkRunFolder(wanted: StoredConfiguration): Promise<void> {
  const { dir } = wanted;
  await checkCanWrite(dir);
  if ((await stat(dir).catch(() => null)) === null) return;
  await checkLock(dir);
  await checkStored(wanted);
}

interface StoredRun {
  readonly versions: Readonly<Record<string, string>>;
  readonly engine: unknown;
  /** What is changed since in the configuration of a run in which no stage had finished: one line a key. */
  readonly changes: string;
  /** Paths that the run was begun with, at which nothing is now, and those that take their place: one line a key. */
  readonly moved: string;
}

/** Where a run's configuration may be: its directory, or a storage. */
interface StoredPlace {
  readonly name: string;
  /** null: no run is there. */
  readonly config: z.infer<typeof StoredConfig> | null;
  readonly hasMarkers: () => Promise<boolean>;
  /** How a run of another configuration starts. */
  readonly elsewhere: string;
}

async function folderPlace(dir: string): Promise<StoredPlace> {
  return {
    name: dir,
    config: await readJson(join(dir, 'config.json'), StoredConfig),
    hasMarkers: () => hasMarkers(dir),
    elsewhere: `start a new run in another directory with --from-run ${dir}, which copies the stages that did not change`,
  };
}

/**
 * The run in `dir`, or at another place; null: none.
 * @throws SipfError 'config-changed' where it has finished stages of another configuration.
 */
export async function checkStored(
  { dir, config, settle }: StoredConfiguration,
  place?: StoredPlace,
): Promise<StoredRun | null> {
  const { name, config: old, hasMarkers: isBegun, elsewhere } = place ?? (await folderPlace(dir));
  if (old === null) return null;
  const now: unknown = JSON.parse(JSON.stringify(config));
  const settled = settle(dir, old.config, now);
  const moved = changesOf(settled.paths);
  const changes = changesOf(jsonDifference(settled.config, now));
  if (changes === '' || !(await isBegun())) return { versions: old.versions, engine: old.engine, changes, moved };
  throw new SipfError(
    'config-changed',
    `Expected the configuration that ${name} was made with, got another:\n${changes}\nRun with the old values, or ${elsewhere}.`,
  );
}
