// The headers of a request -> a refusal, or null: whose name, which page, which token.
import type { IncomingHttpHeaders } from 'node:http';
import { SipfError, shown } from '../errors.ts';
import { ApiError } from '../http/api-error.ts';
import { foreignHost, isLoopback, isSecret } from '../http/own-machine.ts';

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
  const foreign = isLoopback(host) ? foreignHost(headers) : null;
  if (foreign !== null) return foreign;
  if (token === null || isSecret(bearerOf(headers), token)) return null;
  const message = 'Expected the token of this server (Authorization: Bearer TOKEN), got none or another one.';
  return new ApiError(401, message, { 'www-authenticate': 'Bearer' });
}

function bearerOf({ authorization }: IncomingHttpHeaders): string {
  const [, given = ''] = /^Bearer (.+)$/i.exec(authorization ?? '') ?? [];
  return given;
}
