// An answer in clean LaTeX -> its parts: expressions, words, lists, sets, intervals, matrices.
import { ROW } from './clean-latex.ts';

export type MathAnswer =
  | { readonly kind: 'expression'; readonly text: string }
  | { readonly kind: 'words'; readonly text: string }
  /** Values side by side, as `1, 2` or `x = 1 or x = 2`: an order only where names say so. */
  | { readonly kind: 'list'; readonly items: readonly MathAnswer[] }
  | { readonly kind: 'set'; readonly items: readonly MathAnswer[] }
  /** In round brackets; of two, also an open interval. */
  | { readonly kind: 'tuple'; readonly items: readonly MathAnswer[] }
  | {
      readonly kind: 'interval';
      readonly open: readonly [boolean, boolean];
      readonly ends: readonly [MathAnswer, MathAnswer];
    }
  | { readonly kind: 'union'; readonly parts: readonly MathAnswer[] }
  | { readonly kind: 'matrix'; readonly rows: readonly (readonly MathAnswer[])[] }
  /** `x = 5`, `f(2) = 5`: a value under a name. */
  | {
      readonly kind: 'named';
      readonly name: string;
      readonly value: MathAnswer;
      readonly sides: readonly [string, string];
    }
  /** Neighbouring sides with the sign between them. */
  | { readonly kind: 'relation'; readonly sides: readonly string[]; readonly signs: readonly Sign[] };

export type Relation = Extract<MathAnswer, { kind: 'relation' }>;
export type Sign = '=' | '<' | '>' | '\\le' | '\\ge' | '\\ne' | '\\approx' | '\\in';

/** Deeper than any answer; keeps hostile nests out. */
const MAX_DEPTH = 20;
const MAX_ITEMS = 100;

const SEPARATOR = /^(?:[,;]|(?:and|or)(?![a-z]))/;
const SIGN = /^(?:\\(?:le|ge|ne|approx|in)(?![a-zA-Z])|[=<>])/;
const CUP = /^\\cup(?![a-zA-Z])/;
const IMPLIES = /^\\(?:implies|Rightarrow|Longrightarrow|to|rightarrow|therefore|iff|Leftrightarrow)(?![a-zA-Z])/;
const MATRIX = /^\(?\[?\s*\\begin\{([pbB]?matrix|smallmatrix|array)\}(?:\{[^{}]*\})?(.*)\\end\{\1\}\s*\]?\)?$/s;
const CONSTANT_COMMANDS = /\\(?:frac|sqrt|cdot|times|div|pi|text\{[^{}]*\})/g;
const OPENERS = '([{';
const CLOSERS = ')]}';

interface Split {
  readonly parts: readonly string[];
  readonly signs: readonly string[];
}

/** Cuts where `separator` matches outside all brackets. */
function splitTop(text: string, separator: RegExp): Split {
  const parts: string[] = [];
  const signs: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const sign = depth === 0 ? separator.exec(text.slice(at, at + 20)) : null;
    const isWord = sign !== null && /[a-z]/.test(sign[0].charAt(0)) && /[a-zA-Z\\]/.test(text.charAt(at - 1));
    if (sign !== null && !isWord) {
      parts.push(text.slice(start, at));
      signs.push(sign[0]);
      at += sign[0].length - 1;
      start = at + 1;
    } else if (text.startsWith('\\begin{', at)) depth += 1;
    else if (text.startsWith('\\end{', at)) depth -= 1;
    else if (OPENERS.includes(text.charAt(at))) depth += 1;
    else if (CLOSERS.includes(text.charAt(at))) depth -= 1;
    else if (text.charAt(at) === '\\' && !/[{}a-zA-Z]/.test(text.charAt(at + 1))) at += 1;
  }
  return { parts: [...parts, text.slice(start)].map((part) => part.trim()), signs };
}

