// A sentence that states an answer (`he pays 29 dollars for 2 subs`) -> its one number, or text.

import { add, divide, negate, rational } from '../../arithmetic/rational.ts';
import {
  type Answer,
  FRACTION_WORDS,
  LIST,
  leadingNumber,
  leadless,
  NO_UNIT,
  strip,
  textAnswer,
  VARIABLE,
  wholeNumber,
} from './answer-values.ts';
import { type NumberAt, numberAt } from './number-text.ts';

/** Up to the end of the sentence, or a dash that is no minus; a point between digits or in an abbreviation does not end it. */
export function sentence(text: string): string {
  const end =
    /(?<!\b(?:\p{L}|Rs|approx|vs|No))[.!?;](?=\s|$)(?<!!(?=\s*[=+*/×-]))(?<!;(?=\s+(?:\p{L}\w{0,3} ?=|[-+$(]?\d)))|\n|(?<=\S) ?--|, as | (?:because|since|as there|so that|given that)\b/u.exec(
      text,
    );
  return end === null ? text : text.slice(0, end.index);
}

const NUMBER = String.raw`(?:about |maybe |perhaps |\p{L} ?= ?)?[-+±]?[$€£¥₹√(]?\.?\d`;
/** Behind a number: it is part of an expression. */
const EXPRESSION = new RegExp(
  String.raw`^(?:\(| \((?:mod|base)\b|(?: ?\p{L}{1,20}){0,3} ?(?:[=+*/×÷·^√∛π\\!_<>≤≥≠±∓→∈|…]|- ?(?=[\d$.(√]|\p{L}(?!\p{L}))|x(?= ?\d))| ?(?:plus|minus|times|divided by|multiplied by|over|mod|less than|more than) ${NUMBER}| ?of ${NUMBER}| ?(?:squared|cubed|factorial|to the power|raised)\b)`,
  'iu',
);
/** Behind a number: another one beside it, so that neither is the answer. */
const SECOND = new RegExp(
  String.raw`^[^.]{0,200}?\bor\b(?: (?:more|less|fewer|greater|higher|lower)\b|[^.]{0,60}?\d)|^ \d+(?![\d-])|^ in \d[\d,]*$|^ ?(?!(?:for|in|per|after|with|from|at|on|each|every|during|within|over|than|if|when|out|of|to)\b)(?:\p{L}{1,20}|['"″′°]) ?\d|^(?: [\p{L}°%]{1,20}){0,3} ?(?:[,;&]|\b(?:and|to|through|by|vs|out of))(?: (?:and|or))? ?${NUMBER}`,
  'iu',
);
const AND = /^(?: [\p{L}°%]{1,20}){0,6} and (?:[\p{L}']{1,20} ){0,4}[-$€£¥₹]?\.?\d/iu;
const CENTS = /^ ?(?:dollars?|euros?)?,? ?(?:and )?(\d{1,2}) ?(?:cents?|¢)\.?$/i;
/** Before a text's only numbers: they bound a range. */
const RANGE = /\b(?:between|either|neither|from)\b[^.]{0,80}?\d[^.]{0,80}?\b(?:and|or|to|nor)\b[^.]{0,40}?\d/i;

/** A variable that the number multiplies or is a share of, or a word such as `squared`. */
function hasVariable(rest: string): boolean {
  const word = /^ ?(?:(?:times|of|more than|less than) )?(\p{L}{1,20})(?![\p{L}'’]|-\p{L})/u.exec(rest)?.[1];
  if (word === 'a') return /^ ?a(?! ?\p{L})/u.test(rest);
  return word !== undefined && word !== 'I' && (VARIABLE.test(word) || NO_UNIT.test(word));
}

/** True where the number before `rest` is part of an expression or one of several. */
function isPart(rest: string): boolean {
  return (
    [EXPRESSION, SECOND, AND].some((pattern) => pattern.test(rest)) || FRACTION_WORDS.test(rest) || hasVariable(rest)
  );
}

/** `3 (2 blue, 1 white)`: what is in the brackets explains the number, unless it is `(or 4)`. */
const withoutNote = (rest: string): string => rest.replace(/^ \((?!(?:or|and|mod|base)\b)[^()]*\)/, '');

interface Found extends NumberAt {
  readonly start: number;
}

/** The numbers of a plain text, in order, with their signs. Linear: each digit is read a bounded number of times. */
export function numbersIn(text: string): Found[] {
  const found: Found[] = [];
  const digit = /\.?\d/g;
  for (let match = digit.exec(text); match !== null; match = digit.exec(text)) {
    const number = numberAt(text, match.index);
    if (number === null) continue;
    digit.lastIndex = Math.max(number.end, match.index + 1);
    const value = number.value !== null && isNegative(text, match.index) ? negate(number.value) : number.value;
    found.push({ ...number, start: match.index, value });
  }
  return found;
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

const OPERATOR_BEFORE =
  /(?:[\d)}%!\p{L}²³°] ?[+*/×÷·^]|[\d)%] ?- ?|(?<!\p{L})\p{L} ?-|[√∛±^_]|[<>≤≥≠]=?|(?<![\p{L}'’])\p{L}(?: over )?|\p{L}\(|\b(?:plus|minus|times|divided by|multiplied by|squared|cubed|mod|sqrt|log|ln|sin|cos|tan|exp) ) ?[({]?[$€£¥₹]? ?-?$/u;
const BESIDE_BEFORE =
  /\d(?: [\p{L}°%]{1,20}){0,2}(?:,? (?:or|and|to|nor)|,) ?(?:\p{L} ?= ?)?[$€£¥₹]?-?$|\bor (?:\p{L} ?= ?)?[$€£¥₹]?-?$|\d ?(?:feet|foot|ft|yards?|miles?|hours?|hrs?|h|minutes?|mins?|days?|weeks?|months?|years?|pounds?|lbs?|['′]) ?$/iu;

/** True for an operand of an expression, or one number of several beside each other: `10 - 2√5`, `5 or 6`, `x > 3`. */
export function isOperand(text: string, { start, end }: { readonly start: number; readonly end: number }): boolean {
  const before = text.slice(Math.max(0, start - 60), start);
  const after = text.slice(end, end + 30);
  return (
    OPERATOR_BEFORE.test(before) ||
    BESIDE_BEFORE.test(before) ||
    /^(?: ?[*/×÷·^](?= ?(?:[-\d$.({√π]|\p{L}(?!\p{L})))| ?[√∛π]| ?\+ ?[\d\p{L}(√$]| - ?[\d(√$]|-[\d(√])/u.test(after) ||
    hasVariable(after)
  );
}

/** A number behind one of these words measures something else: `29 dollars for 2 subs`. */
const GOVERNED =
  /(?:\b(?:in|after|for|(?<!total )of|per|with|from|over|within|by|at|on|during|every|each|than|among|between|using|before|until|when|if|step|option|question|part|day|week|year|month|number|problem|age|grade|room)\b(?: (?:the|a|an|all|these|those|his|her|their|its|each|every|first|last|next|another|only|about|same|other))*) ?[$€£¥₹(]?$/i;

/** `5 more than 2` is 7. */
const COMPARED = /\d (?:\p{L}{1,20} )?(?:more|less|fewer|greater|higher|lower) than (?:\p{L} ?= ?)?[$€£¥₹]?\.?\d/u;

/** A number behind one of these words is no answer: `half of 10`, `more than 5`. */
const OPERATED =
  /\b(?:half|thirds?|quarters?|fourths?|fifths?|twice|double|triple|thrice|root|cube|square|factorial|logarithm|log|reciprocal|inverse|multiples?|remainder|base|than|not|never|except|without|over|above|below|under|\w+n['’]t)\b(?: of)?(?: the)? ?[-$€£¥₹]?$/i;

/** True for the number at `start` behind such a word. */
export const isOperated = (text: string, start: number): boolean =>
  OPERATED.test(text.slice(Math.max(0, start - 60), start));

/** `0.5 or 1/2` says one number twice. */
function saidTwice(text: string): Answer | null {
  const [first, second, ...others] = numbersIn(text);
  if (first?.value == null || second?.value == null || others.length > 0) return null;
  const isSame = first.value.num === second.value.num && first.value.den === second.value.den && !first.percent;
  const isAlone = /^\(?[-+$€£¥₹]?[^\p{L}]* (?:or|i\.e\.|that is),? [^\p{L}]*$/u.test(text);
  return isSame && !second.percent && isAlone ? { kind: 'number', value: first.value, percent: false } : null;
}

/** What a sentence in words states: its only number, or its only one that no preposition takes; null where there are several. */
function numberOfProse(text: string): Answer | null {
  const noted = text.replace(/(?<=[\p{L}\d]) \([^()]{0,200}\)/gu, '');
  const prose = /\d/.test(noted) ? noted : text;
  const found = numbersIn(prose).filter(({ end }) => !/^(?:st|nd|rd|th)\b/.test(prose.slice(end, end + 3)));
  if (RANGE.test(prose) || COMPARED.test(prose) || found.some((one) => one.value === null || isOperand(prose, one)))
    return null;
  const free = found.filter(({ start }) => !GOVERNED.test(prose.slice(Math.max(0, start - 60), start)));
  if (!/\p{L}/u.test(prose.slice(0, found[0]?.start))) return null;
  const [first, ...others] = free.length > 0 ? free : found;
  if (first === undefined || first.value === null || isOperated(prose, first.start)) return null;
  const answer: Answer = { kind: 'number', value: first.value, percent: first.percent };
  const isOne = others.every(({ value }) => value?.num === first.value?.num && value?.den === first.value?.den);
  return isOne ? answer : null;
}

const FUNCTION = /\b(?:or|and|sin|cos|tan|cot|sec|csc|log|ln|exp|mod)\b/i;
/**
 * True for the words of a sentence, a name, or arithmetic with numbers and names: what stands left of an equals sign whose other side is the
 * answer. False for an equation to solve, such as `2x + 1`, `x^2` or `x = 3 or x`.
 */
function isDefined(side: string): boolean {
  const left = side.replace(/(?<=\p{L} ?)\([^()]*\)/gu, '').trim();
  if (
    FUNCTION.test(left) ||
    /[<>≤≥≠±∓√∛|;]|\d ?,(?!\d{3})|(?:\d|\d )\p{L}(?!\p{L})/u.test(left.replace(/\d ?x(?= ?[\d(])/g, ''))
  )
    return false;
  if (/^\p{L}(?:_\w{1,9}|')?$/u.test(left)) return true;
  // A letter that is no word is a variable: `x + 2`, `xy`. Capitals name points and segments.
  const letters = left.match(/(?<![\p{L}_'’])\p{L}{1,3}(?![\p{L}'’])/gu) ?? [];
  const isComputed = /[-+*/×÷·^]/.test(left.replace(/(?<=\p{L})-(?=\p{L})/gu, ''));
  return letters.every(
    (word) =>
      !VARIABLE.test(word) ||
      word === 'a' ||
      (!isComputed && /^\p{Lu}+$/u.test(word)) ||
      (word === 'x' && /\d ?x ?[\d(]/.test(left)),
  );
}

/** What stands right of the last equals sign, where what stands left of it names it or computes it; undefined without an equals sign. */
function rightSide(text: string): string | null | undefined {
  const sides = text.split('=');
  if (sides.length < 2) return undefined;
  return sides.slice(0, -1).every((side) => side.trim() !== '' && isDefined(side)) ? (sides.at(-1) ?? '') : null;
}

/** The exact answer of a text that is nothing but its answer, perhaps as an equation; else the text. null where it is empty. */
export function readExact(plain: string): Answer | null {
  const text = strip(plain);
  const right = rightSide(text);
  return wholeNumber(text) ?? (right ? wholeNumber(strip(right)) : null) ?? textAnswer(text);
}

/** What a sentence such as `that he has 3+4 = 7 apples left` states: one number, else its text. null where it is empty. */
export function readClause(clause: string, isRight = false): Answer | null {
  const text = strip(clause).replace(/!+$/, '');
  const whole = wholeNumber(text);
  if (whole !== null) return whole;
  const asText = textAnswer(text);
  if (asText?.kind === 'text' && LIST.test(asText.text)) return asText;
  const right = isRight ? undefined : rightSide(text);
  const ofRight = right ? readClause(right, true) : null;
  if (ofRight?.kind === 'number') return ofRight;
  const lead = leadless(text);
  const number = leadingNumber(lead);
  if (right !== undefined && !(number !== null && /^[^=]*[(:]/.test(lead.slice(number.end)))) return asText;
  if (number === null) return /[<>≤≥≠±∓]/.test(text) ? asText : (numberOfProse(text) ?? asText);
  const rest = lead.slice(number.end);
  const cents = CENTS.exec(rest)?.[1];
  if (number.value !== null && cents !== undefined) {
    const value = add(number.value, divide(rational(BigInt(cents))!, { num: 100n, den: 1n })!);
    return value === null ? asText : { kind: 'number', value, percent: false };
  }
  if (isPart(withoutNote(rest))) return saidTwice(lead) ?? asText;
  if (number.value === null) return textAnswer(lead.slice(0, number.end) + (/^ ?[ap]\.?m\b/i.exec(rest)?.[0] ?? ''));
  return { kind: 'number', value: number.value, percent: number.percent };
}

/** True for what names no single number: an expression, `5 or 6`, `between 3 and 4`. */
export function isAmbiguous(clause: string): boolean {
  const text = strip(clause);
  const lead = leadless(text);
  const number = leadingNumber(lead);
  if (/[<>≤≥≠±∓]/.test(text) || RANGE.test(text)) return true;
  if (number !== null) return isPart(withoutNote(lead.slice(number.end)));
  const [first] = numbersIn(text);
  return first !== undefined && !/\p{L}{2}/u.test(text.slice(0, first.start)) && isOperand(text, first);
}
