// A solution text -> its equations, and whether each holds in exact arithmetic.
import { plainText } from './plain-text.ts';
import { add, decimal, divide, equal, multiply, negate, type Rational, subtract } from './rational.ts';

interface CheckedEquation {
  /** Without spaces, currency and thousands separators; `*` and `/` as operators. */
  readonly equation: string;
  /** null: not an equation that can be read (no side missing, no unknown sign, not longer than 300 characters). A division by zero is false. */
  readonly holds: boolean | null;
}

/** One annotation and the text on its line around it. */
interface Annotation {
  readonly equation: string;
  readonly before: string;
  readonly after: string;
}

const ANNOTATION = /<<([^<>\n]{0,300})>>/g;
const MAX_DEPTH = 50;

/** The calculator annotations of a text, in order, each with the rest of its line before and after (other annotations left in). */
export function annotations(text: string): Annotation[] {
  return text.split('\n').flatMap((line) =>
    [...line.matchAll(ANNOTATION)].map((match) => ({
      equation: tidy(match[1] ?? ''),
      before: line.slice(Math.max(0, match.index - 300), match.index),
      after: line.slice(match.index + match[0].length, match.index + match[0].length + 100),
    })),
  );
}

/** Signs of one kind, no spaces, currency or thousands separators; mixed numbers as sums, other neighbouring numbers left unreadable. */
function tidy(equation: string): string {
  return equation
    .replace(/[×·]/g, '*')
    .replace(/÷/g, '/')
    .replace(/(\d) ?x ?(?=[\d(.])/g, '$1*')
    .replace(/(?<![\d./])(\d+) (\d+\/\d+)(?![\d./])/g, '($1+$2)')
    .replace(/(\d) (?=\d{3}(?!\d))/g, '$1')
    .replace(/(\d)\s+(?=[\d.])/g, '$1_')
    .replace(/(\d),(?=\d{3}(?!\d))/g, '$1')
    .replace(/[$€£¥₹\s]/g, '');
}

/** The equations of a text in order: those in annotations, or where there is none, those written out as `a op b = c`. */
export function equations(text: string): string[] {
  const annotated = annotations(text);
  return annotated.length > 0 ? annotated.map(({ equation }) => equation) : text.split('\n').flatMap(plainEquations);
}

/** Before a number or a bracket that belongs to it: `f(2) = 7`, `√(16) = 4`, `20% of 50 = 10`. */
const CALL = /[\p{L}_'’^√∛|!\\}]$/u;
const OPERATOR_WORD = /\b(?:of|than|by|times|plus|minus|over|mod|half|twice|double|triple|sin|cos|tan|log|ln|sqrt)$/i;
/** `for 3 = 3*4`: 3 things. */
const COUNTED = /\b(?:for|in|per|after) \d[\d.,]* ?=/i;

/** Runs of numbers, operators and equals signs that contain a complete equation with at least one operation. */
function plainEquations(line: string): string[] {
  const plain = plainText(line)
    .replace(/[×·]/g, '*')
    .replace(/÷/g, '/')
    .replace(/([\d)]) ?x ?(?=[\d(.$])/g, '$1*')
    .replace(/ \((?=[^()=]{0,100}=)/g, ' ; (');
  const found: string[] = [];
  for (const match of plain.matchAll(/[\d.,+\-*/()%$€£¥₹ =]+/g)) {
    // A side that is not all there says nothing.
    const before = plain.slice(Math.max(0, match.index - 20), match.index);
    const isArgument = match[0].startsWith('(')
      ? CALL.test(before)
      : OPERATOR_WORD.test(before) || COUNTED.test(before.slice(-6) + match[0].slice(0, 20));
    const from = match.index + (isArgument ? Math.max(0, match[0].indexOf('=')) : 0);
    const end = match.index + match[0].length;
    const run = plain.slice(from, Math.min(end, from + 300));
    if (!run.includes('=')) continue;
    // `7 = 2*3 + x` says nothing of `2*3`.
    if (
      /[-+*/] ?$/.test(run) &&
      /^(?:(?!a \p{L})\p{L}(?![\p{L}'’])|\p{L}{1,20}\(|[√∛\\|])/u.test(plain.slice(end, end + 30))
    )
      continue;
    // Digits glued to a letter, or a sign after a word (`5 apples - 2 = 3`), belong to something else.
    const afterWord = match.index > 0 && (/^[\d.]/.test(run) || /^\s*[+\-*/]/.test(run));
    const beforeLetter = /[\d)]$/.test(run) && from + run.length < plain.length;
    if (afterWord || beforeLetter) continue;
    const equation = balanced(tidy(run.replace(/^[\s.,=]+/, '')).replace(/[-+*/(.,=]+$/, ''));
    const sides = equation.split('=');
    const complete = sides.length > 1 && sides.every((side) => /\d/.test(side));
    if (complete && sides.some((side) => /[\d)%][+\-*/]/.test(side))) found.push(equation);
  }
  return found;
}

/** `(3+4=7)` -> `3+4=7`: brackets around an equation are punctuation. */
function balanced(equation: string): string {
  const first = equation.split('=', 1)[0] ?? '';
  const open = first.split('(').length - first.split(')').length;
  return open === 1 && equation.startsWith('(') ? equation.slice(1).replace(/\)$/, '') : equation;
}

/** What an expression is made of; null: no value (division by zero, unknown number, too long to compute). */
export interface Algebra<V> {
  number(digits: string): V | null;
  readonly operators: Readonly<Record<'+' | '-' | '*' | '/', (a: V, b: V) => V | null>>;
  negate(a: V): V | null;
  /** A percent sign after `a`. */
  percent(a: V): V | null;
}

const EXACT: Algebra<Rational> = {
  number: (digits) => decimal(digits),
  operators: { '+': add, '-': subtract, '*': multiply, '/': divide },
  negate,
  percent: (a) => divide(a, { num: 100n, den: 1n }),
};

/** undefined: malformed. */
type Value<V> = V | null | undefined;

/** Recursive descent over one expression; the operators' meaning is the algebra's. */
class Reader<V> {
  readonly #text: string;
  readonly #algebra: Algebra<V>;
  #at = 0;
  #depth = 0;

  constructor(text: string, algebra: Algebra<V>) {
    this.#text = text;
    this.#algebra = algebra;
  }

  whole(): Value<V> {
    const value = this.#sum();
    return this.#at === this.#text.length ? value : undefined;
  }

  #take<S extends string>(...signs: readonly S[]): S | null {
    const sign = signs.find((one) => one === this.#text.charAt(this.#at)) ?? null;
    if (sign !== null) this.#at += 1;
    return sign;
  }

  #sum(): Value<V> {
    let left = this.#product();
    for (let sign = this.#take('+', '-'); sign !== null; sign = this.#take('+', '-')) {
      left = combine(left, this.#product(), this.#algebra.operators[sign]);
    }
    return left;
  }

  #product(): Value<V> {
    let left = this.#signed();
    for (;;) {
      // `3(10)` and `(1/2)(20)` multiply.
      const sign = this.#text.charAt(this.#at) === '(' ? '*' : this.#take('*', '/');
      if (sign === null) return left;
      left = combine(left, this.#signed(), this.#algebra.operators[sign]);
    }
  }

  #signed(): Value<V> {
    let minus = false;
    for (let sign = this.#take('+', '-'); sign !== null; sign = this.#take('+', '-')) minus = minus !== (sign === '-');
    let value = this.#primary();
    while (this.#take('%') !== null) if (value) value = this.#algebra.percent(value);
    return minus && value ? this.#algebra.negate(value) : value;
  }

  #primary(): Value<V> {
    if (this.#take('(') !== null) {
      this.#depth += 1;
      const inside = this.#depth > MAX_DEPTH ? undefined : this.#sum();
      this.#depth -= 1;
      return this.#take(')') === null ? undefined : inside;
    }
    const digits = /^(?:\d+(?:\.\d*)?|\.\d+)/.exec(this.#text.slice(this.#at))?.[0];
    if (digits === undefined) return undefined;
    this.#at += digits.length;
    return this.#algebra.number(digits);
  }
}

function combine<V>(a: Value<V>, b: Value<V>, apply: (a: V, b: V) => V | null): Value<V> {
  if (a === undefined || b === undefined) return undefined;
  return a === null || b === null ? null : apply(a, b);
}

/** The value of an expression in `algebra`; null where it has none, undefined where it is malformed or longer than 300 characters. */
export function evaluateIn<V>(expression: string, algebra: Algebra<V>): V | null | undefined {
  const tidied = expression.length > 300 ? '' : tidy(expression);
  return tidied === '' ? undefined : new Reader(tidied, algebra).whole();
}

/** One equation of `+ - * /`, brackets, decimals and percent, perhaps a chain `a = b = c`: true where all sides are equal. */
export function checkEquation(equation: string): CheckedEquation {
  const tidied = tidy(equation);
  const sides = tidied.length > 300 ? [] : tidied.split('=');
  const values = sides.map((side) => new Reader(side, EXACT).whole());
  if (sides.length < 2 || values.includes(undefined)) return { equation: tidied, holds: null };
  const [first] = values;
  return { equation: tidied, holds: values.every((value) => !!first && !!value && equal(first, value)) };
}

/** Each equation of a text (see `equations`) and whether it holds exactly: `1/3=0.33` does not. */
export function checkEquations(text: string): CheckedEquation[] {
  return equations(text).map(checkEquation);
}

/** What the equations of a text say together: false where one is false, true where all that can be read hold, null where none can be read. */
export function equationsHold(text: string): boolean | null {
  const known = checkEquations(text).flatMap(({ holds }) => holds ?? []);
  return known.length === 0 ? null : !known.includes(false);
}
