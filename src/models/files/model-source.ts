// A folder, file or hub id as given -> a local path, downloaded where it must be.
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { modelInfo } from '@huggingface/hub';
import { messageOf, SipfError } from '../../errors.ts';
import { type CacheOptions, cacheFolder, huggingFaceCache } from '../../io/cache.ts';
import { exists, isFolder } from '../../io/file-bytes.ts';
import { writeFileAtomically } from '../../io/files.ts';
import { fetchHubFile, hubAccess, hubFiles } from '../../io/hub.ts';
import { foreignName } from './foreign-models.ts';

const HUB_ID = /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/;
const WANTED =
  /^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|adapter_config)\.json$|^chat_template\.jinja$|^[^/]*\.safetensors(\.index\.json)?$/;

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
  const own = join(cacheFolder(options), 'hub', `models--${id.replace('/', '--')}`);
  for (const folder of [huggingFaceCache(id), own]) {
    const found = await snapshotIn(folder);
    if (found) return found;
  }
  try {
    return await download(id, own, options);
  } catch (thrown) {
    if (thrown instanceof SipfError) throw thrown;
    throw new SipfError(
      'not-found',
      `Expected a folder ${id}, got none here, and no such model from the hub: ${messageOf(thrown)}. Check the path, or the id and the network, or download it elsewhere ` +
        `(hf download ${id} --local-dir DIR) and give that folder. Gated models need HF_TOKEN.`,
      { cause: thrown },
    );
  }
}

/** The snapshot that refs/main names, where it is complete. */
async function snapshotIn(folder: string): Promise<string | null> {
  const ref = join(folder, 'refs', 'main');
  if (!(await exists(ref))) return null;
  const snapshot = join(folder, 'snapshots', (await readFile(ref, 'utf8')).trim());
  const weights = ['model.safetensors', 'model.safetensors.index.json'].map((name) => exists(join(snapshot, name)));
  return (await exists(join(snapshot, 'config.json'))) && (await Promise.all(weights)).some(Boolean) ? snapshot : null;
}

/** Before anything is downloaded: a model in another form has no weights that would come. */
function checkListed(id: string, paths: readonly string[]): void {
  if (paths.some((path) => /^[^/]*\.safetensors$/.test(path))) return;
  const gguf = paths.find((path) => path.endsWith('.gguf'));
  const other = paths.find((path) => foreignName(path) !== null);
  const got = gguf
    ? `${gguf}. Download one of its .gguf files (hf download ${id} ${gguf} --local-dir DIR) and give that file.`
    : other
      ? `${other}: ${foreignName(other)}`
      : 'none. Check the id.';
  throw new SipfError('unsupported', `Expected model.safetensors in the hub model ${id}, got ${got}`);
}

async function download(id: string, folder: string, options: CacheOptions): Promise<string> {
  const { sha } = await modelInfo({ name: id, additionalFields: ['sha'], ...hubAccess() });
  const repo = { type: 'model', name: id, revision: sha } as const;
  const files = await hubFiles(repo);
  checkListed(
    id,
    files.map(({ path }) => path),
  );
  const snapshot = join(folder, 'snapshots', sha);
  for (const file of files) if (WANTED.test(file.path)) await fetchHubFile(repo, file, snapshot, options);
  await writeFileAtomically(join(folder, 'refs', 'main'), [sha]);
  return snapshot;
}
