// The headers of a request -> a refusal, or null: whose name, which page, which token.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { SipfError, shown } from '../errors.ts';
import { ApiError } from './api-error.ts';

export interface Access {
  /** The address that the server listens on. */
  readonly host: string;
  /** What clients send as a bearer token; null: none is needed. */
  readonly token: string | null;
}

/** @throws SipfError 'bad-input' where anyone on the network could ask without a token. */
export function checkAccess({ host, token }: Access): void {
  if (token === '') throw new SipfError('bad-input', 'Expected a token of at least one character, got none. Set it.');
  if (token !== null || isLoopback(host)) return;
  throw new SipfError(
    'bad-input',
    `Expected a token for a server that others can reach (host ${host}), got none. Name the variable that has it with --token-from, or listen on 127.0.0.1.`,
  );
}

/**
 * A page in a browser may send requests to this machine: it is told by its Origin, or by a Host that is not this machine's own name.
 * Other clients send no Origin.
 */
export function refusalOf(headers: IncomingHttpHeaders, { host, token }: Access): ApiError | null {
  if (headers.origin !== undefined)
    return new ApiError(403, `Expected a request that no web page sent, got Origin ${shown(headers.origin)}.`);
  if (isLoopback(host) && !isLoopback(nameIn(headers.host)))
    return new ApiError(403, `Expected Host localhost or 127.0.0.1, got ${shown(headers.host)}. Use that name.`);
  if (token === null || isToken(headers.authorization, token)) return null;
  return new ApiError(401, 'Expected the token of this server (Authorization: Bearer TOKEN), got none or another one.');
}

/** The name in `name:port`, where an IPv6 address has brackets. */
function nameIn(host: string | undefined): string {
  return (
    /^(?:\[([^\]]+)\]|([^:]+))(?::\d+)?$/
      .exec(host ?? '')
      ?.slice(1)
      .find(Boolean) ?? ''
  );
}

export function isLoopback(host: string): boolean {
  return host.toLowerCase() === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** Compares hashes, so that the time tells nothing of the token. */
function isToken(header: string | undefined, token: string): boolean {
  const [, given = ''] = /^Bearer (.+)$/i.exec(header ?? '') ?? [];
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(given), hash(token));
}
