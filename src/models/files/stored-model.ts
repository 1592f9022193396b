// s3://bucket/path -> the local copy of the model or adapter there, downloaded where it must be.
import { join } from 'node:path';
import { SipfError } from '../../errors.ts';
import { sha256 } from '../../hashing.ts';
import { type CacheOptions, storedModelCache } from '../../io/cache.ts';
import { exists } from '../../io/file-bytes.ts';
import { isOffline } from '../../io/hub.ts';
import { cachedSnapshot, makeSnapshot, type SnapshotFile } from '../../io/snapshot.ts';
import { addressBelow, parseAddress } from '../../storage/address.ts';
import { downloadFile } from '../../storage/folders.ts';
import { openStorage, type Storage, type StoredFile } from '../../storage/storage.ts';
import { folderFiles, ggufFiles } from './wanted-files.ts';

type Listed = StoredFile & SnapshotFile;

/**
 * The local folder or .gguf file of what is at an address. What the cache has is taken as it is; with `isFresh` another state there is downloaded.
 * @throws SipfError 'not-found' where no model is there, or offline none in the cache; 'unsupported' where it is in another form; and of the storage.
 */
export async function storedModel(given: string, options: CacheOptions = {}): Promise<string> {
  const address = addressBelow(given);
  const { path } = parseAddress(address);
  const gguf = path.endsWith('.gguf') ? path.slice(path.lastIndexOf('/') + 1) : null;
  const cache = storedModelCache(address, options);
  const cached = await cachedSnapshot(cache);
  const found = cached !== null && (options.isFresh !== true || isOffline()) ? cached : null;
  const snapshot = found ?? (await look(address, gguf, { cache, cached }, options));
  return gguf === null ? snapshot : join(snapshot, gguf);
}

interface Kept {
  readonly cache: string;
  readonly cached: string | null;
}

async function look(
  address: string,
  gguf: string | null,
  { cache, cached }: Kept,
  options: CacheOptions,
): Promise<string> {
  if (isOffline())
    throw new SipfError(
      'not-found',
      `Expected the model ${address} in ${cache}, as HF_HUB_OFFLINE is set, got none. Run once without HF_HUB_OFFLINE, or name a folder.`,
    );
  using storage = await openStorage(gguf === null ? address : addressBelow(address, '..'), options);
  try {
    return await download(storage, gguf, cache, options);
  } catch (thrown) {
    if (cached === null || !(thrown instanceof SipfError) || thrown.code !== 'unreachable') throw thrown;
    throw new SipfError('unreachable', `${thrown.message} HF_HUB_OFFLINE=1 takes what was downloaded before.`);
  }
}

async function download(
  storage: Storage,
  gguf: string | null,
  cache: string,
  { signal, onDownload }: CacheOptions,
): Promise<string> {
  const place = { name: storage.address, words: storage.address };
  const files = (await storage.list('', false)).map(hashed);
  const chosen = gguf === null ? ofFolder(storage, files) : ggufFiles(place, gguf, files);
  const state = sha256(chosen.map(({ path, hash }) => `${path}\0${hash}\n`).join(''));
  return makeSnapshot(cache, state, chosen, async (file, blob) => {
    if (await exists(blob)) return;
    const onBytes = ({ path, size }: StoredFile, bytes: number) =>
      onDownload?.({ repo: storage.address, path, bytes, size });
    await downloadFile(storage, file, blob, { signal, onBytes });
  });
}

/** A storage tells no hash of the content, but another version where that changed. */
function hashed(file: StoredFile): Listed {
  return { ...file, hash: sha256(`${file.path}\0${file.size}\0${file.version}`) };
}

/** @throws SipfError 'not-found' where neither a model nor an adapter is there. */
function ofFolder({ address }: Storage, files: readonly Listed[]): Listed[] {
  const names = files.map(({ path }) => path);
  if (names.includes('config.json') || names.includes('adapter_config.json'))
    return folderFiles({ name: address, words: address }, files);
  const got = names.length === 0 ? 'no file' : `${names.slice(0, 8).join(', ')}`;
  throw new SipfError(
    'not-found',
    `Expected config.json (of a model) or adapter_config.json (of an adapter) at ${address}, got ${got}. Give the address of the folder that holds it, or of a .gguf file.`,
  );
}
