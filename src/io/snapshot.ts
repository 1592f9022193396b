// Files of a model elsewhere -> a folder of one state of them, in a cache that is whole at any time.
// FOLDER: blobs/HASH, snapshots/STATE/PATH -> ../../blobs/HASH, refs/main has STATE.
import { readFile, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { codeOf } from '../errors.ts';
import { exists } from './file-bytes.ts';
import { makeFolders, writeFileAtomically } from './files.ts';

/** A file, and the hash that names its content. */
export interface SnapshotFile {
  readonly path: string;
  readonly size: number;
  readonly hash: string;
}

/** The folder of the state that refs/main names, where there is one; its files may be some of the model's. */
export async function cachedSnapshot(folder: string): Promise<string | null> {
  const state = await readFile(join(folder, 'refs', 'main'), 'utf8').catch(() => null);
  if (state === null) return null;
  const snapshot = join(folder, 'snapshots', state.trim());
  return (await exists(snapshot)) ? snapshot : null;
}

/**
 * Makes the snapshot of `state` of what `place` puts at the path of each blob, and returns it. Large files come last: where weights are, the rest is.
 * @throws SipfError 'write-failed', and what `place` throws.
 */
export async function makeSnapshot<F extends SnapshotFile>(
  folder: string,
  state: string,
  chosen: readonly F[],
  place: (file: F, blob: string) => Promise<void>,
): Promise<string> {
  const snapshot = join(folder, 'snapshots', state);
  for (const file of [...chosen].sort((a, b) => a.size - b.size)) {
    const blob = join(folder, 'blobs', file.hash);
    await place(file, blob);
    await link(blob, join(snapshot, file.path));
  }
  await writeFileAtomically(join(folder, 'refs', 'main'), [state]);
  return snapshot;
}

/** A relative link, so that the cache can move. */
async function link(blob: string, path: string): Promise<void> {
  await makeFolders(dirname(path));
  await symlink(relative(dirname(path), blob), path).catch((thrown: unknown) => {
    if (codeOf(thrown) !== 'EEXIST') throw thrown;
  });
}
