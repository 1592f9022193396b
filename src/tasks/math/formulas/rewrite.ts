// A parsed expression and values of its symbols -> MathJSON of numbers alone, or null.
import type { MathJsonExpression } from '@cortex-js/compute-engine';
import { decimal, type Rational, rational } from '../../../arithmetic/rational.ts';

type Json = MathJsonExpression;

/** A value for each name: symbols, and what is no arithmetic (`f(2)`, `a_{n+1}`), under its text. */
export type Values = (name: string) => Json;

/** Heads whose operands are numbers and whose value the library computes to any precision. */
const ARITHMETIC: ReadonlySet<string> = new Set(
  'Add Subtract Multiply Divide Negate Power Sqrt Root Rational Abs Floor Ceil Factorial Factorial2 Binomial Exp Ln Log Max Min Mod GCD LCM Sin Cos Tan Cot Sec Csc Arcsin Arccos Arctan Arccot Arcsec Arccsc Sinh Cosh Tanh Arsinh Arcosh Artanh'.split(
    ' ',
  ),
);
/** The same under other names. */
const RENAMED: Readonly<Record<string, string>> = { Ceiling: 'Ceil', Choose: 'Binomial' };
const CONSTANTS: Readonly<Record<string, Json>> = {
  Pi: 'Pi',
  e: 'ExponentialE',
  ExponentialE: 'ExponentialE',
  i: ['Complex', 0, 1],
  ImaginaryUnit: ['Complex', 0, 1],
};
/** Letters that a bracket after them applies to: `f(2)` is no product. */
const FUNCTION_LETTERS = /^[fghFGHPQTW](?:_\w+)?$/;
/** What is no expression, or one that could not be read. */
const REFUSED: ReadonlySet<string> = new Set(
  'Error Sequence Delimiter Tuple List Set Matrix Equal Less Greater LessEqual GreaterEqual NotEqual Measurement Colon BaseForm Complement Union Intersection And Or Not LatexString Missing Nothing Hold String Text'.split(
    ' ',
  ),
);

/** No power has more digits, no factorial a larger argument, no sum more terms: beyond, only texts are compared. */
const MAX_MAGNITUDE = 290;
const MAX_FACTORIAL = 1000;
const MAX_TERMS = 1000;
const MAX_NODES = 3000;

/** Rewrites expressions under one set of values; counts what it makes, so that no sum of sums grows without end. */
export class Rewriter {
  #nodes = 0;
  /** Numbers so large or small beside each other were met that more digits tell them apart. */
  needsMore = false;
  readonly #values: Values;

  constructor(values: Values) {
    this.#values = values;
  }

  /** Numbers, constants and arithmetic alone; null: not to be computed. */
  rewrite(json: Json, bound: ReadonlyMap<string, number> = new Map()): Json | null {
    this.#nodes += 1;
    if (this.#nodes > MAX_NODES) return null;
    if (typeof json === 'number') return exact(String(json));
    if (typeof json === 'string') return this.#symbol(json, bound);
    if (!Array.isArray(json)) return 'num' in json ? exact(json.num) : null;
    const [head, ...operands] = json as readonly [Json, ...Json[]];
    if (typeof head !== 'string' || REFUSED.has(head)) return null;
    return this.#call(head, operands, json, bound);
  }

  #symbol(name: string, bound: ReadonlyMap<string, number>): Json | null {
    if (name.startsWith("'")) return null;
    if (/Infinity|NaN|Undefined|Numbers$|EmptySet/.test(name)) return null;
    return bound.get(name) ?? CONSTANTS[name] ?? this.#values(name);
  }

