// A repository of the Hugging Face hub -> its files in a folder, each downloaded once and whole.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { downloadFile, listFiles } from '@huggingface/hub';
import { throwIfAborted } from '../errors.ts';
import type { CacheOptions } from './cache.ts';
import { writeFileAtomically } from './files.ts';

interface HubRepo {
  readonly type: 'model' | 'dataset';
  /** `owner/name`. */
  readonly name: string;
  readonly revision?: string | undefined;
  /** Another hub's address; default: $HF_ENDPOINT or huggingface.co. */
  readonly hubUrl?: string | undefined;
}

interface HubFile {
  readonly path: string;
  readonly size: number;
}

/** How the hub is reached: its address, and the token that gated repositories need. */
export function hubAccess(hubUrl = process.env.HF_ENDPOINT): { hubUrl?: string; accessToken?: string } {
  const token = process.env.HF_TOKEN;
  return { ...(hubUrl ? { hubUrl } : {}), ...(token ? { accessToken: token } : {}) };
}

function addressOf({ type, name, revision, hubUrl }: HubRepo) {
  return { repo: { type, name }, ...(revision === undefined ? {} : { revision }), ...hubAccess(hubUrl) };
}

/**
 * The files of a repository, or of its folder `path`.
 * @throws Error of the hub's client.
 */
export async function hubFiles(repo: HubRepo, path?: string): Promise<HubFile[]> {
  const files: HubFile[] = [];
  for await (const entry of listFiles({ ...addressOf(repo), ...(path === undefined ? {} : { path, recursive: true }) }))
    if (entry.type === 'file') files.push(entry);
  return files;
}

/**
 * Puts a file below `folder`, unless it is there.
 * @throws SipfError 'aborted', 'write-failed'; Error of the hub's client, or where the file comes short.
 */
export async function fetchHubFile(
  repo: HubRepo,
  { path, size }: HubFile,
  folder: string,
  { signal, onDownload }: Pick<CacheOptions, 'signal' | 'onDownload'> = {},
): Promise<void> {
  throwIfAborted(signal);
  if (path.split('/').includes('..')) throw new Error(`the file name ${path} leaves its folder`);
  const target = join(folder, path);
  if ((await sizeOf(target)) === size) return;
  onDownload?.(path, size);
  const blob = await downloadFile({ ...addressOf(repo), path });
  if (blob === null) throw new Error(`${path} is not there`);
  await writeFileAtomically(target, stoppable(blob.stream(), signal));
  const got = await sizeOf(target);
  if (got !== size) throw new Error(`${path} has ${got} bytes of ${size}`);
}

async function* stoppable(
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    throwIfAborted(signal);
    yield chunk;
  }
}

async function sizeOf(path: string): Promise<number | null> {
  return (await stat(path).catch(() => null))?.size ?? null;
}
