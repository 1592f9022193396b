// Models by name -> a local HTTP server that speaks the hub's API, with a second origin for bytes.
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How one request for bytes goes wrong. */
export type Fault =
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Record<string, string> }
  /** The connection breaks after so many bytes. */
  | { readonly kind: 'cut'; readonly after: number }
  /** Other bytes of the same length. */
  | { readonly kind: 'damaged' }
  /** The whole file, whatever range was asked for. */
  | { readonly kind: 'no-ranges' };

export interface HubRequest {
  readonly path: string;
  readonly range: string | null;
  readonly token: string | null;
  /** At the second origin. */
  readonly atStore: boolean;
}

type Files = Readonly<Record<string, Buffer>>;

export const COMMIT = 'c0ffee'.padEnd(40, '0');

/** As the hub has it: large files by sha256, small ones by git's sha1. */
export const hashOf = (path: string, bytes: Buffer): string =>
  isLarge(path)
    ? createHash('sha256').update(bytes).digest('hex')
    : createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

const isLarge = (path: string): boolean => path.endsWith('.safetensors');

export class HubServer implements AsyncDisposable {
  /** By `owner/name`. */
  readonly models: Record<string, Files>;
  readonly requests: HubRequest[] = [];
  /** For requests for the bytes of each path, in order; then all is well. */
  readonly faults: Record<string, Fault[]> = {};
  /** Of requests for lists. */
  readonly listFaults: Fault[] = [];
  /** Without it, every request is refused; null: none is needed. */
  token: string | null = null;
  /** What the list says of a file's size, where it lies. */
  readonly sizes: Record<string, number> = {};
  readonly #hub: Server;
  readonly #store: Server;

  private constructor(models: Record<string, Files>) {
    this.models = models;
    this.#hub = createServer((request, response) => this.#answer(request, response));
    this.#store = createServer((request, response) => this.#send(request, response, this.#record(request, true)));
  }

  static async start(models: Record<string, Files>): Promise<HubServer> {
    const server = new HubServer(models);
    for (const each of [server.#hub, server.#store])
      await new Promise<void>((done) => each.listen(0, '127.0.0.1', done));
    return server;
  }

  get url(): string {
    return urlOf(this.#hub);
  }

  /** Requests for bytes of a file, at the origin that has them. */
  downloads(path: string): HubRequest[] {
    return this.requests.filter((one) => one.path.endsWith(`/${path}`) && one.atStore === isLarge(path));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of [this.#hub, this.#store]) {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    }
  }

  #record(request: IncomingMessage, atStore: boolean): string {
    const { pathname } = new URL(request.url ?? '/', 'http://hub');
    const token = request.headers.authorization?.replace('Bearer ', '') ?? null;
    this.requests.push({ path: pathname, range: request.headers.range ?? null, token, atStore });
    return pathname;
  }

  #answer(request: IncomingMessage, response: ServerResponse): unknown {
    const path = this.#record(request, false);
    const { token } = this.requests.at(-1) as HubRequest;
    if (this.token !== null && token !== this.token) return refuse(response, 401, 'Invalid credentials');
    if (path.includes('/resolve/')) {
      if (!isLarge(path)) return this.#send(request, response, path);
      return response.writeHead(302, { location: `${urlOf(this.#store)}${path}` }).end();
    }
    const fault = this.listFaults.shift();
    if (fault?.kind === 'status') return refuse(response, fault.status, 'fault', fault.headers);
    return this.#list(response, path);
  }

  #list(response: ServerResponse, path: string): unknown {
    const [, name = '', what] = /^\/api\/models\/([^/]+\/[^/]+)\/(revision|tree)\//.exec(path) ?? [];
    const files = this.models[name];
    if (files === undefined) return refuse(response, 404, 'Repository not found');
    const model = { _id: '1', id: name, sha: COMMIT, lastModified: '2025-01-01T00:00:00Z' };
    const entries = Object.entries(files).map(([file, bytes]) => {
      const oid = hashOf(file, bytes);
      const size = this.sizes[file] ?? bytes.length;
      const lfs = { oid, size, pointerSize: 130 };
      return { type: 'file', path: file, size, ...(isLarge(file) ? { oid: '0'.repeat(40), lfs } : { oid }) };
    });
    response.writeHead(200, { 'content-type': 'application/json' });
    return response.end(JSON.stringify(what === 'revision' ? model : entries));
  }

  #send(request: IncomingMessage, response: ServerResponse, path: string): unknown {
    const [, name = '', file = ''] = /^\/([^/]+\/[^/]+)\/resolve\/[^/]+\/(.+)$/.exec(path) ?? [];
    const bytes = this.models[name]?.[file];
    if (bytes === undefined) return refuse(response, 404, 'Entry not found');
    const fault = this.faults[file]?.shift();
    if (fault?.kind === 'status') return refuse(response, fault.status, 'fault', fault.headers);
    const wanted = /^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1];
    const from = fault?.kind === 'no-ranges' || wanted === undefined ? 0 : Number(wanted);
    if (from >= bytes.length && wanted !== undefined) return refuse(response, 416, 'Range not satisfiable');
    const body = fault?.kind === 'damaged' ? Buffer.alloc(bytes.length - from, '?') : bytes.subarray(from);
    const range = from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {};
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': body.length, ...range });
    if (fault?.kind !== 'cut') return response.end(body);
    return response.write(body.subarray(0, fault.after), () => request.socket.end());
  }
}

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function refuse(
  response: ServerResponse,
  status: number,
  error: string,
  headers: Record<string, string> = {},
): ServerResponse {
  return response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify({ error }));
}
