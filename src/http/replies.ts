// What answers a request -> bytes of an HTTP answer, waiting while the client is slow.
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { ApiError } from './api-error.ts';

/** `events` are read one by one, as the client takes them. */
export type Reply =
  | { readonly json: object }
  | { readonly text: string }
  | { readonly html: string }
  | { readonly events: AsyncIterable<object> };

/** Sends all of a reply. @throws the signal's reason where it fires meanwhile: the client is gone, its time is over or the server stops. */
export async function sendReply(response: ServerResponse, reply: Reply, signal: AbortSignal): Promise<void> {
  if ('json' in reply) return await sendText(response, 200, 'application/json', JSON.stringify(reply.json));
  if ('text' in reply) return await sendText(response, 200, 'text/plain; charset=utf-8', reply.text);
  if ('html' in reply) return await sendText(response, 200, 'text/html; charset=utf-8', reply.html);
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' });
  response.flushHeaders();
  for await (const event of reply.events) {
    signal.throwIfAborted();
    await write(response, event, signal);
  }
  await finish(response, 'data: [DONE]\n\n');
}

/** Where an answer has begun, the error is its last event. */
export async function sendError(
  response: ServerResponse,
  { status, headers }: Pick<ApiError, 'status' | 'headers'>,
  body: object,
): Promise<void> {
  const text = JSON.stringify(body);
  if (response.headersSent) return await finish(response, `data: ${text}\n\n`);
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  // A client reads its answer once its body is sent. What is left of that is thrown away.
  response.req.resume();
  await sendText(response, status, 'application/json', text);
}

async function sendText(response: ServerResponse, status: number, type: string, text: string): Promise<void> {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
  await finish(response, text);
}

async function write(response: ServerResponse, event: object, signal: AbortSignal): Promise<void> {
  if (response.write(`data: ${JSON.stringify(event)}\n\n`)) return;
  await once(response, 'drain', { signal }).catch(() => undefined);
}

/** Ends the answer, and waits until the client has it or is gone. */
async function finish(response: ServerResponse, text: string): Promise<void> {
  if (response.destroyed) return;
  const closed = new Promise<void>((resolve) => response.once('close', resolve));
  response.end(text);
  await closed;
}
