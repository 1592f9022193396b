// s3://bucket/path -> a storage, by the client of AWS; keys and server are from the environment.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { ListObjectsV2CommandOutput, S3Client } from '@aws-sdk/client-s3';
import { SipfError } from '../errors.ts';
import { isSoundPath } from '../io/sound-path.ts';
import { addressBelow, parseAddress } from './address.ts';
import { type Attempt, failure, hasNone } from './s3-errors.ts';
import type { Storage, StorageParts, StoredFile } from './storage.ts';

/** Tries of a request; AWS_MAX_ATTEMPTS says another number. */
const TRIES = 10;
const MIB = 2 ** 20;
/** A part waits in memory until it is there, and some are on the way at a time. */
const PART = 8 * MIB;
const PARTS_AT_A_TIME = 4;
const MOST_PARTS = 10_000;

/** @throws SipfError as `openStorage` does. */
export async function openS3(address: string, { env = process.env, signal }: StorageParts): Promise<Storage> {
  const packages = await clientPackages(address);
  const endpoint = env['AWS_ENDPOINT_URL_S3'] || env['AWS_ENDPOINT_URL'] || undefined;
  const client = new packages.s3.S3Client({
    region: env['AWS_REGION'] || env['AWS_DEFAULT_REGION'] || 'us-east-1',
    credentials: credentialsIn(env, address),
    maxAttempts: Number(env['AWS_MAX_ATTEMPTS'] || TRIES),
    // Other servers than AWS's have no name for each bucket.
    ...(endpoint === undefined ? { followRegionRedirects: true } : { endpoint, forcePathStyle: true }),
    requestHandler: { connectionTimeout: 10_000, socketTimeout: 60_000 },
  });
  return new S3Storage(address, { packages, client, endpoint, signal });
}

interface S3Parts {
  readonly packages: ClientPackages;
  readonly client: S3Client;
  readonly endpoint: string | undefined;
  readonly signal: AbortSignal | undefined;
}

class S3Storage implements Storage {
  readonly address: string;
  readonly #bucket: string;
  readonly #root: string;
  readonly #parts: S3Parts;

  constructor(address: string, parts: S3Parts) {
    const { bucket, path } = parseAddress(address);
    this.address = addressBelow(address);
    this.#bucket = bucket;
    this.#root = path;
    this.#parts = parts;
  }

  list(folder: string, deep: boolean, most = Number.POSITIVE_INFINITY): Promise<StoredFile[]> {
    return this.#tell('list', folder, async ({ s3 }, client, call) => {
      const { Key, ...where } = this.#object(folder);
      const wanted = { ...where, Prefix: Key === '' ? '' : `${Key}/`, ...(deep ? {} : { Delimiter: '/' }) };
      const files: StoredFile[] = [];
      for await (const page of s3.paginateListObjectsV2({ client }, wanted, call)) {
        files.push(...filesIn(page, this.#root));
        if (files.length >= most) break;
      }
      return files;
    });
  }

  readText(path: string): Promise<string | null> {
    return this.#tell('read', path, async ({ s3 }, client, call) => {
      const found = await client.send(new s3.GetObjectCommand(this.#object(path)), call).catch(hasNone);
      return (await found?.Body?.transformToString()) ?? null;
    });
  }

  read({ path, version }: StoredFile, from: number): Promise<AsyncIterable<Uint8Array>> {
    return this.#tell('read', path, async ({ s3 }, client, call) => {
      const range = from === 0 ? {} : { Range: `bytes=${from}-` };
      const { Body } = await client.send(
        new s3.GetObjectCommand({ ...this.#object(path), IfMatch: version, ...range }),
        call,
      );
      return Body as AsyncIterable<Uint8Array>;
    });
  }

  writeText(path: string, Body: string): Promise<void> {
    return this.#tell('write', path, async ({ s3 }, client, call) => {
      await client.send(new s3.PutObjectCommand({ ...this.#object(path), Body }), call);
    });
  }

  writeFile(path: string, source: string): Promise<void> {
    return this.#tell('write', path, async ({ s3, lib }, client, { abortSignal }) => {
      const { size } = await stat(source);
      const Body = createReadStream(source);
      const params = { ...this.#object(path), Body };
      const partSize = Math.max(PART, Math.ceil(size / MOST_PARTS));
      const upload = new lib.Upload({ client, params, partSize, queueSize: PARTS_AT_A_TIME });
      const stop = () => void upload.abort();
      abortSignal?.addEventListener('abort', stop);
      try {
        await upload.done();
      } catch (thrown) {
        // The client does so itself, but does not wait for it where it is stopped.
        const { uploadId: UploadId } = upload;
        const abort = new s3.AbortMultipartUploadCommand({ ...this.#object(path), UploadId });
        if (UploadId !== undefined && abortSignal?.aborted) await client.send(abort).catch(() => undefined);
        throw thrown;
      } finally {
        abortSignal?.removeEventListener('abort', stop);
        Body.destroy();
      }
    });
  }

  remove(path: string): Promise<void> {
    return this.#tell('delete', path, async ({ s3 }, client, call) => {
      await client.send(new s3.DeleteObjectCommand(this.#object(path)), call);
    });
  }

  [Symbol.dispose](): void {
    this.#parts.client.destroy();
  }

  #object(path: string) {
    return { Bucket: this.#bucket, Key: [this.#root, path].filter((part) => part !== '').join('/') };
  }

  /** Asks, and turns what the client throws into what people can act on. */
  async #tell<T>(
    verb: Attempt['verb'],
    path: string,
    ask: (packages: ClientPackages, client: S3Client, call: { readonly abortSignal?: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    const { packages, client, endpoint, signal } = this.#parts;
    try {
      return await ask(packages, client, signal === undefined ? {} : { abortSignal: signal });
    } catch (thrown) {
      throw failure(thrown, { verb, address: addressBelow(this.address, path), endpoint, signal });
    }
  }
}

type ClientPackages = Awaited<ReturnType<typeof clientPackages>>;

/** They are installed by those who use them. */
async function clientPackages(address: string) {
  try {
    return { s3: await import('@aws-sdk/client-s3'), lib: await import('@aws-sdk/lib-storage') };
  } catch (cause) {
    throw new SipfError(
      'unsupported',
      `Expected the packages that read ${address}, got none here. Install them beside sipf: npm install @aws-sdk/client-s3 @aws-sdk/lib-storage`,
      { cause },
    );
  }
}

/** The client would look at more places, some of them in the network. */
function credentialsIn(env: Readonly<Record<string, string | undefined>>, address: string) {
  const names = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'] as const;
  const missing = names.filter((name) => !env[name]);
  const [accessKeyId = '', secretAccessKey = ''] = names.map((name) => env[name]);
  const sessionToken = env['AWS_SESSION_TOKEN'];
  if (missing.length === 0) return { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) };
  throw new SipfError(
    'bad-config',
    `Expected the keys of ${address} in the environment, got no ${missing.join(' and no ')}. Set them; aws configure export-credentials --format env prints those of a profile or a role.`,
  );
}

/** Objects whose names end with a slash stand for folders. */
function filesIn({ Contents = [] }: ListObjectsV2CommandOutput, root: string): StoredFile[] {
  return Contents.filter(({ Key = '' }) => !Key.endsWith('/')).map(({ Key = '', Size = 0, ETag = '' }) => {
    const path = root === '' ? Key : Key.slice(root.length + 1);
    if (isSoundPath(path)) return { path, size: Size, version: ETag };
    throw new SipfError(
      'bad-input',
      `Expected names of files there, got ${JSON.stringify(path)}, which leads elsewhere. Delete that object.`,
    );
  });
}
