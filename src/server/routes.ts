// A method and a path -> the endpoint that answers.
import { shown } from '../errors.ts';
import { ApiError } from '../http/api-error.ts';
import { chat } from './chat.ts';
import { completions } from './completions.ts';
import type { Endpoint } from './exchange.ts';
import { listModels, loadAdapter, pooling, unloadAdapter } from './models.ts';
import { detokenize, tokenize, tokenizerInfo } from './tokens.ts';

const ROUTES: ReadonlyMap<string, { readonly method: 'GET' | 'POST'; readonly endpoint: Endpoint }> = new Map([
  ['/v1/models', { method: 'GET', endpoint: listModels }],
  ['/v1/completions', { method: 'POST', endpoint: completions }],
  ['/v1/chat/completions', { method: 'POST', endpoint: chat }],
  ['/v1/load_lora_adapter', { method: 'POST', endpoint: loadAdapter }],
  ['/v1/unload_lora_adapter', { method: 'POST', endpoint: unloadAdapter }],
  ['/tokenize', { method: 'POST', endpoint: tokenize }],
  ['/detokenize', { method: 'POST', endpoint: detokenize }],
  ['/tokenizer_info', { method: 'GET', endpoint: tokenizerInfo }],
  ['/pooling', { method: 'POST', endpoint: pooling }],
]);

/** @throws ApiError 404 for a path without an endpoint, 405 for another method. */
export function endpointOf(method: string, url: string): Endpoint {
  const [path = ''] = url.split('?');
  const route = ROUTES.get(path);
  if (route === undefined)
    throw new ApiError(
      404,
      `Expected one of ${[...ROUTES.keys()].join(', ')}, got ${shown(path)}. Correct the address.`,
    );
  if (route.method === method) return route.endpoint;
  const message = `Expected ${route.method} ${path}, got ${shown(method)}. Use that method.`;
  throw new ApiError(405, message, { allow: route.method });
}
