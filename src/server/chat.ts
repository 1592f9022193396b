// POST /v1/chat/completions -> the assistant's messages, whole or as they are drawn.
import type { Completion } from '../backend.ts';
import { ApiError } from '../http/api-error.ts';
import { bodyAs } from '../http/body.ts';
import { type Asked, checkAsked, drawAll, drawPieces, roomFor, samplingOf, seedOf, usageOf } from './drawing.ts';
import type { Endpoint, Exchange } from './exchange.ts';
import { chatLogprobs, seenDrawn, seenTokens } from './logprobs.ts';
import { chatIds } from './prompts.ts';
import { ChatRequest } from './requests.ts';
import type { Lease } from './served-models.ts';

interface Chatting extends Asked {
  readonly request: ChatRequest;
  readonly ids: readonly number[];
  /** Fields of every answer and chunk but `object`. */
  readonly head: object;
}

export const chat: Endpoint = async (exchange) => {
  const request = bodyAs(ChatRequest, exchange.body);
  const chatting = await prepare(request, exchange.lease(request.model), exchange);
  return request.stream ? { events: chunks(chatting, exchange) } : { json: await whole(chatting, exchange) };
};

async function prepare(request: ChatRequest, { name, policy }: Lease, exchange: Exchange): Promise<Chatting> {
  if (request.max_tokens === 0)
    throw new ApiError(400, 'Expected max_tokens of at least 1, got 0. Raise it, or leave it out.');
  const ids = await chatIds(request.messages, policy);
  const asked: Asked = {
    policy,
    prompts: [ids],
    n: request.n ?? 1,
    seed: seedOf(request, exchange),
    sampling: samplingOf(
      request,
      request.max_completion_tokens ?? request.max_tokens ?? roomFor(ids, policy),
      request.logprobs ? (request.top_logprobs ?? 0) : 0,
    ),
  };
  checkAsked(asked);
  return { ...asked, request, ids, head: { id: `chatcmpl-${exchange.caller}`, created: exchange.now(), model: name } };
}

async function whole(chatting: Chatting, exchange: Exchange): Promise<object> {
  const drawn = await drawAll(chatting, exchange);
  const { request, ids } = chatting;
  return {
    ...chatting.head,
    object: 'chat.completion',
    choices: await Promise.all(drawn.map((completion, index) => choiceOf(chatting, completion, index))),
    usage: usageOf(chatting, drawn),
    ...(request.return_token_ids ? { prompt_token_ids: ids } : {}),
  };
}

async function choiceOf({ request, policy }: Chatting, completion: Completion, index: number): Promise<object> {
  return {
    index,
    message: { role: 'assistant', content: completion.text, refusal: null },
    logprobs: request.logprobs ? await chatLogprobs(policy, seenTokens(completion)) : null,
    finish_reason: completion.finishReason,
    ...(request.return_token_ids ? { token_ids: completion.tokenIds } : {}),
  };
}

async function* chunks(chatting: Chatting, exchange: Exchange): AsyncGenerator<object> {
  const { request, policy, n, ids } = chatting;
  const head = { ...chatting.head, object: 'chat.completion.chunk' };
  const chunk = (choice: object, more: object = {}) => ({
    ...head,
    choices: [{ logprobs: null, finish_reason: null, ...choice }],
    ...more,
  });
  const prompt = request.return_token_ids ? { prompt_token_ids: ids } : {};
  for (let index = 0; index < n; index += 1) yield chunk({ index, delta: { role: 'assistant', content: '' } }, prompt);
  const pieces = drawPieces(chatting, exchange);
  let next = await pieces.next();
  for (; !next.done; next = await pieces.next()) {
    const { index, tokens } = next.value;
    yield chunk({
      index,
      delta: { content: tokens.map(({ text }) => text).join('') },
      logprobs: request.logprobs ? await chatLogprobs(policy, seenDrawn(tokens)) : null,
      ...(request.return_token_ids ? { token_ids: tokens.map(({ token }) => token) } : {}),
    });
  }
  for (const { id, finishReason } of next.value)
    yield chunk({ index: Number(id), delta: {}, finish_reason: finishReason });
  if (request.stream_options?.include_usage) yield { ...head, choices: [], usage: usageOf(chatting, next.value) };
}
