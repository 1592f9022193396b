// Tokens and their log-probabilities -> OpenAI's two forms of `logprobs`.
import type { Completion, DrawnToken, LikelyToken } from '../backend.ts';
import type { ServedPolicy } from './served-models.ts';

/** A token of a prompt or a completion; `logp` is null for the first of a prompt, which nothing comes before. */
export interface SeenToken {
  readonly token: number;
  readonly logp: number | null;
  readonly likeliest: readonly LikelyToken[];
}

/** Tokens of a completion, the one that ended it included. */
export function seenTokens({ tokenIds, logps, likeliest }: Completion): SeenToken[] {
  return (tokenIds ?? []).map((token, n) => ({ token, logp: logps?.[n] ?? null, likeliest: likeliest?.[n] ?? [] }));
}

export function seenDrawn(drawn: readonly DrawnToken[]): SeenToken[] {
  return drawn.map(({ token, logp, likeliest = [] }) => ({ token, logp, likeliest }));
}

/** The text of each token on its own; bytes that are no whole character are U+FFFD. */
export async function tokenTexts(policy: ServedPolicy, tokens: readonly SeenToken[]): Promise<(id: number) => string> {
  const ids = [...new Set(tokens.flatMap(({ token, likeliest }) => [token, ...likeliest.map((one) => one.token)]))];
  const texts = await policy.decode(ids.map((id) => [id]));
  const known = new Map(ids.map((id, n) => [id, texts[n] ?? '']));
  return (id) => known.get(id) ?? '';
}

/** As `/v1/completions` has it; `offset`: characters of the choice's text before these tokens. */
export async function completionLogprobs(policy: ServedPolicy, tokens: readonly SeenToken[], offset = 0) {
  const textOf = await tokenTexts(policy, tokens);
  const texts = tokens.map(({ token }) => textOf(token));
  return {
    tokens: texts,
    token_logprobs: tokens.map(({ logp }) => logp),
    top_logprobs: tokens.map((token) => topOf(token, textOf)),
    text_offset: offsetsOf(texts, offset),
  };
}

function offsetsOf(texts: readonly string[], start: number): number[] {
  const offsets: number[] = [];
  let end = start;
  for (const text of texts) {
    offsets.push(end);
    end += text.length;
  }
  return offsets;
}

/** The likeliest and the token itself by their texts; of equal texts the best. null: there is nothing to tell. */
function topOf({ token, logp, likeliest }: SeenToken, textOf: (id: number) => string): Record<string, number> | null {
  if (logp === null) return null;
  const best = new Map<string, number>();
  for (const one of [...likeliest, { token, logp }]) {
    const text = textOf(one.token);
    best.set(text, Math.max(one.logp, best.get(text) ?? Number.NEGATIVE_INFINITY));
  }
  return Object.fromEntries(best);
}

/** As `/v1/chat/completions` has it. */
export async function chatLogprobs(policy: ServedPolicy, tokens: readonly SeenToken[]) {
  const textOf = await tokenTexts(policy, tokens);
  const entry = (token: number, logp: number | null) => {
    const text = textOf(token);
    return { token: text, logprob: logp, bytes: [...new TextEncoder().encode(text)] };
  };
  const content = tokens.map(({ token, logp, likeliest }) => ({
    ...entry(token, logp),
    top_logprobs: likeliest.map((one) => entry(one.token, one.logp)),
  }));
  return { content };
}
