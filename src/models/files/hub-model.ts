// A name on the hub -> the model's local path: from the cache, or downloaded.
import { join } from 'node:path';
import { messageOf, SipfError } from '../../errors.ts';
import { type CacheOptions, huggingFaceCache } from '../../io/cache.ts';
import { exists } from '../../io/file-bytes.ts';
import { type HubFile, isOffline } from '../../io/hub.ts';
import type { HubName } from '../../io/hub-name.ts';
import { downloadSnapshot } from '../../io/hub-snapshot.ts';
import { cachedSnapshot } from '../../io/snapshot.ts';
import { partNames } from './gguf-parts.ts';
import { readShardIndex } from './shard-index.ts';
import { folderFiles, ggufFiles } from './wanted-files.ts';

/**
 * The local folder or .gguf file of a model of the hub.
 * @throws SipfError 'not-found' saying what to do, also offline; 'unsupported' where the model is in another form; 'aborted'; 'write-failed'.
 */
export async function hubModel({ id, gguf }: HubName, options: CacheOptions): Promise<string> {
  const place = { name: id, words: `the hub model ${id}` };
  const choose = (files: readonly HubFile[]) =>
    gguf === null ? folderFiles(place, files) : ggufFiles(place, gguf, files);
  const snapshot = await cachedSnapshot(huggingFaceCache(id));
  const missing = await missingFrom(snapshot, gguf);
  const found = snapshot !== null && missing === null ? snapshot : await download(id, missing, choose, options);
  return gguf === null ? found : join(found, gguf);
}

/** Whether the whole model is in the cache, so that it opens without a request. */
export async function isCached({ id, gguf }: HubName): Promise<boolean> {
  return (await missingFrom(await cachedSnapshot(huggingFaceCache(id)), gguf)) === null;
}

async function missingFrom(snapshot: string | null, gguf: string | null): Promise<string | null> {
  if (snapshot === null) return gguf ?? 'config.json';
  return gguf === null ? missingInFolder(snapshot) : missingOf(snapshot, partNames(gguf));
}

async function download(
  id: string,
  missing: string | null,
  choose: (files: readonly HubFile[]) => readonly HubFile[],
  options: CacheOptions,
): Promise<string> {
  if (isOffline()) {
    throw new SipfError(
      'not-found',
      `Expected the model ${id} whole in ${huggingFaceCache(id)}, as HF_HUB_OFFLINE is set, got no ${missing}. Run once without HF_HUB_OFFLINE, or name a folder.`,
    );
  }
  try {
    return await downloadSnapshot(id, choose, options);
  } catch (thrown) {
    if (thrown instanceof SipfError) throw thrown;
    throw new SipfError(
      'not-found',
      `Expected a folder ${id}, got none here, and from the hub: ${messageOf(thrown)}. Check the path, or the id and the network. The same command continues a download. Or download it elsewhere ` +
        `(hf download ${id} --local-dir DIR) and give that folder.`,
      { cause: thrown },
    );
  }
}

/** The first file that a snapshot lacks: other tools download the files that they need. */
async function missingInFolder(snapshot: string): Promise<string | null> {
  const weights = 'model.safetensors';
  const index = `${weights}.index.json`;
  const isSharded = !(await exists(join(snapshot, weights))) && (await exists(join(snapshot, index)));
  const shards = isSharded ? new Set((await readShardIndex(join(snapshot, index))).values()) : [weights];
  return missingOf(snapshot, ['config.json', 'tokenizer.json', ...shards]);
}

async function missingOf(snapshot: string, names: readonly string[]): Promise<string | null> {
  for (const name of names) if (!(await exists(join(snapshot, name)))) return name;
  return null;
}
