// Options and environment -> the folder of converted weights, hashes and downloads.
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { sha256 } from '../hashing.ts';
import type { DownloadProgress } from './hub-download.ts';

export interface CacheOptions {
  /** Cache folder; default: $SIPF_CACHE or ~/.cache/sipf. */
  readonly cache?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told how far the download of a file is. */
  readonly onDownload?: ((progress: DownloadProgress) => void) | undefined;
  /** Whether what the cache has of a storage is compared with what is there now. */
  readonly isFresh?: boolean | undefined;
}

/** Where converted weights, hashes and downloads are kept. */
export function cacheFolder({ cache }: CacheOptions = {}): string {
  return resolve(cache ?? process.env.SIPF_CACHE ?? join(homedir(), '.cache', 'sipf'));
}

/** The folder where Hugging Face's own tools keep a model, and ours: `models--owner--name`. */
export function huggingFaceCache(id: string): string {
  const home = process.env.HF_HOME || join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface');
  return resolve(process.env.HF_HUB_CACHE || join(home, 'hub'), `models--${id.replace('/', '--')}`);
}

/** Where copies of the model at an address in a storage are kept. */
export function storedModelCache(address: string, options: CacheOptions = {}): string {
  const name = `${address.replace(/[^\w.-]+/g, '--').slice(-80)}-${sha256(address).slice(0, 16)}`;
  return join(cacheFolder(options), 'stored-models', name);
}
