// An endpoint's reply -> bytes of an HTTP answer, waiting while the client is slow.
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { type ApiError, errorBody } from './api-error.ts';
import type { Reply } from './exchange.ts';

/** Sends all of a reply. A client that is gone is no error: its signal ends the work. */
export async function sendReply(response: ServerResponse, reply: Reply, signal: AbortSignal): Promise<void> {
  if ('json' in reply) return await sendText(response, 200, 'application/json', JSON.stringify(reply.json));
  if ('text' in reply) return await sendText(response, 200, 'text/plain; charset=utf-8', reply.text);
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' });
  response.flushHeaders();
  for await (const event of reply.events) await write(response, event, signal);
  await finish(response, 'data: [DONE]\n\n');
}

/** Where an answer has begun, the error is its last event. */
export async function sendError(response: ServerResponse, error: ApiError): Promise<void> {
  const text = JSON.stringify(errorBody(error));
  if (response.headersSent) return await finish(response, `data: ${text}\n\n`);
  if (error.status === 401) response.setHeader('www-authenticate', 'Bearer');
  if (error.status === 429) response.setHeader('retry-after', '1');
  // What is left of the request's body is not read.
  if (error.status === 413 || error.status === 415) response.setHeader('connection', 'close');
  await sendText(response, error.status, 'application/json', text);
}

async function sendText(response: ServerResponse, status: number, type: string, text: string): Promise<void> {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
  await finish(response, text);
}

async function write(response: ServerResponse, event: object, signal: AbortSignal): Promise<void> {
  if (response.destroyed || response.write(`data: ${JSON.stringify(event)}\n\n`)) return;
  // The signal fires when the client leaves, or its time is over.
  await once(response, 'drain', { signal }).catch(() => undefined);
}

/** Ends the answer, and waits until the client has it or is gone. */
async function finish(response: ServerResponse, text: string): Promise<void> {
  if (response.destroyed) return;
  const closed = new Promise<void>((resolve) => response.once('close', resolve));
  response.end(text);
  await closed;
}
