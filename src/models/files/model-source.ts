// A folder, file or hub id as given -> a local path, downloaded where it must be.
import { join, resolve } from 'node:path';
import { messageOf, SipfError } from '../../errors.ts';
import { type CacheOptions, huggingFaceCache } from '../../io/cache.ts';
import { exists, isFolder } from '../../io/file-bytes.ts';
import { type HubFile, isOffline } from '../../io/hub.ts';
import { cachedSnapshot, downloadSnapshot } from '../../io/hub-snapshot.ts';
import { foreignName } from './foreign-models.ts';
import { readShardIndex } from './shard-index.ts';

const HUB_ID = /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/;
const WANTED =
  /^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|adapter_config)\.json$|^chat_template\.jinja$|^(?!consolidated)[^/]*\.safetensors(\.index\.json)?$/;

interface LocalSource {
  readonly path: string;
  readonly kind: 'folder' | 'gguf';
}

/**
 * The local folder or .gguf file that `source` names; `owner/name` (where no such path exists) comes from the hub, first looked for in the caches.
 * @throws SipfError 'not-found' saying what to do, also offline.
 */
export async function resolveSource(source: string, options: CacheOptions = {}): Promise<LocalSource> {
  const path = resolve(source);
  if (await isFolder(path)) return { path, kind: 'folder' };
  if (await exists(path)) {
    if (path.endsWith('.gguf')) return { path, kind: 'gguf' };
    const what = foreignName(path) ?? 'a file. Name the folder that holds config.json.';
    throw new SipfError('bad-input', `Expected a model folder or a .gguf file, got ${source}: ${what}`);
  }
  if (HUB_ID.test(source) && !source.endsWith('.gguf'))
    return { path: await hubFolder(source, options), kind: 'folder' };
  throw new SipfError(
    'not-found',
    `Expected a model folder, a .gguf file or a hub id (owner/name), got ${JSON.stringify(source)}, which is not there. Check the path.`,
  );
}

async function hubFolder(id: string, options: CacheOptions): Promise<string> {
  const snapshot = await cachedSnapshot(id);
  const missing = snapshot === null ? 'config.json' : await missingIn(snapshot);
  if (snapshot !== null && missing === null) return snapshot;
  if (isOffline()) {
    throw new SipfError(
      'not-found',
      `Expected the model ${id} whole in ${huggingFaceCache(id)}, as HF_HUB_OFFLINE is set, got no ${missing}. Run once without HF_HUB_OFFLINE, or name a folder.`,
    );
  }
  try {
    return await downloadSnapshot(id, (files) => wantedFiles(id, files), options);
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
async function missingIn(snapshot: string): Promise<string | null> {
  const weights = 'model.safetensors';
  const index = `${weights}.index.json`;
  const isSharded = !(await exists(join(snapshot, weights))) && (await exists(join(snapshot, index)));
  const shards = isSharded ? new Set((await readShardIndex(join(snapshot, index))).values()) : [weights];
  for (const name of ['config.json', 'tokenizer.json', ...shards])
    if (!(await exists(join(snapshot, name)))) return name;
  return null;
}

/** @throws SipfError 'unsupported' where the model is in another form: none of its weights would come. */
function wantedFiles(id: string, files: readonly HubFile[]): HubFile[] {
  checkListed(
    id,
    files.map(({ path }) => path),
  );
  return files.filter(({ path }) => WANTED.test(path));
}

/** Before anything is downloaded: a model in another form has no weights that would come. */
function checkListed(id: string, paths: readonly string[]): void {
  if (paths.some((path) => WANTED.test(path) && path.endsWith('.safetensors'))) return;
  const gguf = paths.find((path) => path.endsWith('.gguf'));
  const other = paths.find((path) => foreignName(path) !== null);
  const got = gguf
    ? `${gguf}. Download one of its .gguf files (hf download ${id} ${gguf} --local-dir DIR) and give that file.`
    : other
      ? `${other}: ${foreignName(other)}`
      : 'none. Check the id.';
  throw new SipfError('unsupported', `Expected model.safetensors in the hub model ${id}, got ${got}`);
}
