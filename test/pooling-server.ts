// A scorer of texts -> a real HTTP server with /pooling as vLLM or sipf serve has it, with faults.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Fault } from './completion-server.ts';

export interface PoolingSettings {
  readonly form: 'tokens' | 'steps';
  /** P(step correct) where a text ends. */
  readonly scoreOf: (text: string) => number;
  /** Hash that the form `steps` tells. */
  readonly hash?: string;
  /** The fault of the n-th request (from 1), those of the first questions aside; null: none. */
  readonly faultOf?: (n: number) => Fault | null;
  /** What `GET /v1/models` lists. Absent: status 404. */
  readonly models?: readonly object[];
  /** What `POST /tokenize` makes of a text. Absent: status 404. */
  readonly tokenize?: (text: string) => readonly number[];
  /** Milliseconds before an answer. */
  readonly delay?: number;
}

interface Body {
  readonly prompt?: string;
  readonly input?: readonly number[] | { readonly prompt: string; readonly steps: readonly string[] };
}

export interface PoolingServer extends AsyncDisposable {
  readonly url: string;
  /** Texts of paths that were asked for, in the order in which they came, those of the first questions aside. */
  readonly asked: readonly string[];
  readonly headers: readonly IncomingMessage['headers'][];
  /** The most that were open at a time. */
  readonly most: number;
}

const textOf = (ids: readonly number[]): string => String.fromCodePoint(...ids);

/** null: the form does not know such a request. */
function answerOf(input: Body['input'], { form, scoreOf, hash = '' }: PoolingSettings): object | null {
  if (form === 'tokens' && Array.isArray(input))
    return { data: [{ data: input.map((_, n) => [scoreOf(textOf(input.slice(0, n + 1)))]) }] };
  if (form === 'steps' && input !== undefined && 'steps' in input) {
    const { prompt, steps } = input;
    return { hash, data: [{ data: steps.map((_, j) => scoreOf(prompt + steps.slice(0, j + 1).join(''))) }] };
  }
  return null;
}

async function bodyOf(request: IncomingMessage): Promise<Body> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString('utf8') || '{}') as Body;
}

export async function openPoolingServer(settings: PoolingSettings): Promise<PoolingServer> {
  const { models, tokenize, faultOf, delay = 0 } = settings;
  const seen = { asked: [] as string[], headers: [] as IncomingMessage['headers'][] };
  const figures = { open: 0, most: 0 };
  const json = (response: ServerResponse, status: number, value: unknown) =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));

  const pooling = async ({ input }: Body, request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const answer = answerOf(input, settings);
    if (answer === null) return json(response, 400, { error: { message: 'no such input' } });
    const text = Array.isArray(input) ? textOf(input) : JSON.stringify(input);
    // The text that sipf asks first.
    if (text.includes('naïve')) return json(response, 200, answer);
    seen.asked.push(text);
    seen.headers.push(request.headers);
    figures.open += 1;
    figures.most = Math.max(figures.most, figures.open);
    response.on('close', () => {
      figures.open -= 1;
    });
    const fault = faultOf?.(seen.asked.length) ?? null;
    await new Promise((resolve) => setTimeout(resolve, delay));
    if (fault === 'mute') return;
    if (fault === 'cut') return void response.destroy();
    if (fault === 'cut-within') return void response.writeHead(200).write('{"da', () => response.destroy());
    if (fault !== null && 'status' in fault) return json(response, fault.status, fault.body ?? 'not now');
    json(response, 200, fault === null ? answer : fault.change(answer as Record<string, unknown>));
  };

  const server = createServer(async (request, response) => {
    const body = request.method === 'POST' ? await bodyOf(request) : {};
    if (request.url === '/pooling') return pooling(body, request, response);
    if (request.url === '/v1/models' && models !== undefined) return json(response, 200, { data: models });
    if (request.url === '/tokenize' && tokenize !== undefined && body.prompt !== undefined)
      return json(response, 200, { tokens: tokenize(body.prompt) });
    json(response, 404, {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    ...seen,
    get most() {
      return figures.most;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
