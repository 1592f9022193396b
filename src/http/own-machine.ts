// The headers of a request -> whether it names this machine, and whether it knows a secret.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { shown } from '../errors.ts';
import { ApiError } from './api-error.ts';

/** True for an address or a name that only this machine has for itself. */
export function isLoopback(host: string): boolean {
  return host.toLowerCase() === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** A page of another name that a server of names sends to this machine is told by its Host; null: it is this machine's own name. */
export function foreignHost({ host }: IncomingHttpHeaders): ApiError | null {
  if (isLoopback(nameIn(host))) return null;
  return new ApiError(403, `Expected Host localhost or 127.0.0.1, got ${shown(host)}. Use that name.`);
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

/** Compares hashes, so that the time tells nothing of the secret. */
export function isSecret(given: string, secret: string): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(given), hash(secret));
}
