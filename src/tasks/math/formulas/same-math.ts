// Two answers -> whether they are the same: exact numbers, structures part by part.
import { parseAnswer, sameAnswer } from '../answer-values.ts';
import {
  asInterval,
  type MathAnswer,
  parseMath,
  type Relation,
  reversed,
  type Sign,
  withoutName,
} from './answer-tree.ts';
import { bareText, cleanLatex } from './clean-latex.ts';

/** Decides about expressions: `ratio` is the sign of the constant `a / b`, 0 where there is none. */
export interface ExpressionTests {
  equal(a: string, b: string): boolean;
  ratio(a: string, b: string): -1 | 0 | 1;
}

/** Longer answers are compared as texts. */
const MAX_CHARACTERS = 1000;
/** Parts that are compared with each other, at most: lists in any order take the square of their length. */
const MAX_COMPARISONS = 400;

/** True where `given` is the answer `wanted`. Both are LaTeX or plain text. */
export function sameMath(wanted: string, given: string, tests: ExpressionTests): boolean {
  if (wanted.length > MAX_CHARACTERS || given.length > MAX_CHARACTERS)
    return wanted.trim() === given.trim() && wanted.trim() !== '';
  const [a, b] = [cleanLatex(wanted), cleanLatex(given)];
  if (a === '' || b === '') return false;
  if (isDeep(a) || isDeep(b)) return bareText(a) === bareText(b);
  const [x, y] = [withPoint(a), withPoint(b)];
  if ((x !== a || y !== b) && isNumber(x) && isNumber(y)) return sameAnswer(x, y);
  return new Comparison(tests).same(parseMath(a), parseMath(b));
}

/** The library takes twice the time for each further bracket. */
const MAX_BRACKETS = 10;
const MAX_BRACES = 40;

