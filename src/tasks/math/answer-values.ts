// The text of an answer alone -> a number or a text, and whether two are equal.

import { equal, negate, type Rational, rational, rationalText } from '../../arithmetic/rational.ts';
import { type NumberAt, numberAt } from './number-text.ts';
import { plainText } from './plain-text.ts';

/**
 * A parsed answer. Numbers are exact. Text is what is no single number (`3:4`, `10:30`, `2,2,4`, `5√5`): lower case, without spaces around
 * punctuation, without markup.
 */
export type Answer =
  | { readonly kind: 'number'; readonly value: Rational; readonly percent: boolean }
  | { readonly kind: 'text'; readonly text: string };

const CURRENCY = String.raw`[$€£¥₹]|(?:US|CA?|AU?|NZ|HK|S) ?\$|USD|EUR|GBP|Rs\.?(?= ?\d)`;
const LEAD =
  /^(?:(?:approximately|approx\.?|about|around|roughly|exactly|only|just|equals?|a total of|≈|~|:|=)\s?|\(?[A-E][).:] |[A-Za-z] ?= ?(?!=))/i;
const SIGNED = new RegExp(
  String.raw`^(?:${CURRENCY})? ?(minus |negative |[-+] ?)?(?:${CURRENCY})? ?([-+])?(?=\.?\d)`,
  'i',
);
const UNIT_WORD = String.raw`(?:\p{L}[\p{L}'’.\-]{0,30}|[°'"″′¢])(?:\^\{?[23]\}?)?`;
/** Up to six words of unit, joined by spaces, slashes or `per`: `apples`, `km/h`, `square feet`, `cm^2`. */
const UNITS = new RegExp(String.raw`^(?:\s?-?\s?(?:${CURRENCY})|(?:[ \-/·]|, )?${UNIT_WORD}){0,6}$`, 'iu');
/** Words behind a number that make it another one, or no single one. */
export const NO_UNIT =
  /^(?:or|nor|tens|mil|mio|bil|squared|cubed|factorial|plus|minus|a?r?c?(?:sin|cos|tan|cot|csc)h?|log|ln|exp|mod|sqrt|infinity)$/i;
/** `1 half`, `2 thirds`, `1 third of it`, `5 and two thirds`: fractions in words, which are not read; `7 and up`, which is a range. */
export const FRACTION_WORDS =
  /^ ?-?(?:half|halves|(?:third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|hundredth|thousandth|millionth|billionth)(?:s\b| of\b|$))|\band (?:an? |one |two |three |four |five |half|quarter)|\band (?:up|upwards?|above|over|beyond|below|under|more|higher|lower)$/i;
/** Letters that stand for a number: `2xy`, `5n`, `2/3 of x`. Letters of units (m, g, L, s, h, A, V, W, N, J, K, C, F) are none. */
export const VARIABLE =
  /^(?:[abcdeijknopqrtuvwxyzBDEGHIMOPQRSTUXYZ]|[abc]{2,3}|[xyz]{2,3}|ABC?|BC|CD|XYZ?|pi|mn|pqr?|qr|rs|uv|[nkr][xyk]|\p{Script=Greek}{1,3})$/u;
/** `1 000`, `12 345`: plain spaces between thousands, read where a text starts with them as its answer. */
const SPACED_THOUSANDS = /^([-+$€£¥₹ ]{0,4}\d{1,3})((?: \d{3}){1,100})(?![\d/:^-]| ?[x×*+/=])/;
/** `3:4`, `2,2,4`: digits that are no single number. */
export const LIST = /^\(?-?[\d.]+(?:[:,]-?[\d.]+)+\)?$/;

/** `- $5 apples` -> sign and where the digits end; null where no number starts the text. */
export function leadingNumber(text: string): NumberAt | null {
  const sign = SIGNED.exec(text);
  if (sign === null) return null;
  const number = numberAt(text, sign[0].length);
  if (number === null) return null;
  const minus = /^(?:-|minus|negative)/i.test(sign[1] ?? '') !== (sign[2] === '-');
  return { ...number, value: minus && number.value !== null ? negate(number.value) : number.value };
}

