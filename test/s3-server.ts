// Objects in memory -> a local HTTP server that speaks what the client of S3 asks for, with faults.
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How a request goes wrong. */
export type Fault =
  | { readonly kind: 'status'; readonly status: number; readonly code: string }
  /** The connection breaks after so many bytes of the answer. */
  | { readonly kind: 'cut'; readonly after: number };

export interface S3Request {
  /** `GET`, `PUT part`, `POST uploads`, `GET list` ... */
  readonly what: string;
  /** `bucket/key`. */
  readonly path: string;
  readonly range: string | null;
}

export const KEYS = { AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE', AWS_SECRET_ACCESS_KEY: 'example-secret-key' } as const;

/** A list has that many objects on a page. */
const PAGE = 3;

export class S3Server implements AsyncDisposable {
  /** By `bucket/key`. */
  readonly objects = new Map<string, Buffer>();
  readonly buckets: Set<string>;
  readonly requests: S3Request[] = [];
  /** For requests by their `what`, in order; then all is well. */
  readonly faults: Record<string, Fault[]> = {};
  /** The code with which every request of a kind fails; null: none. */
  refuses: (request: S3Request) => string | null = () => null;
  refusedWith = 500;
  /** Whether a request gets no answer. */
  holds: (request: S3Request) => boolean = () => false;
  /** The only one that is let in. */
  key: string = KEYS.AWS_ACCESS_KEY_ID;
  readonly #parts = new Map<string, Map<number, Buffer>>();
  readonly #server: Server;

  private constructor(buckets: readonly string[]) {
    this.buckets = new Set(buckets);
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(...buckets: readonly string[]): Promise<S3Server> {
    const server = new S3Server(buckets);
    await new Promise<void>((done) => server.#server.listen(0, '127.0.0.1', done));
    return server;
  }

  /** What a process is told of it. */
  get env(): Record<string, string> {
    const { port } = this.#server.address() as AddressInfo;
    return { ...KEYS, AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}`, AWS_MAX_ATTEMPTS: '3' };
  }

  /** Requests of a kind, for paths that end so. */
  asked(what: string, end = ''): S3Request[] {
    return this.requests.filter((one) => one.what === what && one.path.endsWith(end));
  }

  /** Uploads of parts that nobody has ended. */
  get openUploads(): number {
    return this.#parts.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const { pathname, searchParams: query } = new URL(request.url ?? '/', 'http://s3');
    const path = decodeURIComponent(pathname).slice(1).replace(/\/$/, '');
    const what = [request.method, kindOf(query)].filter(Boolean).join(' ');
    const asked = { what, path, range: request.headers.range ?? null };
    this.requests.push(asked);
    const body = await bodyOf(request);
    if (body === null) return undefined;
    const fault = this.faults[what]?.shift();
    if (fault?.kind === 'status') return refuse(response, fault.status, fault.code);
    if (this.holds(asked)) return undefined;
    const refused = this.refuses(asked);
    if (refused !== null) return refuse(response, this.refusedWith, refused);
    if (!request.headers.authorization?.includes(`Credential=${this.key}/`))
      return refuse(response, 403, 'InvalidAccessKeyId');
    if (!this.buckets.has(path.split('/')[0] ?? '')) return refuse(response, 404, 'NoSuchBucket');
    if (what === 'GET list') return this.#list(response, path, query);
    if (what === 'GET' || what === 'HEAD') return this.#get(request, response, path, fault);
    return this.#change(response, what, path, query, body);
  }

  #list(response: ServerResponse, bucket: string, query: URLSearchParams): unknown {
    const prefix = `${bucket}/${query.get('prefix') ?? ''}`;
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix)).sort();
    const listed =
      query.get('delimiter') === '/' ? keys.filter((key) => !key.slice(prefix.length).includes('/')) : keys;
    const from = Number(query.get('continuation-token') ?? 0);
    const page = listed.slice(from, from + PAGE);
    const more = from + PAGE < listed.length;
    const contents = page.map((key) => {
      const bytes = this.objects.get(key) as Buffer;
      const name = key
        .slice(bucket.length + 1)
        .replaceAll('&', '&amp;')
        .replaceAll('<', '&lt;');
      return `<Contents><Key>${name}</Key><Size>${bytes.length}</Size><ETag>${etagOf(bytes)}</ETag></Contents>`;
    });
    const next = more ? `<NextContinuationToken>${from + PAGE}</NextContinuationToken>` : '';
    return xml(
      response,
      200,
      `<ListBucketResult><IsTruncated>${more}</IsTruncated>${next}${contents.join('')}</ListBucketResult>`,
    );
  }

  #get(request: IncomingMessage, response: ServerResponse, path: string, fault: Fault | undefined): unknown {
    const bytes = this.objects.get(path);
    if (bytes === undefined) return refuse(response, 404, 'NoSuchKey');
    const wanted = request.headers['if-match'];
    if (wanted !== undefined && wanted !== etagOf(bytes)) return refuse(response, 412, 'PreconditionFailed');
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const body = bytes.subarray(from);
    const range = from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {};
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': body.length, etag: etagOf(bytes), ...range });
    if (fault?.kind !== 'cut') return response.end(body);
    return response.write(body.subarray(0, fault.after), () => request.socket.destroy());
  }

  #change(response: ServerResponse, what: string, path: string, query: URLSearchParams, body: Buffer): unknown {
    const id = query.get('uploadId') ?? '';
    if (what === 'PUT') this.objects.set(path, body);
    if (what === 'DELETE') this.objects.delete(path);
    if (what === 'DELETE upload') this.#parts.delete(id);
    if (what === 'PUT part') this.#parts.get(id)?.set(Number(query.get('partNumber')), body);
    if (what === 'POST uploads') {
      const begun = `upload-${this.requests.length}`;
      this.#parts.set(begun, new Map());
      const [bucket = '', ...key] = path.split('/');
      const said = `<Bucket>${bucket}</Bucket><Key>${key.join('/')}</Key><UploadId>${begun}</UploadId>`;
      return xml(response, 200, `<InitiateMultipartUploadResult>${said}</InitiateMultipartUploadResult>`);
    }
    if (what === 'POST upload') {
      const parts = [...(this.#parts.get(id) ?? [])].sort(([a], [b]) => a - b);
      this.objects.set(path, Buffer.concat(parts.map(([, bytes]) => bytes)));
      this.#parts.delete(id);
      return xml(response, 200, '<CompleteMultipartUploadResult><ETag>"many"</ETag></CompleteMultipartUploadResult>');
    }
    return response.writeHead(what.startsWith('DELETE') ? 204 : 200, { etag: etagOf(body) }).end();
  }
}

function kindOf(query: URLSearchParams): string {
  if (query.get('list-type') === '2') return 'list';
  if (query.has('partNumber')) return 'part';
  if (query.has('uploads')) return 'uploads';
  return query.has('uploadId') ? 'upload' : '';
}

/** null: the client has left. */
async function bodyOf(request: IncomingMessage): Promise<Buffer | null> {
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  } catch {
    return null;
  }
}

const etagOf = (bytes: Buffer): string => `"${createHash('md5').update(bytes).digest('hex')}"`;

function refuse(response: ServerResponse, status: number, code: string): unknown {
  return xml(response, status, `<Error><Code>${code}</Code><Message>said ${code}</Message></Error>`);
}

function xml(response: ServerResponse, status: number, text: string): unknown {
  return response.writeHead(status, { 'content-type': 'application/xml' }).end(`<?xml version="1.0"?>${text}`);
}
