// A request to a server -> what it answers: timeouts, further tries, and waits between them.
import { printable, SipfError, throwIfAborted } from '../errors.ts';
import { mayPass, retryAfterMs, waitBefore, whyFailed } from '../retries.ts';
import type { plainFetch } from './plain-fetch.ts';

/** Time and chance, as requests need them. */
export interface Waits {
  /** In [0, 1): spreads the waits. */
  readonly random: () => number;
  /** Resolves after some milliseconds, or rejects when the signal fires. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<unknown>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export interface ServerOptions {
  /** The section of the settings that names the server: `engine.sampler`. */
  readonly setting: string;
  /** Its address up to and with the version; a server of this process may have to be started first. */
  readonly locate: (signal: AbortSignal) => Promise<string>;
  readonly retries: number;
  /** Seconds. */
  readonly timeout: number;
}

export interface ServerParts extends Waits {
  /** Sent as a bearer token; null: none. */
  readonly apiKey: string | null;
  /** What sends. Absent: that of Node.js. */
  readonly fetch?: typeof plainFetch;
}

export interface ServerRequest {
  /** From the root of the server: `/v1/completions`. */
  readonly path: string;
  /** Absent: POST where there is a body, else GET. */
  readonly method?: 'POST' | 'PUT' | 'DELETE';
  /** Sent as JSON; bytes as they are. */
  readonly body?: object | undefined;
  /** Which statuses another try may not have. Absent: those of `mayPass`. */
  readonly passes?: (status: number) => boolean;
  /** Further tries. Absent: those of the settings. */
  readonly retries?: number | undefined;
}

/** What may pass where an own error of status 500 is an answer: the server is busy, or a proxy waits for it. */
export const isBusy = (status: number): boolean => [408, 429, 502, 503, 504].includes(status);

/** What a server says that has too much to do. */
export const isOverloaded = (status: number): boolean => status === 429 || status === 503;

/** An answer whose status no further try changes. */
export interface Reply {
  readonly status: number;
  /** undefined: no JSON. */
  readonly value: unknown;
  /** The body. */
  readonly text: string;
  /** The body, as a message shows it. */
  readonly said: string;
  /** How long the server asks to wait, in milliseconds. */
  readonly askedMs: number;
}

/** Why a try gave no answer. Another one may. */
export interface Problem {
  readonly problem: string;
  /** How long the server asks to wait, in milliseconds. */
  readonly askedMs?: number | undefined;
  /** The server has more to do than it can, and says so: it is left alone for a while. */
  readonly isBusy?: boolean | undefined;
}

/** What is read of a reply: an answer, or a problem that another try may not have. */
export type Tried<T> = { readonly answer: T } | Problem;

interface Tries {
  /** The section of the settings that names the server. */
  readonly setting: string;
  readonly address: string;
  readonly tries: number;
}

/** The error of a request that failed at each try. */
export function unreachable(problem: string, { setting, address, tries }: Tries): SipfError {
  return new SipfError(
    'unreachable',
    `Expected an answer of ${address}, got ${problem} (${tries} tries). Start the server or correct ${setting}.url; what is stored stays, and the same command continues.`,
  );
}

/** Why the wait for a timeout ends. A reason of its own costs no exception with a stack for each request. */
const ANSWERED = 'answered';

/** Sends each request until it has an answer, or no try is left. */
export class ServerRequests {
  readonly #options: ServerOptions;
  readonly #parts: ServerParts;
  /** Where the last request went. */
  #url = '';

  constructor(options: ServerOptions, parts: ServerParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** @throws SipfError 'unreachable' when the last try failed; 'aborted'; and what `read` throws. */
  async send<T>(request: ServerRequest, read: (reply: Reply) => Tried<T>, signal: AbortSignal): Promise<T> {
    const { setting } = this.#options;
    const { retries = this.#options.retries } = request;
    for (let retry = 0; ; retry += 1) {
      const tried = await this.try(request, read, signal);
      if ('answer' in tried) return tried.answer;
      if (retry === retries) {
        const tries = { setting, address: this.addressOf(request.path), tries: retries + 1 };
        throw unreachable(tried.problem, tries);
      }
      const ms = waitBefore(retry, this.#parts.random(), tried.askedMs ?? 0);
      await this.#parts.wait(ms, signal).catch(() => throwIfAborted(signal));
    }
  }

  /** The address of a path at the server that was asked last: it ends with a version, which only some paths have. */
  addressOf(path: string): string {
    const url = this.#url.replace(/\/+$/, '');
    return path.startsWith('/v1/') ? url + path.slice('/v1'.length) : url.replace(/\/v\d+$/, '') + path;
  }

  /** One try. @throws SipfError 'aborted', and what `read` throws. */
  async try<T>(request: ServerRequest, read: (reply: Reply) => Tried<T>, signal: AbortSignal): Promise<Tried<T>> {
    throwIfAborted(signal);
    const { timeout, locate } = this.#options;
    this.#url = await locate(signal);
    const controller = new AbortController();
    const abort = () => controller.abort();
    const answered = new AbortController();
    this.#parts.wait(timeout * 1000, answered.signal).then(abort, () => undefined);
    signal.addEventListener('abort', abort);
    try {
      const response = await this.#fetch(request, controller.signal);
      return this.#read(response, await response.text(), request, read);
    } catch (thrown) {
      if (thrown instanceof SipfError) throw thrown;
      throwIfAborted(signal);
      const problem = controller.signal.aborted ? `none within ${timeout} s` : whyFailed(thrown);
      return { problem };
    } finally {
      answered.abort(ANSWERED);
      signal.removeEventListener('abort', abort);
    }
  }

  #fetch({ path, method, body }: ServerRequest, signal: AbortSignal): Promise<Response> {
    const { apiKey, fetch: send = fetch } = this.#parts;
    const isBytes = body instanceof Uint8Array;
    const headers = {
      ...(body === undefined || isBytes ? {} : { 'content-type': 'application/json' }),
      ...(apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }),
    };
    const sent = body === undefined ? {} : { body: isBytes ? new Uint8Array(body) : JSON.stringify(body) };
    const verb = method ?? (body === undefined ? 'GET' : 'POST');
    return send(this.addressOf(path), { method: verb, ...sent, headers, redirect: 'manual', signal });
  }

  #read<T>(
    { status, headers }: Response,
    text: string,
    { passes = mayPass }: ServerRequest,
    read: (reply: Reply) => Tried<T>,
  ): Tried<T> {
    const said = printable(text.trim());
    const askedMs = retryAfterMs(headers.get('retry-after'), this.#parts.now());
    if (passes(status)) return { problem: `status ${status}: ${said}`, askedMs, isBusy: isOverloaded(status) };
    const location = headers.get('location');
    const shown = location === null ? said : `a redirect to ${printable(location)}`;
    return read({ status, value: jsonOf(text), text, said: shown, askedMs });
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
