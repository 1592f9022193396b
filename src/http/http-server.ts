// What answers requests -> a running HTTP server with limits, which ends what it can finish first.
import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { codeOf, messageOf, SipfError } from '../errors.ts';
import { ApiError, apiErrorOf } from './api-error.ts';
import { readBody } from './body.ts';
import { type Reply, sendError, sendReply } from './replies.ts';

export interface Limits {
  /** Bytes of a request's body. */
  readonly body: number;
  /** Requests at a time. */
  readonly requests: number;
  /** Seconds from a request's first byte to its answer's last. */
  readonly seconds: number;
}

/** A request that was not refused. */
export interface Incoming {
  readonly method: string;
  /** As it came: path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Its JSON, which nobody has checked. @throws ApiError 400, 413 or 415. */
  readonly body: () => Promise<unknown>;
  /** Fires when the client is gone, its time is over or the server stops. */
  readonly signal: AbortSignal;
  /** Which request it is, from 1. */
  readonly number: number;
  /** What is closed once its answer is sent. */
  readonly leases: Disposable[];
}

/** What one server is, besides its address and limits. */
export interface Service {
  /** Looks at the headers before a byte of the body is read. */
  readonly refusalOf: (headers: IncomingHttpHeaders) => ApiError | null;
  /** @throws ApiError, or SipfError 'bad-input' naming the field: what the client is told. */
  readonly answer: (incoming: Incoming) => Promise<Reply>;
  /** The body of an answer that is an error. */
  readonly errorBody: (error: ApiError) => object;
  /** Headers of every answer. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface HttpOptions {
  /** The address to listen on. */
  readonly host: string;
  /** 0: one that is free. */
  readonly port: number;
  readonly limits: Limits;
  /** Milliseconds; absent: those of `TIMES`. */
  readonly times?: Partial<typeof TIMES> | undefined;
  /** Told of faults that the client is not told of. */
  readonly log: (message: string) => void;
}

/**
 * Milliseconds for a request's headers and its whole body, and between two requests of a connection: longer than clients keep one, so that it is they
 * who close it, and no request meets a connection that is just being closed.
 */
const TIMES = {
  headersTimeout: 10_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 75_000,
  connectionsCheckingInterval: 2000,
};
/** Connections for each request that may run: others wait for nothing. */
const CONNECTIONS = 4;
/** Seconds that running requests have to end when the server stops. */
const GRACE = 5;
const STOPPING = 'Expected a server that runs, got one that stops. Ask again once it runs.';

export class HttpServer implements AsyncDisposable {
  readonly #options: HttpOptions;
  readonly #service: Service;
  readonly #server: Server;
  /** One a running request. */
  readonly #running = new Set<AbortController>();
  #requests = 0;
  #isStopping = false;

  private constructor(options: HttpOptions, service: Service) {
    this.#options = options;
    this.#service = service;
    // The guards look at Host.
    this.#server = createServer({ ...TIMES, ...options.times, requireHostHeader: false });
    this.#server.maxConnections = CONNECTIONS * options.limits.requests;
    const answer = (request: IncomingMessage, response: ServerResponse) => void this.#answer(request, response);
    this.#server.on('request', answer).on('checkExpectation', answer);
    this.#server.on('clientError', (error, socket) => this.#refuseBytes(error, socket as Socket));
  }

  /** @throws SipfError 'bad-input' where the address is not this machine's or in use. */
  static async open(options: HttpOptions, service: Service): Promise<HttpServer> {
    const own = new HttpServer(options, service);
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
    const leases: Disposable[] = [];
    for (const [name, value] of Object.entries(this.#service.headers ?? {})) response.setHeader(name, value);
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

  async #reply(request: IncomingMessage, signal: AbortSignal, leases: Disposable[]): Promise<Reply> {
    const { limits } = this.#options;
    if (this.#isStopping) throw new ApiError(503, STOPPING);
    const refusal = this.#service.refusalOf(request.headers);
    if (refusal !== null) throw refusal;
    if (this.#running.size > limits.requests) throw tooMany(limits.requests);
    this.#requests += 1;
    const { method = '', url = '', headers } = request;
    const body = () => readBody(request, limits.body, signal);
    return await this.#service.answer({ method, url, headers, body, signal, number: this.#requests, leases });
  }

  async #fail(response: ServerResponse, thrown: unknown): Promise<void> {
    if (response.destroyed) return;
    const error = apiErrorOf(thrown);
    if (error === null) this.#options.log(`A request failed: ${thrown instanceof Error ? thrown.stack : thrown}`);
    const told = error ?? new ApiError(500, 'The server failed. Its own messages say why.');
    await sendError(response, told, this.#service.errorBody(told));
  }

  /** What is no HTTP is answered in the shape of the service, too, and its connection ends. */
  #refuseBytes(error: Error, socket: Socket): void {
    if (!socket.writable) return void socket.destroy();
    const status = REFUSALS.get(codeOf(error)) ?? 400;
    const told = new ApiError(status, `Expected a request of HTTP, got: ${error.message}.`);
    const text = JSON.stringify(this.#service.errorBody(told));
    const length = String(Buffer.byteLength(text));
    const own = { 'content-type': 'application/json', connection: 'close', 'content-length': length };
    const headers = Object.entries({ ...this.#service.headers, ...own }).map(([name, value]) => `${name}: ${value}`);
    socket.end([`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...headers, '', text].join('\r\n'));
  }

  /** Takes no further request, waits a while for those that run, then ends them. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeIdleConnections();
    const until = Date.now() + 1000 * GRACE;
    while (this.#running.size > 0 && Date.now() < until) await delay(20);
    for (const controller of this.#running) controller.abort(new ApiError(503, STOPPING));
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

function tooMany(most: number): ApiError {
  const message = `Expected at most ${most} requests at a time, got one more. Try again later.`;
  return new ApiError(429, message, { 'retry-after': '1' });
}
