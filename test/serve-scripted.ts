// A script of texts -> a running server on it, and how tests ask.
import type { Backend } from '../src/backend.ts';
import { createScriptedBackend, type ScriptedOptions } from '../src/backends/scripted.ts';
import { type ModelServer, type ServeOptions, serve } from '../src/server/serve.ts';

/** Letters that depend on the seed alone. */
export const letters: ScriptedOptions['write'] = ({ random }) =>
  Array.from({ length: 20 }, () => String.fromCharCode(97 + random.int(0, 25))).join('');

export interface Served extends AsyncDisposable {
  readonly server: ModelServer;
  readonly backend: Backend;
  readonly logged: readonly string[];
  /** Sends JSON, and reads what comes back: parsed where it is JSON. */
  ask(path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // What a test reads of an answer is checked by the test itself.
  readonly json: Readonly<Record<string, unknown>>;
  readonly text: string;
}

export async function serveScripted(
  options: Partial<ServeOptions> = {},
  scripted: Partial<ScriptedOptions> = {},
): Promise<Served> {
  const backend = createScriptedBackend({ write: letters, ...scripted });
  const logged: string[] = [];
  const log = (message: string) => void logged.push(message);
  const server = await serve(backend, { model: 'base', port: 0, log, ...options });
  return {
    server,
    backend,
    logged,
    ask: (path, body, headers) => ask(server.url + path, body, headers),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

export async function ask(
  url: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const sent = typeof body === 'string' ? body : JSON.stringify(body);
  const post = { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: sent ?? '' };
  const response = await fetch(url, body === undefined ? { headers } : post);
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json');
  return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : {} };
}

/** The events of a stream, and whether it ended as it should. */
export function eventsOf(text: string): Readonly<Record<string, unknown>>[] {
  const lines = text.split('\n\n').filter((line) => line !== '');
  const last = lines.pop();
  if (last !== 'data: [DONE]') throw new Error(`The stream ended with ${last}`);
  return lines.map((line) => JSON.parse(line.replace(/^data: /, '')));
}
