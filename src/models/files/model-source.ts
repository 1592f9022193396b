// A folder, file, name on the hub or address as given -> a local path, downloaded where it must be.
import { resolve } from 'node:path';
import { SipfError } from '../../errors.ts';
import type { CacheOptions } from '../../io/cache.ts';
import { exists, isFolder } from '../../io/file-bytes.ts';
import { hubName } from '../../io/hub-name.ts';
import { isStorageAddress } from '../../storage/address.ts';
import { foreignName } from './foreign-models.ts';
import { hubModel, isCached } from './hub-model.ts';
import { storedModel } from './stored-model.ts';

interface LocalSource {
  readonly path: string;
  readonly kind: 'folder' | 'gguf';
}

/**
 * The local folder or .gguf file that `source` names. `owner/name` and `owner/name/FILE.gguf`, where no such path exists, come from the hub, first
 * looked for in Hugging Face's cache; `s3://bucket/path` comes from there.
 * @throws SipfError 'not-found' saying what to do, also offline; 'bad-input' for another kind of file; and of a download.
 */
export async function resolveSource(source: string, options: CacheOptions = {}): Promise<LocalSource> {
  if (isStorageAddress(source))
    return { path: await storedModel(source, options), kind: source.endsWith('.gguf') ? 'gguf' : 'folder' };
  const path = resolve(source);
  if (await isFolder(path)) return { path, kind: 'folder' };
  if (await exists(path)) {
    if (path.endsWith('.gguf')) return { path, kind: 'gguf' };
    const what = foreignName(path) ?? 'a file. Name the folder that holds config.json.';
    throw new SipfError('bad-input', `Expected a model folder or a .gguf file, got ${source}: ${what}`);
  }
  const name = hubName(source);
  if (name !== null) return { path: await hubModel(name, options), kind: name.gguf === null ? 'folder' : 'gguf' };
  throw new SipfError(
    'not-found',
    `Expected a model folder, a .gguf file, a hub id (owner/name, owner/name/FILE.gguf) or s3://bucket/path, got ${JSON.stringify(source)}, which is not there. Check the path.`,
  );
}

/** The local folder of an adapter as given: an address in a storage is downloaded. @throws SipfError of a download. */
export async function resolveAdapter(adapter: string, options: CacheOptions = {}): Promise<string> {
  return isStorageAddress(adapter) ? storedModel(adapter, options) : adapter;
}

/** Whether `source` names a model of the hub that is not, or not whole, on this machine. */
export async function isToDownload(source: string): Promise<boolean> {
  const name = hubName(source);
  return name !== null && !(await exists(resolve(source))) && !(await isCached(name));
}