function isDeep(latex: string): boolean {
  let [brackets, braces] = [0, 0];
  for (const sign of latex.match(/\\?[{}]|[()[\]]/g) ?? []) {
    const step = /[{([]/.test(sign) ? 1 : -1;
    if (sign === '{' || sign === '}') braces += step;
    else brackets += step;
    if (brackets > MAX_BRACKETS || braces > MAX_BRACES) return true;
  }
  return false;
}

class Comparison {
  readonly #tests: ExpressionTests;
  #count = 0;

  constructor(tests: ExpressionTests) {
    this.#tests = tests;
  }

  same(a: MathAnswer, b: MathAnswer): boolean {
    this.#count += 1;
    if (this.#count > MAX_COMPARISONS) return false;
    if (a.kind === 'named' || b.kind === 'named') return this.#sameNamed(a, b);
    if (a.kind === 'expression' && b.kind === 'expression') return this.#sameExpression(a.text, b.text);
    if (a.kind === 'words' || b.kind === 'words') return sameWords(a, b);
    if (a.kind === 'relation' && b.kind === 'relation' && this.#sameRelation(a, b)) return true;
    if ((a.kind === 'list' || a.kind === 'set') && (b.kind === 'list' || b.kind === 'set'))
      return this.#sameLists(distinct(a), distinct(b));
    if (a.kind === 'tuple' && b.kind === 'tuple') return this.#inOrder(a.items, b.items);
    if (a.kind === 'matrix' && b.kind === 'matrix') return this.#sameMatrix(a.rows, b.rows);
    if (a.kind === 'union' && b.kind === 'union') return this.#inAnyOrder(a.parts, b.parts);
    const [left, right] = [asInterval(a), asInterval(b)];
    if (left?.kind !== 'interval' || right?.kind !== 'interval') return false;
    if (left.open[0] !== right.open[0] || left.open[1] !== right.open[1]) return false;
    return this.#inOrder(left.ends, right.ends);
  }

  /** A name says nothing more where the other side has none; two names must be one. An equation may be the same in another form. */
  #sameNamed(a: MathAnswer, b: MathAnswer): boolean {
    if (a.kind === 'named' && b.kind === 'named') {
      if (a.name === b.name) return this.same(a.value, b.value);
      return this.#sameRelation(asRelation(a), asRelation(b));
    }
    if (a.kind === 'relation' || b.kind === 'relation') {
      return a.kind === 'words' || b.kind === 'words' ? false : this.#sameRelation(asRelation(a), asRelation(b));
    }
    return this.same(withoutName(a), withoutName(b));
  }

  #sameLists(a: readonly MathAnswer[], b: readonly MathAnswer[]): boolean {
    if (a.length !== b.length) return false;
    const named = [a, b].map((items) => items.filter(({ kind }) => kind === 'named').length);
    // Names on one side only: which value is whose is known by the order alone.
    const isOrdered = Math.max(...(named as [number, number])) > 1 && Math.min(...(named as [number, number])) === 0;
    return isOrdered ? this.#inOrder(a, b) : this.#inAnyOrder(a, b);
  }

  #inOrder(a: readonly MathAnswer[], b: readonly MathAnswer[]): boolean {
    return a.length === b.length && a.every((one, i) => this.same(one, b[i]!));
  }

  /** Each of `a` has one of `b` to itself. */
  #inAnyOrder(a: readonly MathAnswer[], b: readonly MathAnswer[]): boolean {
    if (a.length !== b.length) return false;
    const left = [...b];
    return a.every((one) => {
      const found = left.findIndex((other) => this.same(one, other));
      if (found >= 0) left.splice(found, 1);
      return found >= 0;
    });
  }

  #sameMatrix(a: readonly (readonly MathAnswer[])[], b: readonly (readonly MathAnswer[])[]): boolean {
    return a.length === b.length && a.every((row, i) => this.#inOrder(row, b[i]!));
  }

  /** `l < r` is `l - r < 0`: two of them are one where the differences are so but for a positive factor; equations but for any. */
  #sameRelation(a: Relation, b: Relation): boolean {
    if (a.signs.length !== b.signs.length) return false;
    if (bareText(a.sides.join('|')) === bareText(b.sides.join('|')) && a.signs.join() === b.signs.join()) return true;
    if (a.signs.length > 1) return this.#sameChain(a, b);
    const [x, y] = [a.signs[0]!, b.signs[0]!];
    const isLoose = (sign: Sign): boolean => sign === '=' || sign === '\\ne';
    if (isLoose(x) || isLoose(y)) return x === y && this.#tests.ratio(difference(a), difference(b)) !== 0;
    if (isStrict(x) !== isStrict(y) || direction(x) === 0 || direction(y) === 0) return false;
    return this.#tests.ratio(difference(a), difference(b)) === direction(x) * direction(y);
  }

  #sameChain(a: Relation, b: Relation): boolean {
    const turned = direction(a.signs[0]!) === direction(b.signs[0]!) ? b : reversed(b);
    const isSameChain = a.signs.every((sign, i) => sign === turned.signs[i]);
    return isSameChain && a.sides.every((side, i) => this.#sameExpression(side, turned.sides[i]!));
  }

  #sameExpression(a: string, b: string): boolean {
    if (a === '' || b === '') return false;
    const [{ number: x, unit }, { number: y, unit: other }] = [withoutUnit(a), withoutUnit(b)];
    if (unit !== '' && other !== '' && unit !== other) return false;
    if (isNumber(x) && isNumber(y)) return sameAnswer(x, y);
    if (bareText(x) === bareText(y)) return true;
    if (isInfinite(x) || isInfinite(y)) return bareText(x) === bareText(y);
    if (TEXT_ONLY.test(x) || TEXT_ONLY.test(y)) return false;
    const [p, q] = [x, y].map((one) => one.replace(/ ?\\?%$/, ''));
    if (p !== x || q !== y) return p !== x && q !== y && this.#tests.equal(p!, q!);
    return this.#tests.equal(withoutDegrees(x, y), withoutDegrees(y, x));
  }
}

/** Solutions are a set: what is there twice counts once, except for plain values side by side. */
function distinct(answer: Extract<MathAnswer, { kind: 'list' | 'set' }>): readonly MathAnswer[] {
  const isSet = answer.kind === 'set' || answer.items.every(({ kind }) => kind === 'tuple');
  if (!isSet) return answer.items;
  const seen = new Map(answer.items.map((item) => [bareText(JSON.stringify(item)), item]));
  return [...seen.values()];
}

