// Texts and a model -> which of them its context holds. Leaves counting those that do not to the stages.
import type { Policy } from '../backend.ts';

/** A beginning-of-text token, and a first piece that reads differently at the beginning of a text. */
const MARGIN = 2;

/**
 * True for each text (given in the pieces that are tokenised on their own) that leaves room for one more token. A model may read its own text
 * as more tokens than it wrote: seldom where it is trained, often where it is not.
 */
export async function fitsContext(
  model: Pick<Policy, 'contextLength' | 'countTokens'>,
  texts: readonly (readonly string[])[],
): Promise<boolean[]> {
  const pieces = [...new Set(texts.flat())];
  const counts = await model.countTokens(pieces);
  const tokens = new Map(pieces.map((piece, n) => [piece, counts[n] ?? 0]));
  return texts.map((text) => text.reduce((sum, piece) => sum + (tokens.get(piece) ?? 0), MARGIN) < model.contextLength);
}
