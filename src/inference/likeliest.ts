// Logits and one token a row -> the likeliest tokens and their log-probabilities; read back.
import type { LikelyToken, ReadToken } from '../backend.ts';
import { add, gatherElements, reshape, sub, topK } from '../engine/build.ts';
import type { Tensor } from '../engine/graph.ts';
import type { Results } from '../engine/runtime/arrays.ts';
import { MOST } from '../limits.ts';

/**
 * The `MOST.likeliest` best tokens of each row of `logits [n, vocab]`, the best first: `likeliest` (int64) and `likeliestLogps`, `[n, count]` each.
 * `logps [n]`, those of `tokens [n]`, tell how far a row's logits are from its log-probabilities.
 */
export function likeliestTokens(logits: Tensor, tokens: Tensor, logps: Tensor) {
  const [n = 1, vocab = 1] = logits.shape;
  const { values, indices } = topK(logits, Math.min(MOST.likeliest, Number(vocab)));
  const shift = sub(reshape(logps, [n, 1]), gatherElements(logits, reshape(tokens, [n, 1])));
  return { likeliest: indices, likeliestLogps: add(values, shift) };
}

/** The rows' own tokens with the first `counts[row]` of their likeliest; no results are read where all counts are 0. */
export function withLikeliest(
  results: Results,
  own: readonly LikelyToken[],
  counts: readonly number[],
): readonly ReadToken[] {
  if (counts.every((count) => count === 0)) return own.map((token) => ({ ...token, likeliest: [] }));
  const logps = results.array('likeliestLogps');
  const ids = results.integers('likeliest');
  const width = Number(logps.shape[1]);
  return own.map((token, row) => {
    const places = Array.from({ length: Math.min(width, counts[row] ?? 0) }, (_, n) => row * width + n);
    // A row's own token has exactly one log-probability, however it was rounded.
    const likeliest = places.map((place) => {
      const id = Number(ids[place]);
      return id === token.token ? token : { token: id, logp: Number(logps.data[place]) };
    });
    return { ...token, likeliest };
  });
}
