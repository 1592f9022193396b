// A request -> its answer as `fetch` gives it, without the headers by which servers know browsers.
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';

export interface PlainRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly signal: AbortSignal;
}

/** `fetch` of Node.js sends `Sec-Fetch-Mode`, and some servers take no work from pages. Redirects are answers. */
export function plainFetch(url: string, { body, ...options }: PlainRequest): Promise<Response> {
  const request = url.startsWith('https:') ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const sent = request(url, options, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('error', reject);
      answer.on('end', () => {
        const { statusCode: status = 0, headersDistinct } = answer;
        const headers = Object.entries(headersDistinct).map(([name, values = []]): [string, string] => [
          name,
          values.join(', '),
        ]);
        resolve(new Response(parts.length === 0 ? null : Buffer.concat(parts), { status, headers }));
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
