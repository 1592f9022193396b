// Answers made by a test -> a server that gives them to the page, under the real policy.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PAGE = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'dist', 'viewer', 'page.html');

export function pageText(): string {
  return readFileSync(PAGE, 'utf8');
}

/** `path` is without `api/`. `body`: what was posted. An Error is a failed request. */
export type Answers = (path: string, query: Readonly<Record<string, string>>, body: unknown) => unknown;

export interface FakeServer extends AsyncDisposable {
  readonly url: string;
  /** Requests that were answered, as the page wrote them. */
  readonly asked: readonly string[];
}

export async function serveFake(answers: Answers, html = pageText()): Promise<FakeServer> {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    response.setHeader('content-security-policy', policyOf(html));
    if (url.pathname === '/t/') {
      response.setHeader('content-type', 'text/html; charset=utf-8');
      response.end(html);
      return;
    }
    asked.push(url.pathname + url.search);
    const reply = answers(
      url.pathname.replace('/t/api/', ''),
      Object.fromEntries(url.searchParams),
      await bodyOf(request),
    );
    response.statusCode = reply instanceof Error ? 400 : 200;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(reply instanceof Error ? { error: reply.message } : reply));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/t/`,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

/** Script and style by their hashes, and nothing from elsewhere. */
function policyOf(html: string): string {
  const hashes = (tag: string) =>
    [...html.matchAll(new RegExp(`<${tag}(?: type="module")?>([\\s\\S]*?)</${tag}>`, 'g'))]
      .map(([, text = '']) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`)
      .join(' ');
  return `default-src 'none'; script-src ${hashes('script')}; style-src ${hashes('style')}; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const pieces: Uint8Array[] = [];
  for await (const piece of request) pieces.push(piece as Uint8Array);
  return pieces.length === 0 ? null : JSON.parse(Buffer.concat(pieces).toString('utf8'));
}