  #call(head: string, operands: readonly Json[], json: Json, bound: ReadonlyMap<string, number>): Json | null {
    if (head === 'InvisibleOperator') return this.#product(operands, bound);
    if (head === 'Sum' || head === 'Product') return this.#series(head, operands, json, bound);
    if (head === 'Degrees') return this.#all('Multiply', [...operands, ['Divide', 'Pi', 180]], bound);
    if (head === 'Lb') return this.#all('Log', [...operands, 2], bound);
    if (head === 'Square') return this.#all('Power', [...operands, 2], bound);
    const known = RENAMED[head] ?? head;
    if (head === 'Apply') return this.#inverse(operands, json, bound);
    if (!ARITHMETIC.has(known)) return this.#opaque(json);
    if (known === 'Power') return this.#power(operands, bound);
    const rewritten = this.#all(known, operands, bound);
    if (rewritten === null || !/^(?:Factorial|Factorial2|Binomial)$/.test(known)) return rewritten;
    const isSmall = (rewritten as readonly Json[]).slice(1).every((one) => Math.abs(estimate(one)) <= MAX_FACTORIAL);
    return isSmall ? rewritten : null;
  }

  /** `\\sin^{-1} x`. */
  #inverse([name, operand]: readonly Json[], json: Json, bound: ReadonlyMap<string, number>): Json | null {
    const [head, of] = Array.isArray(name) ? (name as readonly Json[]) : [];
    const inverse = head === 'InverseFunction' && typeof of === 'string' ? `Arc${of.toLowerCase()}` : '';
    return ARITHMETIC.has(inverse) && operand !== undefined ? this.#all(inverse, [operand], bound) : this.#opaque(json);
  }

  #all(head: string, operands: readonly Json[], bound: ReadonlyMap<string, number>): Json | null {
    const rewritten = operands.map((operand) => this.rewrite(inner(operand), bound));
    return rewritten.includes(null) || rewritten.length === 0 ? null : ([head, ...rewritten] as Json);
  }

  /** Real roots: `x^{2/3}` of a negative x is that of `\sqrt[3]{x}^2`. */
  #power(operands: readonly Json[], bound: ReadonlyMap<string, number>): Json | null {
    const rewritten = this.#all('Power', operands, bound) as [string, Json, Json] | null;
    if (rewritten === null || rewritten.length !== 3) return null;
    const [, base, exponent] = rewritten;
    const size = estimate(exponent);
    const magnitude = Math.abs(size) * Math.max(1, Math.abs(Math.log10(Math.abs(estimate(base)))) || 1);
    if (!Number.isNaN(size) && !(magnitude <= MAX_MAGNITUDE)) return null;
    this.needsMore ||= magnitude > 30;
    const fraction = oddRoot(exponent);
    return fraction === null ? rewritten : ['Power', ['Root', base, fraction.den], fraction.num];
  }

  /** `2x`, `2\frac13` (a mixed number) and `f(2)`. */
  #product(operands: readonly Json[], bound: ReadonlyMap<string, number>): Json | null {
    const [first, second, ...rest] = operands;
    if (first === undefined || second === undefined) return first === undefined ? null : this.rewrite(first, bound);
    const isFraction = Array.isArray(second) && second[0] === 'Divide';
    if (isFraction && isDigits(first) && (second.slice(1) as readonly Json[]).every(isDigits)) {
      const mixed = this.#all('Add', [first, second], bound);
      const others = rest.length === 0 ? 1 : this.#product(rest, bound);
      return mixed === null || others === null ? null : ['Multiply', mixed, others];
    }
    const applied = operands.findIndex(
      (one, i) => typeof one === 'string' && FUNCTION_LETTERS.test(one) && isBracket(operands[i + 1]),
    );
    if (applied < 0) return this.#all('Multiply', operands, bound);
    const call = this.#opaque([operands[applied]!, operands[applied + 1]!] as Json);
    const others = [...operands.slice(0, applied), ...operands.slice(applied + 2)];
    if (others.length === 0) return call;
    const product = this.#all('Multiply', others, bound);
    return product === null || call === null ? null : ['Multiply', call, product];
  }

  /** Finite sums and products, term by term; those without numbers as limits stand for themselves. */
  #series(head: string, operands: readonly Json[], json: Json, bound: ReadonlyMap<string, number>): Json | null {
    const [body, limits] = operands;
    if (body === undefined || !Array.isArray(limits) || operands.length !== 2) return null;
    const [, name, from, to] = limits as readonly Json[];
    const [low, high] = [from, to].map((end) => (typeof end === 'number' ? end : Number.NaN)) as [number, number];
    if (typeof name !== 'string' || Number.isNaN(low + high)) return this.#opaque(json);
    if (!Number.isInteger(low) || !Number.isInteger(high) || high - low >= MAX_TERMS || high < low) return null;
    const terms: Json[] = [];
    for (let k = low; k <= high; k++) {
      const term = this.rewrite(inner(body), new Map([...bound, [name, k]]));
      if (term === null) return null;
      terms.push(term);
    }
    return [head === 'Sum' ? 'Add' : 'Multiply', ...terms, head === 'Sum' ? 0 : 1] as Json;
  }

  /** A value of its own for each different text. */
  #opaque(json: Json): Json | null {
    const text = JSON.stringify(json);
    return /"(?:Error|Sequence|LatexString|Measurement|BaseForm|Colon)"/.test(text) ? null : this.#values(text);
  }
}

