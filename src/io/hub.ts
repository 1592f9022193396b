// A repository of the Hugging Face hub -> its commit, its files with their hashes, their addresses.
import { HubApiError, listFiles, modelInfo } from '@huggingface/hub';
import { printable, SipfError } from '../errors.ts';
import { type HubParts, hubFetch } from './hub-fetch.ts';
import { isSoundPath } from './sound-path.ts';

export interface HubRepo {
  readonly type: 'model' | 'dataset';
  /** `owner/name`. */
  readonly name: string;
  /** A branch or a commit; default: main. */
  readonly revision?: string | undefined;
  /** Another hub's address; default: $HF_ENDPOINT or huggingface.co. */
  readonly hubUrl?: string | undefined;
}

export interface HubFile {
  readonly path: string;
  readonly size: number;
  /** Hexadecimal: sha256 (64 digits) of a large file's content, or git's sha1 (40 digits) of a small one. */
  readonly hash: string;
}

const HASH = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** How the hub is reached: its address, and the token that gated repositories need. */
function hubAccess(hubUrl = process.env.HF_ENDPOINT): { hubUrl?: string; accessToken?: string } {
  const token = process.env.HF_TOKEN;
  return { ...(hubUrl ? { hubUrl: hubUrl.replace(/\/+$/, '') } : {}), ...(token ? { accessToken: token } : {}) };
}

/** Whether $HF_HUB_OFFLINE forbids every request. */
export function isOffline(): boolean {
  return /^(1|on|yes|true)$/i.test(process.env.HF_HUB_OFFLINE ?? '');
}

/**
 * The commit that a model's main branch is at.
 * @throws SipfError 'aborted'; Error with the hub's reason.
 */
export async function modelCommit({ name, hubUrl }: HubRepo, parts: HubParts = {}): Promise<string> {
  const access = { ...hubAccess(hubUrl), fetch: hubFetch(parts) };
  const { sha } = await answerOf(() => modelInfo({ name, revision: 'main', additionalFields: ['sha'], ...access }));
  if (/^[0-9a-f]{40}$/.test(sha)) return sha;
  throw new Error(`${printable(String(sha))} in place of a commit`);
}

/**
 * The files of a repository, or of its folder `path`.
 * @throws SipfError 'aborted'; Error with the hub's reason.
 */
export async function hubFiles(repo: HubRepo, path?: string, parts: HubParts = {}): Promise<HubFile[]> {
  const { type, name, revision, hubUrl } = repo;
  const where = { repo: { type, name }, ...(revision === undefined ? {} : { revision }) };
  const within = path === undefined ? {} : { path, recursive: true };
  return answerOf(async () => {
    const files: HubFile[] = [];
    for await (const entry of listFiles({ ...where, ...within, ...hubAccess(hubUrl), fetch: hubFetch(parts) }))
      if (entry.type === 'file')
        files.push(checked({ path: entry.path, size: entry.size, hash: entry.lfs?.oid ?? entry.oid ?? '' }));
    return files;
  });
}

/** What the hub says becomes names of files here. */
function checked(file: HubFile): HubFile {
  const { path, size, hash } = file;
  if (!isSoundPath(path)) throw new Error(`a file name that leaves its folder, ${printable(path)}`);
  if (!Number.isSafeInteger(size) || size < 0) throw new Error(`the size ${printable(String(size))} of ${path}`);
  if (HASH.test(hash)) return file;
  throw new Error(`no hash of ${path}`);
}

/** Where a file's bytes are, and what a request for them has to say. */
export function hubAddress({ type, name, revision = 'main', hubUrl }: HubRepo, path: string) {
  const { hubUrl: hub = 'https://huggingface.co', accessToken } = hubAccess(hubUrl);
  const parts = [revision, ...path.split('/')].map(encodeURIComponent);
  return {
    url: `${hub}/${type === 'model' ? '' : `${type}s/`}${name}/resolve/${parts.join('/')}`,
    headers: accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` },
  };
}

async function answerOf<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (thrown) {
    if (thrown instanceof SipfError || !(thrown instanceof HubApiError)) throw thrown;
    throw new Error(refusal(thrown.statusCode, printable(thrown.message)), { cause: thrown });
  }
}

/** What a status of the hub means. */
export function refusal(status: number, said: string): string {
  if (status === 401)
    return 'status 401: it is gated or private, or there is none of that name. Accept its terms on the hub, and set HF_TOKEN';
  if (status === 403) return 'status 403: HF_TOKEN may not read it. Ask for access on the hub, or use another token';
  return `status ${status}: ${said}`;
}