/** Matching outer brackets, quotes, math dollars and closing punctuation are no part of an answer; a factorial is. */
export function strip(text: string): string {
  let out = text.trim();
  for (let round = 0; round < 4; round++) {
    out = out
      .replace(/^(?:[*_"“'‘,;:]|\.(?!\d)|--)+/, '')
      .replace(/[*_"”’.,;:?]+$/, '')
      .trim();
    if (/^\$[^$]*\$$/.test(out)) out = out.slice(1, -1).trim();
    if (/^(?:\([^()]*\)|\[[^[\]]*\]|\{[^{}]*\})$/.test(out) && wholeNumber(out.slice(1, -1)))
      out = out.slice(1, -1).trim();
  }
  return out;
}

/** Without words before the number, its thousands joined. */
export function leadless(text: string): string {
  let out = text;
  for (let round = 0; round < 3; round++) out = out.replace(LEAD, '');
  return out.replace(SPACED_THOUSANDS, (_all, first: string, rest: string) => first + rest.replaceAll(' ', ','));
}

/** What may stand behind a number and leave it as it is. */
function isUnit(rest: string): boolean {
  if (!UNITS.test(rest) || FRACTION_WORDS.test(rest)) return false;
  const words = rest.match(/[\p{L}'’]+(?:-[\p{L}'’]+)*/gu) ?? [];
  return words.every((word, i) => {
    if (NO_UNIT.test(word)) return false;
    const isArticle = word === 'a' && i < words.length - 1;
    return isArticle || !word.split('-').every((part) => VARIABLE.test(part));
  });
}

/** A number with at most a unit behind it and nothing else; null otherwise. `text` is plain and stripped. */
export function wholeNumber(text: string): Answer | null {
  const negated = /^- ?\(([^()]*)\)$/.exec(text)?.[1];
  if (negated !== undefined) {
    const inside = wholeNumber(negated.trim());
    return inside?.kind === 'number' ? { ...inside, value: negate(inside.value) } : null;
  }
  const lead = leadless(text);
  const number = leadingNumber(lead);
  if (number === null || number.value === null) return null;
  const rest = lead
    .slice(number.end)
    .replace(/[{}]/g, '')
    .replace(/\s+/g, ' ')
    .replace(/ \([^()\d]{1,60}\)$/, '')
    .replace(/\$$/, '')
    .trimEnd();
  return isUnit(rest) ? { kind: 'number', value: number.value, percent: number.percent } : null;
}

/** Spellings of one text: without braces and spaces around signs, a product's sign left out where a reader leaves it out. */
export function textAnswer(text: string): Answer | null {
  const lower = tidied(text.toLowerCase());
  // `2.5 M` must not turn into the length `2.5 m`.
  const tidy = wholeNumber(lower) === null ? lower : tidied(text);
  return tidy === '' ? null : { kind: 'text', text: tidy };
}

function tidied(text: string): string {
  return leadless(text)
    .replace(/[{}$]|\\(?![A-Za-z])/g, '')
    .replace(/\bsqrt(?=[\d(])/g, '√')
    .replace(/\binfinity\b/g, '∞')
    .replace(/\bpi\b/g, 'π')
    .replace(/\s+/g, ' ')
    .replace(/(\d) ([ap])\.?m\b/g, '$1$2m')
    .replace(/ ?([^\p{L}\p{N} ]) ?/gu, '$1')
    .replace(/([√∛])\((\d{1,30}|\p{L})\)/gu, '$1$2')
    .replace(/(?<![\p{L}\d)])\(([√∛]?(?:\d{1,30}|\p{L}))\)(?=\/)|(?<=\/)\(([√∛]?(?:\d{1,30}|\p{L}))\)/gu, '$1$2')
    .replace(/(?<=[\d)])[·*×](?=[√∛(\p{L}])/gu, '')
    .trim()
    .replace(/^\((\p{L})\)$/u, '$1');
}

/** A given answer (a reference, or what was extracted before) as a whole: a number with its unit, else text; null where it is empty. */
export function parseAnswer(text: string): Answer | null {
  const plain = strip(plainText(text));
  return wholeNumber(plain) ?? textAnswer(plain);
}

/** The canonical text of an answer: `29`, `-0.5`, `1/3`, `50%`, `3:4`. `parseAnswer` reads it back unchanged. */
export function answerText(answer: Answer): string {
  return answer.kind === 'text' ? answer.text : rationalText(answer.value) + (answer.percent ? '%' : '');
}

function sameParsed(a: Answer, b: Answer): boolean {
  if (a.kind === 'text' || b.kind === 'text') return a.kind === 'text' && b.kind === 'text' && a.text === b.text;
  if (equal(a.value, b.value)) return true;
  if (a.percent === b.percent) return false;
  const [share, other] = a.percent ? [a.value, b.value] : [b.value, a.value];
  const hundredth = rational(share.num, share.den * 100n);
  return hundredth !== null && equal(hundredth, other);
}

/**
 * True where two answers are equal: numbers exactly (`$29.00` = 29, `1/2` = 0.5, `1,000` = 1000, but `1/3` is not 0.333 and 12 is not
 * `12 1/2`), other answers as normalised text. A percent sign on one side only matches the number before it or its hundredth
 * (`50%` = 50 and `50%` = 0.5), as math graders do: references write either.
 */
export function sameAnswer(a: string, b: string): boolean {
  const [left, right] = [parseAnswer(a), parseAnswer(b)];
  return left !== null && right !== null && sameParsed(left, right);
}
