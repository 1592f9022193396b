// Settings -> servers of completions in this process, with latency and faults; and what they did.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { createRandom } from '#sipf/random.js';
import { write } from './growth-script.ts';

export interface ServersSettings {
  readonly servers: number;
  /** Milliseconds before an answer, at the fastest and at the slowest server but the slow ones. */
  readonly latency: readonly [number, number];
  /** How many servers take `slowness` times as long. */
  readonly slow: number;
  readonly slowness: number;
  /** Share of requests that fail: by status 429, by 500, by a cut body, by a cut connection. */
  readonly faults: number;
}

/** What one server did. */
export interface ServerFigures {
  readonly asked: number;
  readonly answered: number;
  /** Completions that were sent whole. */
  readonly drawn: number;
  readonly most: number;
}

interface Asked {
  readonly prompt: string | readonly number[];
  readonly seed: number;
  readonly max_tokens: number;
  readonly n?: number;
}

async function bodyOf(request: IncomingMessage): Promise<Asked> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as Asked;
}

const textOf = ({ prompt }: Asked): string => (typeof prompt === 'string' ? prompt : String.fromCodePoint(...prompt));

/** What asks what the server can is of no question. */
const isProbe = (asked: Asked): boolean => !textOf(asked).includes('sum of');

function answerTo(asked: Asked): string {
  const choices = Array.from({ length: asked.n ?? 1 }, (_, n) => choiceOf(asked, n));
  const tokens = choices.reduce((sum, { token_ids: ids }) => sum + ids.length, 0);
  return JSON.stringify({ choices, usage: { prompt_tokens: [...asked.prompt].length, completion_tokens: tokens } });
}

function choiceOf(asked: Asked, n: number) {
  const { seed, max_tokens: limit } = asked;
  const random = createRandom(`${seed}/${n}`);
  const whole = isProbe(asked) ? String(random.next()) : write({ prompt: textOf(asked), prefix: '', random });
  const text = whole.slice(0, limit);
  const ids = Array.from(text, (character) => character.codePointAt(0) ?? 0);
  return {
    index: n,
    text,
    finish_reason: whole.length > limit ? 'length' : 'stop',
    token_ids: ids,
    logprobs: { token_logprobs: ids.map(() => -0.5) },
  };
}

/** How the n-th request of a server fails; null: it does not. */
function faultOf(server: number, n: number, share: number): number | null {
  const random = createRandom(`${server}/${n}`);
  return random.next() < share ? random.int(0, 3) : null;
}

async function openServer(settings: ServersSettings, index: number) {
  const { servers, latency, slow, slowness, faults } = settings;
  const [fastest, slowest] = latency;
  const own = fastest + ((slowest - fastest) * index) / servers;
  const delay = index < slow ? own * slowness : own;
  const figures = { asked: 0, answered: 0, drawn: 0, open: 0, most: 0 };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.method !== 'POST' || request.url !== '/v1/completions') return void response.writeHead(404).end();
    figures.open += 1;
    figures.most = Math.max(figures.most, figures.open);
    response.once('close', () => {
      figures.open -= 1;
    });
    const asked = await bodyOf(request);
    const isOfQuestion = !isProbe(asked);
    if (isOfQuestion) figures.asked += 1;
    const fault = isOfQuestion ? faultOf(index, figures.asked, faults) : null;
    if (fault === 0) return void response.writeHead(429, { 'retry-after': '1' }).end('slow down');
    if (fault === 1) return void response.writeHead(500).end('oops');
    if (isOfQuestion) await setTimeout(delay * (0.5 + createRandom(`${asked.seed}`).next()));
    if (fault === 3) return void response.destroy();
    const text = answerTo(asked);
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
    if (fault === 2) return void response.write(text.slice(0, 20), () => response.destroy());
    if (response.destroyed) return;
    response.end(text);
    if (!isOfQuestion) return;
    figures.answered += 1;
    figures.drawn += asked.n ?? 1;
  };
  const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()));
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, figures };
}

const settings = JSON.parse(process.argv[2] ?? '') as ServersSettings;
const opened = await Promise.all(Array.from({ length: settings.servers }, (_, index) => openServer(settings, index)));
process.on('message', () => process.send?.(opened.map(({ figures }) => figures satisfies ServerFigures)));
process.on('disconnect', () => process.exit(0));
process.send?.(opened.map(({ url }) => url));
