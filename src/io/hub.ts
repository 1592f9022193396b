// A source as the user wrote it (folder, .gguf file or hub id) -> a local path; hub models are downloaded once. Leaves reading to others.
import { readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { downloadFile, type ListFileEntry, listFiles, modelInfo } from '@huggingface/hub';
import { messageOf, SipfError, throwIfAborted } from '../errors.ts';
import { foreignName } from '../models/files/foreign-models.ts';
import { exists, isFolder, writeFileAtomically } from './file-bytes.ts';

export interface CacheOptions {
  /** Cache folder; default: $SIPF_CACHE or ~/.cache/sipf. */
  readonly cache?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told about each hub file before its download. */
  readonly onDownload?: ((file: string, bytes: number) => void) | undefined;
}

/** Where converted weights, hashes and downloads are kept. */
export function cacheFolder(options: CacheOptions = {}): string {
  return resolve(options.cache ?? process.env.SIPF_CACHE ?? join(homedir(), '.cache', 'sipf'));
}

const HUB_ID = /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/;
const WANTED =
  /^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|adapter_config)\.json$|^chat_template\.jinja$|^[^/]*\.safetensors(\.index\.json)?$/;

export interface LocalSource {
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

/** The folder where Hugging Face's own tools keep this model. */
function huggingFaceCache(id: string): string {
  const home = process.env.HF_HOME ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'huggingface');
  return join(process.env.HF_HUB_CACHE ?? join(home, 'hub'), `models--${id.replace('/', '--')}`);
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
  const token = process.env.HF_TOKEN;
  const endpoint = process.env.HF_ENDPOINT;
  const access = { ...(token ? { accessToken: token } : {}), ...(endpoint ? { hubUrl: endpoint } : {}) };
  const { sha } = await modelInfo({ name: id, additionalFields: ['sha'], ...access });
  const snapshot = join(folder, 'snapshots', sha);
  const entries: ListFileEntry[] = [];
  for await (const entry of listFiles({ repo: id, revision: sha, ...access })) entries.push(entry);
  checkListed(
    id,
    entries.map(({ path }) => path),
  );
  for (const entry of entries) {
    if (entry.type !== 'file' || !WANTED.test(entry.path)) continue;
    throwIfAborted(options.signal);
    const target = join(snapshot, entry.path);
    if ((await exists(target)) && (await stat(target)).size === entry.size) continue;
    options.onDownload?.(entry.path, entry.size);
    const blob = await downloadFile({ repo: id, path: entry.path, revision: sha, ...access });
    if (!blob) throw new Error(`${entry.path} is not there`);
    await writeFileAtomically(target, async (append) => {
      for await (const chunk of blob.stream()) {
        throwIfAborted(options.signal);
        await append(chunk);
      }
    });
    const { size } = await stat(target);
    if (size !== entry.size) throw new Error(`${entry.path} has ${size} bytes of ${entry.size}`);
  }
  await writeFileAtomically(join(folder, 'refs', 'main'), (append) => append(sha));
  return snapshot;
}
