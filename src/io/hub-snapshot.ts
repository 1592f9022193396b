// A model of the hub -> its wanted files in the cache that Hugging Face's own tools share.
import { huggingFaceCache } from './cache.ts';
import { type HubFile, type HubRepo, hubFiles, modelCommit } from './hub.ts';
import { type DownloadParts, downloadHubFile } from './hub-download.ts';
import { makeSnapshot } from './snapshot.ts';

/**
 * Downloads the files that `choose` takes of a model's list, and returns their snapshot.
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
  const chosen = choose(await hubFiles(pinned, undefined, parts));
  const place = (file: HubFile, blob: string) => downloadHubFile(pinned, file, blob, parts);
  return makeSnapshot(huggingFaceCache(id), commit, chosen, place);
}
