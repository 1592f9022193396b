// Endpoints -> a running HTTP server with limits, which ends without losing what it can finish.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { codeOf, messageOf, SipfError } from '../errors.ts';
import { ApiError, apiErrorOf, errorBody } from './api-error.ts';
import { readBody } from './body.ts';
import type { Exchange, Reply } from './exchange.ts';
import { type Access, refusalOf } from './guards.ts';
import { sendError, sendReply } from './replies.ts';
import { endpointOf } from './routes.ts';
import type { Lease } from './served-models.ts';

export interface Limits {
  /** Bytes of a request's body. */
  readonly body: number;
  /** Requests at a time. */
  readonly requests: number;
  /** Seconds from a request's first byte to its answer's last. */
  readonly seconds: number;
}

export interface HttpOptions extends Access {
  /** 0: one that is free. */
  readonly port: number;
  readonly limits: Limits;
  /** Told of faults that the client is not told of. */
  readonly log: (message: string) => void;
}

/** What every exchange has beside its request. */
export type World = Pick<Exchange, 'models' | 'now' | 'randomSeed'>;

/**
 * Milliseconds for a request's headers and its whole body, and between two requests of a connection: longer than clients keep one, so that it is they
 * who close it, and no request meets a connection that is just being closed.
 */
const TIMES = { headersTimeout: 10_000, requestTimeout: 60_000, keepAliveTimeout: 75_000 };
/** Connections for each request that may run: others wait for nothing. */
const CONNECTIONS = 4;
/** Seconds that running requests have to end when the server stops. */
const GRACE = 5;

export class HttpServer implements AsyncDisposable {
  readonly #options: HttpOptions;
  readonly #world: World;
  readonly #server: Server;
  /** One a running request. */
  readonly #running = new Set<AbortController>();
  #requests = 0;
  #isStopping = false;

  private constructor(options: HttpOptions, world: World) {
    this.#options = options;
    this.#world = world;
    // The guards look at Host.
    this.#server = createServer({ ...TIMES, connectionsCheckingInterval: 2000, requireHostHeader: false });
    this.#server.maxConnections = CONNECTIONS * options.limits.requests;
    const answer = (request: IncomingMessage, response: ServerResponse) => void this.#answer(request, response);
    this.#server.on('request', answer).on('checkExpectation', answer);
    this.#server.on('clientError', (error, socket) => refuseBytes(error, socket as Socket));
  }

  /** @throws SipfError 'bad-input' where the address is not this machine's or in use. */
  static async open(options: HttpOptions, world: World): Promise<HttpServer> {
    const own = new HttpServer(options, world);
    const { host, port } = options;
    own.#server.listen(port, host);
    try {
      await once(own.#server, 'listening');
    } catch (cause) {
      const got = messageOf(cause);
      throw new SipfError('bad-input', `Expected to listen on ${host}, port ${port}, got: ${got}. Choose another.`, {
        cause,
      });
    }
    return own;
  }

  get url(): string {
    const { address, port, family } = this.#server.address() as AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const controller = new AbortController();
    const { signal } = controller;
    const { seconds } = this.#options.limits;
    const timer = setTimeout(() => {
      controller.abort(new ApiError(504, `Expected an answer within ${seconds} s, got none. Ask for less at a time.`));
      // A client that does not even take the error is cut off.
      setTimeout(() => response.destroy(), 1000).unref();
    }, 1000 * seconds);
    response.on('close', () => controller.abort());
    response.on('error', () => controller.abort());
    this.#running.add(controller);
    const leases: Lease[] = [];
    try {
      await sendReply(response, await this.#reply(request, signal, leases), signal);
    } catch (thrown) {
      await this.#fail(response, signal.reason instanceof ApiError ? signal.reason : thrown);
    } finally {
      clearTimeout(timer);
      for (const lease of leases) lease[Symbol.dispose]();
      this.#running.delete(controller);
    }
  }

  /** `leases`: where the models are noted that the reply needs. */
  async #reply(request: IncomingMessage, signal: AbortSignal, leases: Lease[]): Promise<Reply> {
    const { limits } = this.#options;
    if (this.#isStopping) throw new ApiError(503, 'Expected a server that runs, got one that is stopping.');
    const refusal = refusalOf(request.headers, this.#options);
    if (refusal !== null) throw refusal;
    if (this.#running.size > limits.requests)
      throw new ApiError(429, `Expected at most ${limits.requests} requests at a time, got one more. Try again later.`);
    const endpoint = endpointOf(request.method ?? '', request.url ?? '');
    const body = request.method === 'POST' ? await readBody(request, limits.body, signal) : undefined;
    this.#requests += 1;
    const lease: Exchange['lease'] = (name) => {
      leases.push(this.#world.models.lease(name));
      return leases.at(-1)!;
    };
    return endpoint({ ...this.#world, lease, body, signal, caller: String(this.#requests) });
  }

  async #fail(response: ServerResponse, thrown: unknown): Promise<void> {
    if (response.destroyed) return;
    const error = apiErrorOf(thrown);
    if (error === null) this.#options.log(`A request failed: ${thrown instanceof Error ? thrown.stack : thrown}`);
    await sendError(response, error ?? new ApiError(500, 'The server failed. Its own messages say why.'));
  }

  /** Takes no further request, waits a while for those that run, then ends them. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeIdleConnections();
    const until = Date.now() + 1000 * GRACE;
    while (this.#running.size > 0 && Date.now() < until) await delay(20);
    for (const controller of this.#running) controller.abort(new ApiError(503, 'The server stops.'));
    for (let waits = 0; this.#running.size > 0 && waits < 50; waits += 1) await delay(20);
    this.#server.closeAllConnections();
    await closed;
  }
}

/** What the parser refuses for another reason than its form. */
const REFUSALS: ReadonlyMap<string, number> = new Map([
  ['ERR_HTTP_REQUEST_TIMEOUT', 408],
  ['HPE_HEADER_OVERFLOW', 431],
]);

/** What is no HTTP is answered in OpenAI's shape, too, and its connection ends. */
function refuseBytes(error: Error, socket: Socket): void {
  if (!socket.writable) return void socket.destroy();
  const status = REFUSALS.get(codeOf(error)) ?? 400;
  const text = JSON.stringify(errorBody(new ApiError(status, `Expected a request of HTTP, got: ${error.message}.`)));
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: application/json\r\nconnection: close`;
  socket.end(`${head}\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
}
