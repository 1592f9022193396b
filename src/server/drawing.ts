// A checked request -> the port's requests; and what is drawn, as it comes.
import type { Completion, DrawnToken, GenerateRequest, SamplingOptions } from '../backend.ts';
import { ApiError } from '../http/api-error.ts';
import type { Exchange } from './exchange.ts';
import { type ChatRequest, type CompletionRequest, MOST_CHOICES } from './requests.ts';
import type { ServedPolicy } from './served-models.ts';

/** What is asked of a model. */
export interface Asked {
  readonly policy: ServedPolicy;
  readonly prompts: readonly (readonly number[])[];
  /** Choices of each prompt. */
  readonly n: number;
  readonly seed: number;
  readonly sampling: SamplingOptions;
}

/** Sampling as a request says it; OpenAI's defaults where it does not. */
export function samplingOf(
  asked: CompletionRequest | ChatRequest,
  maxTokens: number,
  likeliest: number,
): SamplingOptions {
  return {
    temperature: asked.temperature ?? 1,
    topP: asked.top_p ?? 1,
    topK: Math.max(0, asked.top_k ?? 0),
    stopStrings: asked.stop,
    ignoreEos: asked.ignore_eos ?? false,
    maxTokens,
    likeliest,
  };
}

/** @throws ApiError 400 where a prompt has no place in the context, or there are too many choices: before anything is drawn. */
export function checkAsked({ policy, prompts, n, sampling }: Asked): void {
  if (prompts.length * n > MOST_CHOICES)
    throw new ApiError(
      400,
      `Expected at most ${MOST_CHOICES} choices, got ${prompts.length * n}. Ask for fewer at a time.`,
    );
  for (const [index, ids] of prompts.entries()) {
    const room = policy.contextLength - Math.min(1, sampling.maxTokens);
    if (ids.length >= 1 && ids.length <= room) continue;
    throw new ApiError(
      400,
      `Expected a prompt of 1 to ${room} tokens, got ${ids.length} (prompt ${index}). Change its length.`,
    );
  }
}

/** One a choice; equal seeds give equal texts, as `sipf generate --seed` does. The id is the choice's place. */
export function requestsOf({ prompts, n, seed, sampling }: Asked): GenerateRequest[] {
  return prompts.flatMap((ids, p) =>
    Array.from({ length: n }, (_, i) => ({
      id: String(p * n + i),
      context: [ids],
      key: `generate/${seed}/${i}`,
      sampling,
    })),
  );
}

/** Draws all; nothing where no token is asked for. */
export async function drawAll(asked: Asked, { signal, caller }: Exchange): Promise<Completion[]> {
  if (asked.sampling.maxTokens > 0) return asked.policy.draw(requestsOf(asked), { signal, caller });
  return requestsOf(asked).map(({ id }) => ({ ...NOTHING, id }));
}

const NOTHING = { text: '', tokens: 0, tokenIds: [], logps: [], finishReason: 'length' } as const;

/** Tokens that a choice got since its last piece. */
export interface Piece {
  readonly index: number;
  readonly tokens: readonly DrawnToken[];
}

/**
 * Pieces as they are drawn, and in the end the completions. Pieces of a choice that nobody takes are joined, so that a slow reader holds
 * up no other and costs no more than its answer.
 */
export async function* drawPieces(asked: Asked, { signal, caller }: Exchange): AsyncGenerator<Piece, Completion[]> {
  const waiting = new Map<string, DrawnToken[]>();
  let isEnded = false;
  let wake = () => {};
  const onTokens = (drawn: readonly DrawnToken[]) => {
    for (const token of drawn) {
      const piece = waiting.get(token.id);
      if (piece === undefined) waiting.set(token.id, [token]);
      else piece.push(token);
    }
    wake();
  };
  const end = () => {
    isEnded = true;
    wake();
  };
  const drawn = asked.policy.draw(requestsOf(asked), { signal, caller, onTokens });
  drawn.then(end, end);
  while (!isEnded || waiting.size > 0) {
    const pieces = [...waiting];
    waiting.clear();
    for (const [id, tokens] of pieces) yield { index: Number(id), tokens };
    if (!isEnded && waiting.size === 0) await new Promise<void>((resolve) => (wake = resolve));
  }
  return drawn;
}

/** Costs as OpenAI counts them: each prompt once. */
export function usageOf({ prompts }: Pick<Asked, 'prompts'>, completions: readonly Completion[]) {
  const prompt = prompts.reduce((sum, ids) => sum + ids.length, 0);
  const completion = completions.reduce((sum, { tokens }) => sum + tokens, 0);
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
}

/** A seed that a request brings, or a random one. */
export function seedOf({ seed }: { readonly seed?: number | null | undefined }, { randomSeed }: Exchange): number {
  return seed ?? randomSeed();
}

/** The most tokens that a completion of `ids` can have; at least 1, which a prompt that is too long is refused for. */
export function roomFor(ids: readonly number[], { contextLength }: ServedPolicy): number {
  return Math.max(1, contextLength - ids.length);
}
