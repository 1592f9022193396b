// Answers and the page's HTML -> a server of this machine alone, with a secret in its address.
import { randomBytes } from 'node:crypto';
import { beforeAbort } from '../../http/before-abort.ts';
import { HttpServer, type Limits } from '../../http/http-server.ts';
import type { Answers } from '../answers.ts';
import { refusalOf } from './page-guards.ts';
import { pageHeaders } from './page-policy.ts';
import { replyOf } from './routes.ts';

export interface PageOptions {
  readonly html: string;
  /** 0: one that is free. */
  readonly port: number;
  /** The secret; absent: a new one. */
  readonly token?: string;
  readonly limits?: Partial<Limits>;
  readonly times?: Parameters<typeof HttpServer.open>[0]['times'];
  /** Told of faults that the page is not told of. */
  readonly log: (message: string) => void;
}

export interface PageServer extends AsyncDisposable {
  /** With the secret. */
  readonly url: string;
}

const LIMITS: Limits = { body: 64 << 10, requests: 32, seconds: 120 };
/** A page asks often and in short pieces. */
const TIMES = { headersTimeout: 5000, requestTimeout: 10_000 };

/**
 * Serves the page and its answers until the result is disposed.
 * @throws SipfError 'bad-input' where the port is in use.
 */
export async function servePage(answers: Answers, options: PageOptions): Promise<PageServer> {
  const { html, port, log, token = randomBytes(16).toString('hex') } = options;
  const limits = { ...LIMITS, ...options.limits };
  const times = { ...TIMES, ...options.times };
  const server = await HttpServer.open(
    { host: '127.0.0.1', port, limits, times, log },
    {
      refusalOf,
      answer: (incoming) => beforeAbort(replyOf(incoming, { answers, token, html }), incoming.signal),
      errorBody: ({ message }) => ({ error: message }),
      headers: pageHeaders(html),
    },
  );
  return { url: `${server.url}/${token}/`, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}
