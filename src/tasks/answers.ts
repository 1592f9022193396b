// A completion -> the answer it states, and whether two answers are the same. Leaves arithmetic inside a solution to equations.ts; never evaluates text.
import { numberAt, plainText } from './number-text.ts';
import { equal, negate, type Rational, rational, rationalText } from './rational.ts';

/**
 * A parsed answer. Numbers are exact. Text is what is no single number (`3:4`, `10:30`, `2,2,4`, `5√5`): lower case, without spaces around
 * punctuation, without markup.
 */
export type Answer =
  | { readonly kind: 'number'; readonly value: Rational; readonly percent: boolean }
  | { readonly kind: 'text'; readonly text: string };

/** `explicit`: the text says that this is its answer (boxed, `####`, "the answer is"); else it is merely the last number in it. */
export interface FoundAnswer {
  readonly answer: Answer;
  readonly explicit: boolean;
}

/** No answer is longer: text after a marker, or inside a box, is read up to here. */
const MAX_CHARACTERS = 1000;
/** Of each kind of marker only the last ones are tried. */
const MAX_MARKERS = 20;

const CURRENCY = String.raw`[$€£¥₹]|US ?\$|USD|EUR|GBP|Rs\.?(?= ?\d)`;
const LEAD =
  /^(?:(?:approximately|approx\.?|about|around|roughly|exactly|only|just|equals?|a total of|≈|~|:|=)\s?|\(?[A-E][).:] |[A-Za-z] ?= ?(?!=))/i;
