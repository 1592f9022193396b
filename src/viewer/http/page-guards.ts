// The headers of a request -> a refusal, or null: another name of this machine, or another page.
import type { IncomingHttpHeaders } from 'node:http';
import { shown } from '../../errors.ts';
import { ApiError } from '../../http/api-error.ts';
import { foreignHost } from '../../http/own-machine.ts';

/**
 * For every request. A browser says of a request that a page made where it is from; an address that a person opens is none of a page's,
 * or a link's.
 */
export function refusalOf(headers: IncomingHttpHeaders): ApiError | null {
  return foreignHost(headers) ?? foreignOrigin(headers) ?? foreignSite(headers);
}

/** A request that changes something names its page, and has a header that no form and no other page can send. */
export function changeRefusal(headers: IncomingHttpHeaders): ApiError | null {
  if (headers.origin === undefined)
    return new ApiError(403, 'Expected the Origin of this page, got none. Use the page.');
  if (headers['x-sipf-annotate'] === '1') return null;
  const got = shown(headers['x-sipf-annotate']);
  return new ApiError(403, `Expected the header x-sipf-annotate: 1, got ${got}. Send it.`);
}

function foreignOrigin({ origin, host }: IncomingHttpHeaders): ApiError | null {
  if (origin === undefined || origin === `http://${host}`) return null;
  return new ApiError(403, `Expected the Origin of this page, got ${shown(origin)}. Use the page.`);
}

/** Other pages may lead a person here, and may neither read, embed nor ask. */
function foreignSite(headers: IncomingHttpHeaders): ApiError | null {
  const [site, mode, dest] = (['site', 'mode', 'dest'] as const).map((name) => headers[`sec-fetch-${name}`]);
  if (site === undefined || site === 'same-origin' || site === 'none') return null;
  if (mode === 'navigate' && dest === 'document') return null;
  return new ApiError(403, `Expected a request of this page, got one that is ${shown(site)}. Use the page.`);
}