/** `1,22` and `1000,99` are decimals to many; `1,000` is not. */
function withPoint(text: string): string {
  return /^-?(?:\d+,\d{1,2}|\d{4,},\d+|0,\d+|\d+,\d{4,})$/.test(text) ? text.replace(',', '.') : text;
}

function asRelation(answer: MathAnswer): Relation {
  if (answer.kind === 'relation') return answer;
  if (answer.kind === 'named') return { kind: 'relation', sides: answer.sides, signs: ['='] };
  return { kind: 'relation', sides: [], signs: [] };
}

const difference = ({ sides: [a = '', b = ''] }: Relation): string => `(${a})-(${b})`;
const isStrict = (sign: Sign): boolean => sign === '<' || sign === '>';
const direction = (sign: Sign): -1 | 0 | 1 =>
  sign === '<' || sign === '\\le' ? -1 : sign === '>' || sign === '\\ge' ? 1 : 0;

function sameWords(a: MathAnswer, b: MathAnswer): boolean {
  const text = (one: MathAnswer): string | null =>
    one.kind === 'words' ? one.text : one.kind === 'expression' ? bareText(one.text).toLowerCase() : null;
  const [x, y] = [text(a), text(b)];
  return x !== null && x !== '' && y !== null && x.replaceAll(' ', '') === y.replaceAll(' ', '');
}

/** Ratios, times, numbers in another base and texts are what they are written as. */
const TEXT_ONLY =
  /:|^\d+(?: +\d+)+$|\d ?_|\\text|\\%.|[?&]|\\(?:pmod|equiv|setminus|cap|mathbb|begin|overline(?! ?\{? ?\d)|vec|angle|triangle)/;
const isInfinite = (text: string): boolean => /\\infty/.test(text);

/** Digits with nothing but what belongs to one number. */
function isNumber(text: string): boolean {
  const bare = text.replace(/\\frac|\\times|\\cdot|\\%|\^ ?\\circ|[{}]/g, ' ');
  return /^[-+\d.,/ ^%]+$/.test(bare) && parseAnswer(text)?.kind === 'number';
}

/** `5\text{ cm}^2`, `5 miles`: a number and its unit. Bare words of a letter or two may be symbols, so only those that are units go. */
function withoutUnit(text: string): { number: string; unit: string } {
  const marked = /^(.*[\w})%]) ?\\text\{([^{}]*)\}((?: ?\^ ?\{?\d\}?)?)$/s.exec(text);
  if (marked !== null && isUnit(marked[2]! + marked[3]!)) {
    return { number: marked[1]!.trim(), unit: unitOf(marked[2]! + marked[3]!) };
  }
  const plain =
    /^(.*[\d}]) ?((?:cm|mm|km|kg|mph|ft|in|inch|mi|lb|oz|hr|min|sec)(?: ?\^ ?\{?[23]\}?)?|[a-z]{4,}(?:[ /-][a-z]+){0,4})$/s.exec(
      text,
    );
  const number = plain?.[1]?.trim() ?? '';
  const isMeasured = isNumber(number) && isUnit(plain?.[2] ?? '');
  return isMeasured ? { number, unit: unitOf(plain?.[2] ?? '') } : { number: text.trim(), unit: '' };
}

/** Words behind a number that leave it as it is: not `or more`, `tenths`, `and a half`, `feet 6 inches`. */
const isUnit = (words: string): boolean => /^[^\p{L}\d]*$/u.test(words) || sameAnswer(`7 ${words}`, '7');

/** Letters alone, in the singular. */
function unitOf(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9°]/g, '')
    .replace(/s$/, '');
}

/** Degrees mean something beside what has none only within an expression: an angle of `90` is `90^\circ`. */
function withoutDegrees(text: string, other: string): string {
  const bare = text.replace(/ ?\^ ?\{? ?\\circ ?\}? ?$/, '');
  const isWhole = bare !== text && !/\\circ|\\[a-z]*(?:sin|cos|tan|cot|sec|csc)/.test(bare);
  return isWhole && !/\\pi/.test(other) ? bare : text;
}
