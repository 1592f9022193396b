// A run directory and a configuration -> whether a run may begin or continue there. Writes nothing.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
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

/**
 * The run in `dir`; null: none.
 * @throws SipfError 'config-changed' where it has finished stages of another configuration.
 */
export async function checkStored({ dir, config, settle }: StoredConfiguration): Promise<StoredRun | null> {
  const old = await readJson(join(dir, 'config.json'), StoredConfig);
  if (old === null) return null;
  const now: unknown = JSON.parse(JSON.stringify(config));
  const settled = settle(dir, old.config, now);
  const moved = changesOf(settled.paths);
  const changes = changesOf(jsonDifference(settled.config, now));
  if (changes === '' || !(await hasMarkers(dir))) return { versions: old.versions, engine: old.engine, changes, moved };
  throw new SipfError(
    'config-changed',
    `Expected the configuration that ${dir} was made with, got another:\n${changes}\nRun with the old values, or start a new run in another directory with --from-run ${dir}, which copies the stages that did not change.`,
  );
}
