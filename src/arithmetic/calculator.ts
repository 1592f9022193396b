// A solution text -> the results that a calculator writes into its annotations (Cobbe et al. 2021).
import { evaluate } from './expressions.ts';
import { rationalText } from './rational.ts';

/** A stretch of a text: [start, end) in UTF-16 units. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** An annotation that lacks its result. */
const OPEN = /<<([0-9.+\-*/() ]{1,300})=$/;
const LONGEST_OPEN = 303;

/**
 * What the calculator writes behind `text`, which ends with `<<`, an expression and `=`: its result and `>>`.
 * null: the model writes. So it does where the expression holds anything but decimals, `+ - * /`, brackets and spaces, where it has no value
 * (a division by zero), and where the value is no decimal of at most 20 places (1/3).
 * @example
 * writtenBehind('She pays 3*1.50=<<3*1.50='); // '4.5>>'
 */
export function writtenBehind(text: string): string | null {
  // Asked behind every token: most texts end otherwise.
  if (!text.endsWith('=')) return null;
  const [, expression = ''] = OPEN.exec(text.slice(-LONGEST_OPEN)) ?? [];
  const value = evaluate(expression);
  if (!value) return null;
  const result = rationalText(value);
  return result.includes('/') ? null : `${asBeside(expression, result)}>>`;
}

/** `0.5` where the expression writes a zero before a point, else `.5`: so most annotations of GSM8K have it. */
function asBeside(expression: string, result: string): string {
  return /(?<![\d.])0\./.test(expression) ? result : result.replace(/^(-?)0\./, '$1.');
}

/** The stretches of a text that say what the calculator writes there; the last one may be cut short by the end of the text. */
export function resultSpans(text: string): Span[] {
  return [...text.matchAll(/=/g)].flatMap(({ index }) => {
    const start = index + 1;
    const written = writtenBehind(text.slice(0, start));
    if (written === null) return [];
    const found = text.slice(start, start + written.length);
    return found !== '' && written.startsWith(found) ? [{ start, end: start + found.length }] : [];
  });
}
