// A path's tokens and steps -> the tokens of one step.
import type { TokenView } from '../../src/viewer/api.ts';

/** Tokens that overlap a step's text; tokens join to the whole text, in which steps follow each other. */
export function tokensOf(tokens: readonly TokenView[], steps: readonly string[], step: number): readonly TokenView[] {
  const whole = tokens.map(({ text }) => text).join('');
  let from = 0;
  let end = 0;
  for (const text of steps.slice(0, step + 1)) {
    from = Math.max(end, whole.indexOf(text, end));
    end = from + text.length;
  }
  let at = 0;
  return tokens.filter(({ text }) => {
    const start = at;
    at += text.length;
    return at > from && start < end;
  });
}
