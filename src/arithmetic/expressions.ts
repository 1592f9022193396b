// An expression as text -> its value: exact fractions, or what another algebra makes of it.
import { add, decimal, divide, multiply, negate, type Rational, subtract } from './rational.ts';

const MAX_DEPTH = 50;

/** Signs of one kind, no spaces, currency or thousands separators; mixed numbers as sums, other neighbouring numbers left unreadable. */
export function tidy(equation: string): string {
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

/** The exact value of an expression of `+ - * /`, brackets, decimals and percent; null where it has none, undefined where it is malformed. */
export function evaluate(expression: string): Rational | null | undefined {
  return evaluateIn(expression, EXACT);
}
