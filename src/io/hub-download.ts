// A file of the hub -> the same bytes here: begun again where it was cut, its hash checked.
import { createHash, type Hash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SipfError, throwIfAborted } from '../errors.ts';
import { whyFailed } from '../retries.ts';
import { digestFile } from './file-hashes.ts';
import { makeFolders, nodeDisk, writeFrom } from './files.ts';
import { type HubFile, type HubRepo, hubAddress, refusal } from './hub.ts';
import { type HubParts, hubFetch, pause, TRIES } from './hub-fetch.ts';

/** How far the download of a file is. */
export interface DownloadProgress {
  /** `owner/name`, or an address in a storage. */
  readonly repo: string;
  readonly path: string;
  readonly bytes: number;
  readonly size: number;
}

export interface DownloadParts extends HubParts {
  /** Told when a file's download begins, and at each piece that came. */
  readonly onDownload?: ((progress: DownloadProgress) => void) | undefined;
}

/**
 * Puts a file at `target`, unless one of its size is there. What came of it stays in `target`.incomplete, as in Hugging Face's own cache, until
 * it is whole; two processes that download the same file write the same bytes to the same places.
 * @throws SipfError 'aborted', 'write-failed'; Error with the reason where the hub refuses, stays silent, or gives other bytes.
 */
export async function downloadHubFile(
  repo: HubRepo,
  file: HubFile,
  target: string,
  parts: DownloadParts = {},
): Promise<void> {
  throwIfAborted(parts.signal);
  if ((await sizeOf(target)) === file.size) return;
  const draft = `${target}.incomplete`;
  await makeFolders(dirname(target));
  const begun = await sizeOf(draft);
  await receiveAll(repo, file, draft, parts);
  if (begun !== null && !(await isSound(draft, file, parts.signal))) {
    // What was begun may be another program's half: once more from the first byte.
    await nodeDisk.remove(draft);
    await receiveAll(repo, file, draft, parts);
  }
  if (await isSound(draft, file, parts.signal)) return place(draft, target);
  await nodeDisk.remove(draft);
  throw new Error(`${file.path} with another hash than the hub's list has, ${file.hash}. Try again later`);
}

/** Asks for what is missing until all is there; gives up after some tries that bring nothing. */
async function receiveAll(repo: HubRepo, file: HubFile, draft: string, parts: DownloadParts): Promise<void> {
  let idle = 0;
  for (;;) {
    const from = await usable(draft, file);
    const problem = await receive(repo, file, draft, from, parts);
    const now = (await sizeOf(draft)) ?? 0;
    if (problem === null && now === file.size) return;
    idle = now > from ? 0 : idle + 1;
    if (idle === TRIES)
      throw new Error(`${now} of the ${file.size} bytes of ${file.path}: ${problem ?? 'the answer ended'}`);
    await pause(idle, 0, parts);
  }
}

/** Bytes of a draft that can be kept. */
async function usable(draft: string, { size }: HubFile): Promise<number> {
  const had = (await sizeOf(draft)) ?? 0;
  if (had <= size) return had;
  await nodeDisk.remove(draft);
  return 0;
}

/** Writes what one request brings. Returns why it ended early, if it did. */
async function receive(
  repo: HubRepo,
  file: HubFile,
  draft: string,
  from: number,
  parts: DownloadParts,
): Promise<string | null> {
  if (from === file.size) return writeFrom(draft, from, []).then(() => null);
  const { url, headers } = hubAddress(repo, file.path);
  // Bytes are counted, so they must come as they are. A range asks for the rest.
  const asked = { ...headers, 'accept-encoding': 'identity', ...(from > 0 ? { range: `bytes=${from}-` } : {}) };
  const response = await hubFetch(parts)(url, { headers: asked });
  const start = response.status === 206 ? startOf(response, from) : 0;
  if (!response.ok || response.body === null || start === null) {
    await response.body?.cancel();
    throw new Error(`${refusal(response.status, response.statusText)} (${file.path}, from byte ${from})`);
  }
  try {
    await writeFrom(draft, start, counted(repo, file, response.body, start, parts));
    return null;
  } catch (thrown) {
    throwIfAborted(parts.signal);
    if (thrown instanceof SipfError) throw thrown;
    return whyFailed(thrown);
  }
}

/** Where a partial answer begins; null: elsewhere than asked. */
function startOf({ headers }: Response, from: number): number | null {
  const start = /^bytes (\d+)-/.exec(headers.get('content-range') ?? '')?.[1];
  return Number(start) === from ? from : null;
}

async function* counted(
  { name }: HubRepo,
  { path, size }: HubFile,
  body: AsyncIterable<Uint8Array>,
  from: number,
  { signal, onDownload }: DownloadParts,
): AsyncGenerator<Uint8Array> {
  let bytes = from;
  onDownload?.({ repo: name, path, bytes, size });
  for await (const chunk of body) {
    throwIfAborted(signal);
    bytes += chunk.byteLength;
    if (bytes > size) throw new Error(`more than the ${size} bytes of ${path}`);
    yield chunk;
    onDownload?.({ repo: name, path, bytes, size });
  }
}

/** Whether a file has the bytes that the hub's list says. */
async function isSound(draft: string, { size, hash }: HubFile, signal: AbortSignal | undefined): Promise<boolean> {
  return (await digestFile(hash.length === 64 ? createHash('sha256') : gitHash(size), draft, signal)) === hash;
}

/** The hash of git's objects: their kind and size come first. */
function gitHash(size: number): Hash {
  return createHash('sha1').update(`blob ${size}\0`);
}

/** Another process may have put it there meanwhile. */
async function place(draft: string, target: string): Promise<void> {
  try {
    await nodeDisk.rename(draft, target);
  } catch (thrown) {
    if ((await sizeOf(target)) === null) throw thrown;
  }
}

async function sizeOf(path: string): Promise<number | null> {
  return (await stat(path).catch(() => null))?.size ?? null;
}
