// Token ids of a completion -> which of them lie within results that a calculator writes.
import { resultSpans } from '../../arithmetic/calculator.ts';
import type { Tokenizer } from './tokenizer.ts';

/** `[ids]`: true for a token whose text is part of a result (or of its `>>`) and of nothing else. */
export function resultTokens(ids: readonly number[], tokenizer: Pick<Tokenizer, 'stream'>): boolean[] {
  const stream = tokenizer.stream();
  let text = '';
  const pieces = ids.map((id) => {
    const start = text.length;
    text += stream.push(id);
    return { start, end: text.length };
  });
  const spans = resultSpans(text);
  return pieces.map(
    (piece) => piece.start < piece.end && spans.some(({ start, end }) => start <= piece.start && piece.end <= end),
  );
}