const isDigits = (json: Json | undefined): boolean => typeof json === 'number' && Number.isInteger(json) && json >= 0;
const isBracket = (json: Json | undefined): boolean => Array.isArray(json) && json[0] === 'Delimiter';

/** What a pair of brackets holds. */
function inner(json: Json): Json {
  let out = json;
  while (
    Array.isArray(out) &&
    out[0] === 'Delimiter' &&
    (out.length === 2 || typeof out[2] === 'string' || (out[2] as { str?: string })?.str !== undefined)
  ) {
    out = out[1] as Json;
  }
  return out;
}

/** A decimal text (`0.5`, `1e-3`, `0.(3)`) as an exact fraction; null where it is too long to compute with. */
function exact(text: string): Json | null {
  const match = /^([-+]?)(\d*\.?\d*)(?:\((\d+)\))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (match === null) return null;
  const [, sign, digits = '', repeated = '', exponent = '0'] = match;
  if (digits.length + repeated.length > 60 || Math.abs(Number(exponent)) > 200) return null;
  const value = decimal(digits === '' ? '0' : digits, Number(exponent));
  if (value === null) return null;
  const whole = repeated === '' ? value : withRepeated(value, digits, repeated);
  const top = sign === '-' ? -whole.num : whole.num;
  return whole.den === 1n ? integer(top) : (['Rational', integer(top), integer(whole.den)] as Json);
}

function withRepeated(value: Rational, digits: string, repeated: string): Rational {
  const places = digits.includes('.') ? digits.length - digits.indexOf('.') - 1 : 0;
  const den = (10n ** BigInt(repeated.length) - 1n) * 10n ** BigInt(places);
  return { num: value.num * den + BigInt(repeated) * value.den, den: value.den * den };
}

function integer(value: bigint): Json {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : { num: value.toString() };
}

/** An exponent p/q in lowest terms with an odd q above 1. */
function oddRoot(exponent: Json): { num: Json; den: Json } | null {
  if (!Array.isArray(exponent)) return null;
  const [head, top, bottom] = exponent as readonly Json[];
  if (head === 'Negate' && top !== undefined) {
    const found = oddRoot(top);
    return found === null ? null : { ...found, num: ['Negate', found.num] };
  }
  if ((head !== 'Divide' && head !== 'Rational') || typeof top !== 'number' || typeof bottom !== 'number') return null;
  if (!Number.isInteger(top) || !Number.isInteger(bottom) || bottom < 2) return null;
  const lowest = rational(BigInt(top), BigInt(bottom));
  if (lowest === null || lowest.den === 1n || lowest.den % 2n === 0n) return null;
  return { num: integer(lowest.num), den: integer(lowest.den) };
}

const factorialSize = (a: number): number => (a > 170 ? Infinity : Math.abs(a) ** Math.abs(a));

/** How large a call is about, by its operands. */
const SIZES: Readonly<Record<string, (a: number, b: number) => number>> = {
  Subtract: (a, b) => a - b,
  Divide: (a, b) => a / b,
  Rational: (a, b) => a / b,
  Negate: (a) => -a,
  Power: (a, b) => a ** b,
  Factorial: factorialSize,
  Factorial2: factorialSize,
  Exp: Math.exp,
  Abs: Math.abs,
  Sqrt: Math.abs,
  Root: Math.abs,
};

/** About what a rewritten expression is worth: enough to see that an exponent is too large. NaN: unknown. */
function estimate(json: Json): number {
  if (typeof json === 'number') return json;
  if (typeof json === 'string') return json === 'Pi' ? Math.PI : json === 'ExponentialE' ? Math.E : Number.NaN;
  if (!Array.isArray(json)) return 'num' in json ? Number(json.num) : Number.NaN;
  const [head, ...rest] = json as readonly [string, ...Json[]];
  const values = rest.map(estimate);
  if (head === 'Add') return values.reduce((sum, one) => sum + one, 0);
  if (head === 'Multiply') return values.reduce((product, one) => product * one, 1);
  const [a = Number.NaN, b = Number.NaN] = values;
  return SIZES[head]?.(a, b) ?? Number.NaN;
}
