// POST /v1/completions -> choices, whole or as they are drawn, behind their prompts with echo.
import type { Completion } from '../backend.ts';
import { ApiError } from '../http/api-error.ts';
import { bodyAs } from '../http/body.ts';
import { type Asked, checkAsked, drawAll, drawPieces, samplingOf, seedOf, usageOf } from './drawing.ts';
import type { Endpoint, Exchange } from './exchange.ts';
import { completionLogprobs, type SeenToken, seenDrawn, seenTokens } from './logprobs.ts';
import { type Prompt, promptIds } from './prompts.ts';
import { CompletionRequest } from './requests.ts';
import type { Lease, ServedPolicy } from './served-models.ts';

/** As OpenAI's. */
const DEFAULT_TOKENS = 16;

/** A prompt as its choices repeat it; empty without echo. */
interface Echo {
  readonly text: string;
  readonly tokens: readonly SeenToken[];
}

interface Completing extends Asked {
  readonly request: CompletionRequest;
  /** One a prompt. */
  readonly echoes: readonly Echo[];
  /** Fields of every answer and chunk. */
  readonly head: object;
}

export const completions: Endpoint = async (exchange) => {
  const request = bodyAs(CompletionRequest, exchange.body);
  const completing = await prepare(request, exchange.lease(request.model), exchange);
  return request.stream ? { events: chunks(completing, exchange) } : { json: await whole(completing, exchange) };
};

async function prepare(request: CompletionRequest, { name, policy }: Lease, exchange: Exchange): Promise<Completing> {
  checkRequest(request);
  const prompts = await promptIds(request.prompt, policy, { special: request.add_special_tokens });
  const asked: Asked = {
    policy,
    prompts,
    n: request.n ?? 1,
    seed: seedOf(request, exchange),
    sampling: samplingOf(request, request.max_tokens ?? DEFAULT_TOKENS, request.logprobs ?? 0),
  };
  checkAsked(asked);
  const echoes: Echo[] = [];
  // One prompt a turn: other callers draw between two of them.
  for (const [p, ids] of prompts.entries())
    echoes.push(await echoOf(request.prompt[p]!, ids, request, policy, exchange));
  const head = { id: `cmpl-${exchange.caller}`, object: 'text_completion', created: exchange.now(), model: name };
  return { ...asked, request, echoes, head };
}

function checkRequest({ best_of, n, max_tokens, echo, stream }: CompletionRequest): void {
  if (best_of != null && best_of !== (n ?? 1))
    throw new ApiError(400, `Expected best_of to be n (${n ?? 1}), got ${best_of}. Choose among n choices yourself.`);
  if (max_tokens === 0 && (!echo || stream))
    throw new ApiError(400, 'Expected max_tokens of at least 1, or 0 with echo and without stream, got 0. Raise it.');
}

async function echoOf(
  prompt: Prompt,
  ids: readonly number[],
  { echo, logprobs }: CompletionRequest,
  policy: ServedPolicy,
  { signal }: Exchange,
): Promise<Echo> {
  if (!echo) return { text: '', tokens: [] };
  const text = typeof prompt === 'string' ? prompt : ((await policy.decode([prompt]))[0] ?? '');
  if (logprobs == null) return { text, tokens: [] };
  const [first = 0, ...rest] = ids;
  const item = { context: [[first]], completion: rest };
  const [read = []] = await policy.readTokens([item], { likeliest: logprobs, signal });
  return { text, tokens: [{ token: first, logp: null, likeliest: [] }, ...read] };
}

async function whole(completing: Completing, exchange: Exchange): Promise<object> {
  const drawn = await drawAll(completing, exchange);
  const choices = await Promise.all(drawn.map((completion, index) => choiceOf(completing, completion, index)));
  return { ...completing.head, choices, usage: usageOf(completing, drawn) };
}

async function choiceOf(completing: Completing, completion: Completion, index: number): Promise<object> {
  const { request, policy, n, prompts } = completing;
  const p = Math.floor(index / n);
  const { text, tokens } = completing.echoes[p]!;
  const seen = [...tokens, ...seenTokens(completion)];
  return {
    index,
    text: text + completion.text,
    logprobs: request.logprobs == null ? null : await completionLogprobs(policy, seen),
    finish_reason: completion.finishReason,
    ...(request.return_token_ids ? { prompt_token_ids: prompts[p], token_ids: completion.tokenIds } : {}),
  };
}

async function* chunks(completing: Completing, exchange: Exchange): AsyncGenerator<object> {
  const { head, request } = completing;
  const lengths = new Map<number, number>();
  const chunk = (choice: object) => ({ ...head, choices: [{ logprobs: null, finish_reason: null, ...choice }] });
  for (const { index, text, tokens, ids } of beginnings(completing))
    yield chunk({ index, text, ...(await logprobsOf(completing, tokens, index, lengths)), ...ids });
  const pieces = drawPieces(completing, exchange);
  let next = await pieces.next();
  for (; !next.done; next = await pieces.next()) {
    const { index, tokens } = next.value;
    const text = tokens.map((token) => token.text).join('');
    const ids = request.return_token_ids ? { token_ids: tokens.map(({ token }) => token) } : {};
    yield chunk({ index, text, ...(await logprobsOf(completing, seenDrawn(tokens), index, lengths)), ...ids });
  }
  for (const { id, finishReason } of next.value)
    yield chunk({ index: Number(id), text: '', finish_reason: finishReason });
  if (request.stream_options?.include_usage) yield { ...head, choices: [], usage: usageOf(completing, next.value) };
}

/** What each choice begins with, where the request asks for the prompt or its ids. */
function beginnings({ request, prompts, echoes, n }: Completing) {
  if (!request.echo && !request.return_token_ids) return [];
  return prompts.flatMap((prompt, p) => {
    const ids = request.return_token_ids ? { prompt_token_ids: prompt, token_ids: [] } : {};
    return Array.from({ length: n }, (_, i) => ({ index: p * n + i, ...echoes[p]!, ids }));
  });
}

/** `lengths`: characters of each choice's tokens so far, which these add to. */
async function logprobsOf(
  { request, policy }: Completing,
  tokens: readonly SeenToken[],
  index: number,
  lengths: Map<number, number>,
): Promise<object> {
  if (request.logprobs == null || tokens.length === 0) return {};
  const before = lengths.get(index) ?? 0;
  const logprobs = await completionLogprobs(policy, tokens, before);
  lengths.set(index, before + logprobs.tokens.reduce((sum, text) => sum + text.length, 0));
  return { logprobs };
}