/** What stands between one pair of brackets around all of the text; null where there is no such pair. */
function bracketed(text: string): { open: string; close: string; inner: string } | null {
  const open = /^(?:\\\{|[([{])/.exec(text)?.[0];
  if (open === undefined) return null;
  let depth = 0;
  for (let at = open.length - 1; at < text.length; at++) {
    if (OPENERS.includes(text.charAt(at))) depth += 1;
    if (CLOSERS.includes(text.charAt(at))) depth -= 1;
    if (depth > 0) continue;
    if (at !== text.length - 1) return null;
    const close = text.charAt(at - 1) === '\\' ? '\\}' : text.charAt(at);
    return { open, close, inner: text.slice(open.length, text.length - close.length).trim() };
  }
  return null;
}

/** Clean LaTeX, read. Never throws: what is nothing else is an expression. */
export function parseMath(text: string, depth = 0): MathAnswer {
  const trimmed = text
    .trim()
    .replace(/^[,;]+|[,;]+$/g, '')
    .trim();
  if (depth > MAX_DEPTH) return { kind: 'expression', text: trimmed };
  const last = splitTop(trimmed, IMPLIES).parts.at(-1) ?? trimmed;
  if (last !== trimmed && last !== '') return parseMath(last, depth + 1);
  if (isWords(trimmed)) return { kind: 'words', text: wordsOf(trimmed) };
  return (
    listOf(trimmed, depth) ??
    relationOf(trimmed, depth) ??
    unionOf(trimmed, depth) ??
    matrixOf(trimmed, depth) ??
    groupOf(trimmed, depth) ??
    plusMinusOf(trimmed, depth) ?? { kind: 'expression', text: trimmed }
  );
}

/** Words and spaces alone, at least one of two letters that is no product of symbols in LaTeX. `DABC` is an order. */
function isWords(text: string): boolean {
  if (/^\\text\{[^{}]*[A-Za-z][^{}]*\}$|^[A-Z]{3,}$/.test(text)) return true;
  return (
    /^[A-Za-z]{2,}(?:[ '-]+[A-Za-z]+)*$/.test(text) &&
    /[aeiouy]/i.test(text) &&
    (/ /.test(text) || text.length > 3 || /^(?:yes|no|odd|all|one|two|red)$/i.test(text))
  );
}

function wordsOf(text: string): string {
  return text
    .replace(/\\text/g, '')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}

/** Values with commas, semicolons, `and` or `or` between them. Groups of a semicolon are tuples. */
function listOf(text: string, depth: number): MathAnswer | null {
  const { parts, signs } = splitTop(text, SEPARATOR);
  if (signs.length === 0 || isGroupedNumber(text)) return null;
  if (signs.includes(';') && signs.includes(',')) {
    const groups = splitTop(text, /^;/).parts.map((group) => parseMath(group, depth + 1));
    return {
      kind: 'list',
      items: groups.map((group) =>
        group.kind === 'list' ? { kind: 'tuple', items: group.items.map(withoutName) } : group,
      ),
    };
  }
  const items = parts
    .filter((part) => part !== '')
    .slice(0, MAX_ITEMS + 1)
    .map((part) => parseMath(part, depth + 1));
  if (items.length > MAX_ITEMS) return { kind: 'expression', text };
  if (items.length === 1) return items[0]!;
  // `x < 1 or x > 3`; points are no intervals.
  const isUnion = signs.every((sign) => sign === 'or') && items.some(({ kind }) => kind !== 'tuple');
  const intervals = isUnion ? items.map(asInterval) : [];
  if (intervals.length > 0 && intervals.every((one) => one !== null)) return { kind: 'union', parts: intervals };
  return { kind: 'list', items: inherited(items).flatMap((item) => (item.kind === 'list' ? item.items : [item])) };
}

/** `x = 1, 2`: the name holds for all of the values, and says nothing more. */
function inherited(items: readonly MathAnswer[]): readonly MathAnswer[] {
  const names = new Set(items.flatMap((item) => (item.kind === 'named' ? [item.name] : [])));
  const isOne = names.size === 1 && (items[0]?.kind === 'named' || items.every(({ kind }) => kind === 'named'));
  return isOne ? items.map(withoutName) : items;
}

export function withoutName(answer: MathAnswer): MathAnswer {
  return answer.kind === 'named' ? withoutName(answer.value) : answer;
}

const isGroupedNumber = (text: string): boolean => /^-?\d{1,3}(?:,\d{3})+(?:\.\d+)?(?: ?\\?%)?$/.test(text);

function relationOf(text: string, depth: number): MathAnswer | null {
  const { parts, signs } = splitTop(text, SIGN);
  if (signs.length === 0 || parts.length > 8) return null;
  const sides = parts as readonly [string, ...string[]];
  const isEquation = signs.every((sign) => sign === '=' || sign === '\\approx');
  if (sides.some((side) => side === '')) {
    // `= 5`, `\in [0, 1]`: the name is left out.
    return sides[0] === '' && signs.length === 1 && sides[1] !== '' && /^(?:=|\\approx|\\in)$/.test(signs[0]!)
      ? parseMath(sides[1]!, depth + 1)
      : { kind: 'expression', text };
  }
  if (signs.length === 1 && signs[0] === '\\in') return parseMath(sides[1]!, depth + 1);
  if (isEquation && isName(sides[0])) {
    const firstApprox = signs.indexOf('\\approx');
    const at = firstApprox <= 0 ? sides.length - 1 : firstApprox;
    const value = parseMath(sides[at]!, depth + 1);
    return { kind: 'named', name: nameOf(sides[0]), value, sides: [sides[0], sides[at]!] };
  }
  // `3 + 4 = 7` says what it comes to, as a chain does.
  const isArithmetic = sides.every((side) => !/[a-zA-Z]/.test(side.replace(CONSTANT_COMMANDS, '')));
  if (isEquation && sides.length === 2 && isName(sides[1]!) && !isName(sides[0])) {
    return relationOf(`${sides[1]} = ${sides[0]}`, depth);
  }
  if (isEquation && (sides.length > 2 || isArithmetic)) return parseMath(sides.at(-1)!, depth + 1);
  return { kind: 'relation', sides, signs: signs as Sign[] };
}

/** A symbol, a function of symbols, a length, a ratio of such, or words: what a value is given to. */
function isName(text: string): boolean {
  const letter = String.raw`(?:[A-Za-z]|\\(?!le|ge|ne|pi(?![a-z])|frac|sqrt|cdot|times|text)[a-zA-Z]+)`;
  const symbol = String.raw`\|?(?:\\(?:angle|triangle|overline|vec|mathbf|text|hat) ?)?\{?(?:[A-Z]{1,5}|${letter})\}?'?(?: ?_ ?(?:\{[^{}]*\}|\w))?'?(?: ?\([^()+\-*/^=]*\))?\|?`;
  const one = new RegExp(
    `^(?:${symbol}(?: ?: ?${symbol})*|\\( ?${symbol}(?: ?, ?${symbol})* ?\\)|\\\\frac ?\\{ ?[A-Z]{1,3} ?\\} ?\\{ ?[A-Z]{1,3} ?\\}|\\\\text\\{[^{}]*\\})$`,
  );
  return text.length < 60 && text !== 'e' && text !== 'i' && one.test(text);
}

/** `f(x)` and `f(n)` are one name: their values say what they are of. */
function nameOf(text: string): string {
  return text
    .replace(/\s+/g, '')
    .replace(/[{}]/g, '')
    .replace(/(?<=[A-Za-z])\([A-Za-z]\)$/, '()');
}

function unionOf(text: string, depth: number): MathAnswer | null {
  const { parts, signs } = splitTop(text, CUP);
  return signs.length === 0 ? null : { kind: 'union', parts: parts.map((part) => parseMath(part, depth + 1)) };
}

function matrixOf(text: string, depth: number): MathAnswer | null {
  const body = MATRIX.exec(text)?.[2];
  if (body === undefined || body.includes('\\begin')) return null;
  const rows = body
    .split(ROW)
    .map((row) => row.trim())
    .filter((row) => row !== '');
  if (rows.length === 0 || body.split('&').length > MAX_ITEMS) return null;
  return { kind: 'matrix', rows: rows.map((row) => row.split('&').map((cell) => parseMath(cell, depth + 1))) };
}

/** Sets, tuples, intervals; brackets around one thing mean nothing. */
function groupOf(text: string, depth: number): MathAnswer | null {
  const group = bracketed(text);
  if (group === null || group.inner === '') return null;
  const { open, close, inner } = group;
  const items = splitTop(inner, /^[,;]/).parts.map((part) => parseMath(part, depth + 1));
  if (items.length > MAX_ITEMS) return null;
  if (open === '\\{' || (open === '{' && items.length > 1))
    return close === '}' || close === '\\}' ? setOf(items) : null;
  if (open === '{') return parseMath(inner, depth + 1);
  const [first, second] = items;
  if (items.length === 1 && first !== undefined)
    return open === '(' && close === ')' && !isGroupedNumber(inner) ? parseMath(inner, depth + 1) : null;
  if (open === '(' && close === ')') return { kind: 'tuple', items };
  if (items.length !== 2 || first === undefined || second === undefined) return null;
  return { kind: 'interval', open: [open === '(', close === ')'], ends: [first, second] };
}

const setOf = (items: readonly MathAnswer[]): MathAnswer => ({
  kind: 'set',
  items: items.flatMap((item) => (item.kind === 'list' ? item.items : [item])),
});

/** `1 \pm \sqrt{2}` is two values; `\mp` takes the other sign. */
function plusMinusOf(text: string, depth: number): MathAnswer | null {
  if (!/\\[pm][mp](?![a-zA-Z])/.test(text) || /^(?!.*\\pm)/.test(text)) return null;
  const one = (plus: string, minus: string): string =>
    text
      .replace(/\\pm(?![a-zA-Z])/g, plus)
      .replace(/\\mp(?![a-zA-Z])/g, minus)
      .replace(/^\s*\+/, '');
  const items = [one('+', '-'), one('-', '+')].map((part) => parseMath(part, depth + 1));
  return { kind: 'list', items };
}

/** The same relation, read from right to left. */
export function reversed({ sides, signs }: Relation): Relation {
  const other: Readonly<Record<string, Sign>> = { '<': '>', '>': '<', '\\le': '\\ge', '\\ge': '\\le' };
  return { kind: 'relation', sides: [...sides].reverse(), signs: signs.map((sign) => other[sign] ?? sign).reverse() };
}

/** A relation of one symbol with numbers as an interval (`x < 3`, `0 \le x < 5`), an interval as itself; null: neither. */
export function asInterval(answer: MathAnswer): MathAnswer | null {
  if (answer.kind === 'interval') return answer;
  if (answer.kind === 'tuple' && answer.items.length === 2) {
    return { kind: 'interval', open: [true, true], ends: [answer.items[0]!, answer.items[1]!] };
  }
  if (answer.kind !== 'relation') return null;
  const { sides, signs } = answer;
  const [a, b, c] = sides;
  if (signs.every((sign) => sign === '>' || sign === '\\ge') && a !== undefined) {
    return asInterval(reversed(answer));
  }
  if (!signs.every((sign) => sign === '<' || sign === '\\le') || a === undefined || b === undefined) return null;
  const value = (text: string): MathAnswer => parseMath(text, 1);
  const infinite = (text: string): MathAnswer => ({ kind: 'expression', text });
  const isOpen = signs.map((sign) => sign === '<') as [boolean, boolean];
  if (c !== undefined && sides.length === 3 && isName(b)) {
    return { kind: 'interval', open: isOpen, ends: [value(a), value(c)] };
  }
  if (sides.length !== 2 || isName(a) === isName(b)) return null;
  return isName(a)
    ? { kind: 'interval', open: [true, isOpen[0]], ends: [infinite('-\\infty'), value(b)] }
    : { kind: 'interval', open: [isOpen[0], true], ends: [value(a), infinite('\\infty')] };
}
