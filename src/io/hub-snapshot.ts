// A model of the hub -> its wanted files in the cache that Hugging Face's own tools share.
// models--owner--name/: blobs/HASH, snapshots/COMMIT/PATH -> ../../blobs/HASH, refs/main has COMMIT.
import { readFile, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { codeOf } from '../errors.ts';
import { huggingFaceCache } from './cache.ts';
import { exists } from './file-bytes.ts';
import { makeFolders, writeFileAtomically } from './files.ts';
import { type HubFile, type HubRepo, hubFiles, modelCommit } from './hub.ts';
import { type DownloadParts, downloadHubFile } from './hub-download.ts';

/** The folder of the commit that refs/main names, where there is one; its files may be some of the model's. */
export async function cachedSnapshot(id: string): Promise<string | null> {
  const folder = huggingFaceCache(id);
  const commit = await readFile(join(folder, 'refs', 'main'), 'utf8').catch(() => null);
  if (commit === null) return null;
  const snapshot = join(folder, 'snapshots', commit.trim());
  return (await exists(snapshot)) ? snapshot : null;
}

/**
 * Downloads the files that `choose` takes of a model's list, and returns their snapshot. Large ones come last: where weights are, the rest is.
 * @throws SipfError 'aborted', 'write-failed', and of `choose`; Error with the hub's reason.
 */
export async function downloadSnapshot(
  id: string,
  choose: (files: readonly HubFile[]) => readonly HubFile[],
  parts: DownloadParts = {},
): Promise<string> {
  const repo: HubRepo = { type: 'model', name: id };
  const commit = await modelCommit(repo, parts);
  const pinned = { ...repo, revision: commit };
  const files = [...choose(await hubFiles(pinned, undefined, parts))].sort((a, b) => a.size - b.size);
  const folder = huggingFaceCache(id);
  const snapshot = join(folder, 'snapshots', commit);
  for (const file of files) {
    const blob = join(folder, 'blobs', file.hash);
    await downloadHubFile(pinned, file, blob, parts);
    await link(blob, join(snapshot, file.path));
  }
  await writeFileAtomically(join(folder, 'refs', 'main'), [commit]);
  return snapshot;
}

/** A relative link, so that the cache can move. */
async function link(blob: string, path: string): Promise<void> {
  await makeFolders(dirname(path));
  await symlink(relative(dirname(path), blob), path).catch((thrown: unknown) => {
    if (codeOf(thrown) !== 'EEXIST') throw thrown;
  });
}