const SIGNED = new RegExp(
  String.raw`^(?:${CURRENCY})? ?(minus |negative |[-+] ?)?(?:${CURRENCY})? ?([-+])?(?=\.?\d)`,
  'i',
);
const UNIT_WORD = String.raw`(?:\p{L}[\p{L}'’.\-]{0,30}|[°'"″′])(?:\^?\{?[23²³]\}?)?`;
/** Up to six words of unit, joined by spaces, slashes or `per`: `apples`, `km/h`, `square feet`, `cm^2`. */
const UNITS = new RegExp(String.raw`^(?:\s?-?\s?(?:${CURRENCY})|(?:[ \-/]|, )?${UNIT_WORD}){0,6}$`, 'iu');
const AFTER_EXPRESSION = /^(?:\(|(?: ?\p{L}{1,20}){0,3} ?(?:[=+*/×÷·^√π\\!]|- ?(?=[\d$.(])|x(?= ?\d)))/u;
/** `1 000`, `12 345`: plain spaces between thousands, read where a text starts with them as its answer. */
const SPACED_THOUSANDS = /^([-+$€£¥₹ ]{0,4}\d{1,3})((?: \d{3}){1,100})(?![\d/:^-]| ?[x×*+/=])/;
/** `3:4`, `2,2,4`: digits that are no single number. */
const LIST = /^\(?-?[\d.]+(?:[:,]-?[\d.]+)+\)?$/;

/** `- $5 apples` -> sign and where the digits begin; null where no number starts the text. */
function leadingNumber(text: string): { value: Rational | null; text: string; end: number; percent: boolean } | null {
  const sign = SIGNED.exec(text);
  if (sign === null) return null;
  const number = numberAt(text, sign[0].length);
  if (number === null) return null;
  const minus = /^(?:-|minus|negative)/i.test(sign[1] ?? '') !== (sign[2] === '-');
  return { ...number, value: minus && number.value !== null ? negate(number.value) : number.value };
}

/** Matching outer brackets, quotes, math dollars and closing punctuation are no part of an answer. */
function strip(text: string): string {
  let out = text.trim();
  for (let round = 0; round < 4; round++) {
    out = out
      .replace(/^(?:[*_"“'‘,;:]|\.(?!\d)|--)+/, '')
      .replace(/[*_"”’.,;:!?]+$/, '')
      .trim();
    if (/^\$[^$]*\$$/.test(out)) out = out.slice(1, -1).trim();
    if (/^(?:\([^()]*\)|\[[^[\]]*\])$/.test(out) && wholeNumber(out.slice(1, -1))) out = out.slice(1, -1).trim();
  }
  return out;
}

/** Without words before the number, its thousands joined. */
function leadless(text: string): string {
  let out = text;
  for (let round = 0; round < 3; round++) out = out.replace(LEAD, '');
  return out.replace(SPACED_THOUSANDS, (_all, first: string, rest: string) => first + rest.replaceAll(' ', ','));
}

/** A number with at most a unit behind it and nothing else; null otherwise. `text` is plain and stripped. */
function wholeNumber(text: string): Answer | null {
  const number = leadingNumber(leadless(text));
  if (number === null || number.value === null) return null;
  const rest = leadless(text)
    .slice(number.end)
    .replace(/[{}]/g, '')
    .replace(/\s+/g, ' ')
    .replace(/ \([^()\d]{1,60}\)$/, '')
    .replace(/\$$/, '')
    .trimEnd();
  if (/^[xyzn](?![\p{L}])|^[\p{L}]?[√π\\]/u.test(rest) || !UNITS.test(rest)) return null;
  return { kind: 'number', value: number.value, percent: number.percent };
}

function textAnswer(text: string): Answer | null {
  const tidy = leadless(text)
    .toLowerCase()
    .replace(/[{}$\\]/g, '')
    .replace(/\s+/g, ' ')
    .replace(/(\d) ([ap])\.?m\b/g, '$1$2m')
    .replace(/ ?([^\p{L}\p{N} ]) ?/gu, '$1')
    .trim()
    .replace(/^\((\p{L})\)$/u, '$1');
  return tidy === '' ? null : { kind: 'text', text: tidy };
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

/** Up to the end of the sentence, or a dash that is no minus; a point between digits or in an abbreviation does not end it. */
function sentence(text: string): string {
  const end = /(?<!\b(?:\p{L}|Rs))[.!?;](?=\s|$)|\n|(?<=\S) ?--| (?:because|since|as there|so that)\b/u.exec(text);
  return end === null ? text : text.slice(0, end.index);
}

/** The last number of a plain text, with its sign; null where there is none. Linear: each digit is read a bounded number of times. */
function lastNumber(text: string): Answer | null {
  let last: { answer: Answer } | null = null;
  const digit = /\.?\d/g;
  for (let match = digit.exec(text); match !== null; match = digit.exec(text)) {
    const number = numberAt(text, match.index);
    if (number === null) continue;
    digit.lastIndex = Math.max(number.end, match.index + 1);
    if (number.value === null) {
      const asText = textAnswer(number.text);
      if (asText !== null) last = { answer: asText };
      continue;
    }
    const value = isNegative(text, match.index) ? negate(number.value) : number.value;
    last = { answer: { kind: 'number', value, percent: number.percent } };
  }
  return last?.answer ?? null;
}

/** A minus right before the number (currency between) is a sign, unless it subtracts (`48 -24`) or joins words (`top-5`). */
function isNegative(text: string, at: number): boolean {
  const before = text.slice(Math.max(0, at - 12), at).replace(/[$€£¥₹] ?$/, '');
  if (/[=:(] ?- $/.test(before)) return true;
  if (!before.endsWith('-')) return false;
  const left = before.slice(0, -1);
  if (left === '') return true;
  if (left.endsWith('-')) return false;
  return /\s$/.test(left) ? !/[\d)%]$/.test(left.trimEnd()) : /[([{=:,*/+<>×÷$]$/.test(left);
}

/** What a sentence such as `that he has 3+4 = 7 apples left` states; null where it names no number. */
function statedNumber(clause: string, depth = 0): Answer | null {
  const text = strip(clause);
  const whole = wholeNumber(text);
  if (whole !== null) return whole;
  const list = textAnswer(text);
  if (list?.kind === 'text' && LIST.test(list.text)) return list;
  const equals = text.lastIndexOf('=');
  const right = equals < 0 || depth > 0 ? null : statedNumber(text.slice(equals + 1), depth + 1);
  const lead = leadless(text);
  const number = leadingNumber(lead);
  if (number === null)
    return right ?? (/\s/.test(text.replace(/, /g, ',')) ? lastNumber(text) : lastNumber(text) && textAnswer(text));
  const isExpression = AFTER_EXPRESSION.test(lead.slice(number.end));
  if (isExpression) return right;
  // `3 (2+1) = 9` is a product, `3 (2 blue and 1 white)` a number with its parts.
  if (right !== null && lead.startsWith(' (', number.end)) return right;
  if (number.value === null)
    return textAnswer(lead.slice(0, number.end) + (/^ ?[ap]\.?m\b/i.exec(lead.slice(number.end))?.[0] ?? ''));
  return { kind: 'number', value: number.value, percent: number.percent };
}

/** Contents of the last complete \boxed{...}, or \fbox{...}; an outer box wins over those inside it. One pass, no recursion. */
function lastBoxed(text: string): string | null {
  const opens: { at: number; boxed: boolean }[] = [];
  let found: { start: number; end: number } | null = null;
  const brace = /\\(?:boxed|fbox) ?\{|\\[{}]|[{}]/g;
  for (let match = brace.exec(text); match !== null; match = brace.exec(text)) {
    if (match[0] === '}') {
      const open = opens.pop();
      if (open?.boxed) found = { start: open.at, end: match.index };
    } else if (match[0].endsWith('{') && match[0] !== '\\{') {
      opens.push({ at: match.index + match[0].length, boxed: match[0].length > 1 });
    }
  }
  return found === null || found.end - found.start > MAX_CHARACTERS ? null : text.slice(found.start, found.end);
}

/** Rest of the line from `at`, or the next line where that is empty; plain. */
function segmentAt(text: string, at: number): string {
  const piece = text.slice(at, at + MAX_CHARACTERS);
  const lineEnd = piece.indexOf('\n');
  const line = lineEnd < 0 ? piece : piece.slice(0, lineEnd);
  if (strip(plainText(line)) !== '' || lineEnd < 0) return plainText(line).trim();
  const next = plainText(
    piece
      .slice(lineEnd + 1)
      .trimStart()
      .split('\n', 1)[0] ?? '',
  );
  return wholeNumber(strip(next)) === null ? '' : next.trim();
}

/** The last MAX_MARKERS matches of a global pattern, last first. */
function lastMatches(text: string, pattern: RegExp): RegExpExecArray[] {
  const matches: RegExpExecArray[] = [];
  for (const match of text.matchAll(pattern)) {
    matches.push(match);
    if (matches.length > MAX_MARKERS) matches.shift();
  }
  return matches.reverse();
}

const HASHES = /####+/g;
/** A Markdown heading such as `#### 2. Add them` is no answer. */
const HEADING = /^\(?\d{1,3}[.):] ?\p{L}/u;
const MARKER =
  /\banswers?[*_"]{0,3}(?: (?:to|of|for|in)\b[^.\n:=]{0,80}?)?[*_" ]{0,4}(?: (?:is|was|are|will be|would be|should be|must be|equals)\b|(:|=))[*_" ]{0,4}[:=]?/gi;

/** `The answer was wrong` judges an answer and states none. */
const VERDICT = /^\s*(?:not |also |still )?(?:right|wrong|correct|incorrect|unknown|unclear)\b/i;

interface Stated {
  readonly number: Answer | null;
  readonly text: Answer | null;
}

/** What the `####` lines state, last first. */
function hashed(text: string): Stated[] {
  return lastMatches(text, HASHES).map(({ index, 0: marks }) => {
    const segment = segmentAt(text, index + marks.length);
    if (HEADING.test(segment) || /answer/i.test(segment)) return { number: null, text: null };
    const number = leadingNumber(leadless(strip(segment))) === null ? null : statedNumber(sentence(segment));
    return { number, text: /\s/.test(strip(segment)) ? null : parseAnswer(segment) };
  });
}

/** What the "the answer is" sentences state, last first. `Answer: ...` counts only where the answer stands alone: a solution may follow it. */
function declared(text: string): Stated[] {
  return lastMatches(text, MARKER).map((match) => {
    const segment = segmentAt(text, match.index + match[0].length);
    const clause = sentence(segment);
    const words = strip(clause).split(/\s+/).length;
    if (match[1] !== undefined) {
      const whole = wholeNumber(strip(segment)) ?? wholeNumber(strip(clause));
      const parsed = parseAnswer(clause);
      const isAlone = words === 1 || (parsed?.kind === 'text' && LIST.test(parsed.text));
      return { number: whole, text: isAlone ? parsed : null };
    }
    return { number: statedNumber(clause), text: words <= 6 && !VERDICT.test(clause) ? parseAnswer(clause) : null };
  });
}

/**
 * The answer that a completion states, by the first of these that is there: the last \boxed{...}; the last `#### x`; the last "the answer
 * is x" (numbers first, then texts); else the last number in the text, as lm-evaluation-harness's flexible-extract does (`explicit: false`).
 * Number words ("twelve") are not read. null: no answer. Linear time.
 */
export function findAnswer(text: string): FoundAnswer | null {
  const box = lastBoxed(text);
  if (box !== null) {
    const answer = statedBox(box);
    if (answer !== null) return { answer, explicit: true };
  }
  const stated = [...hashed(text), ...declared(text)];
  const said =
    stated.find(({ number }) => number !== null)?.number ?? stated.find((one) => one.text !== null)?.text ?? null;
  if (said !== null) return { answer: said, explicit: true };
  const last = lastNumber(tail(text));
  return last === null ? null : { answer: last, explicit: false };
}

/** A box holds the answer and nothing else, perhaps as an equation. */
function statedBox(box: string): Answer | null {
  const plain = strip(plainText(box));
  const whole = wholeNumber(plain);
  if (whole !== null) return whole;
  const equals = plain.lastIndexOf('=');
  return (equals < 0 ? null : wholeNumber(strip(plain.slice(equals + 1)))) ?? parseAnswer(box);
}

/** The part of the text that ends with its last digit (and unit or percent sign), short enough to read again. */
function tail(text: string): string {
  let end = text.length - 1;
  while (end >= 0 && !/[\d\uFF10-\uFF19¼-¾⅐-⅞]/.test(text.charAt(end))) end -= 1;
  return plainText(text.slice(Math.max(0, end + 1 - MAX_CHARACTERS), end + 24));
}

/** The canonical text of the answer that `text` states, as `findAnswer` says; null: none. */
export function extractAnswer(text: string): string | null {
  const found = findAnswer(text);
  return found === null ? null : answerText(found.answer);
}

/** The answer of a reference: what follows a GSM8K solution's `####` (or another explicit marker), else the whole text; null: empty. */
export function referenceAnswer(reference: string): string | null {
  const found = /####|\\boxed|answer/i.test(reference) ? findAnswer(reference) : null;
  const answer = found?.explicit ? found.answer : parseAnswer(reference);
  return answer === null ? null : answerText(answer);
}
