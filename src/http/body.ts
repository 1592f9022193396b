// A request's bytes, as they come -> its JSON, as an endpoint takes it, or a refusal.
import type { IncomingMessage } from 'node:http';
import type { z } from 'zod';
import { messageOf, shown } from '../errors.ts';
import { check } from '../io/check.ts';
import { ApiError } from './api-error.ts';
import { beforeAbort } from './before-abort.ts';

/** @throws ApiError 400, 413 or 415; the signal's reason where it fires before the end of the body. */
export async function readBody(request: IncomingMessage, limit: number, signal: AbortSignal): Promise<unknown> {
  const [type = ''] = (request.headers['content-type'] ?? '').split(';');
  if (type.trim().toLowerCase() !== 'application/json')
    throw new ApiError(415, `Expected Content-Type application/json, got ${shown(type)}. Send JSON with that header.`);
  const bytes = await beforeAbort(bytesOf(request, limit), signal);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (thrown) {
    throw new ApiError(400, `Expected JSON in UTF-8 as the body, got: ${messageOf(thrown)}. Correct the body.`);
  }
}

/**
 * A body as an endpoint takes it.
 * @throws SipfError 'bad-input' naming the field.
 */
export function bodyAs<T>(schema: z.ZodType<T>, body: unknown): T {
  return check(schema, body, 'The request', 'Correct the request.');
}

async function bytesOf(request: IncomingMessage, limit: number): Promise<Buffer> {
  const tooLong = () => new ApiError(413, `Expected a body of at most ${limit} bytes, got more. Send less at a time.`);
  if (Number(request.headers['content-length'] ?? 0) > limit) throw tooLong();
  const chunks: Buffer[] = [];
  let length = 0;
  // Who stops reading early leaves the connection open for the answer.
  const read: AsyncIterable<Buffer> = request.iterator({ destroyOnReturn: false });
  for await (const chunk of read) {
    length += chunk.length;
    if (length > limit) throw tooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
