// Options and environment -> the folder of converted weights, hashes and downloads.
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

export interface CacheOptions {
  /** Cache folder; default: $SIPF_CACHE or ~/.cache/sipf. */
  readonly cache?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told about each hub file before its download. */
  readonly onDownload?: ((file: string, bytes: number) => void) | undefined;
}

/** Where converted weights, hashes and downloads are kept. */
export function cacheFolder({ cache }: CacheOptions = {}): string {
  return resolve(cache ?? process.env.SIPF_CACHE ?? join(homedir(), '.cache', 'sipf'));
}

/** The folder where Hugging Face's own tools keep this model. */
export function huggingFaceCache(id: string): string {
  const home = process.env.HF_HOME ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'huggingface');
  return join(process.env.HF_HUB_CACHE ?? join(home, 'hub'), `models--${id.replace('/', '--')}`);
}
