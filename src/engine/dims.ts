// Dimensions of tensors: integers, or canonical text of a product such as `2*batch*seq`.

/** A size: a number, or a name (`batch`), a sum (`(past+seq)`, `(2*a+b)`) or a product of these with a coefficient (`4*seq`). */
export type Dim = number | string;
export type Shape = readonly Dim[];

interface Monomial {
  coefficient: number;
  /** Sorted names or parenthesised sums. */
  factors: string[];
}

/** `text` cut at `separator` where that is inside no parentheses. */
function split(text: string, separator: '*' | '+'): string[] {
  const parts = [''];
  let depth = 0;
  for (const character of text) {
    if (character === separator && depth === 0) {
      parts.push('');
      continue;
    }
    if (character === '(') depth++;
    if (character === ')') depth--;
    parts[parts.length - 1] += character;
  }
  return parts;
}

function parse(dim: Dim): Monomial {
  if (typeof dim === 'number') return { coefficient: dim, factors: [] };
  const factors = split(dim, '*');
  const coefficient = /^\d+$/.test(factors[0] as string) ? Number(factors.shift()) : 1;
  return { coefficient, factors };
}

function print({ coefficient, factors }: Monomial): Dim {
  if (coefficient === 0 || factors.length === 0) return coefficient;
  const names = [...factors].sort().join('*');
  return coefficient === 1 ? names : `${coefficient}*${names}`;
}

/** Whether a dimension is a single name, which an array can bind. */
export function isName(dim: Dim): dim is string {
  return typeof dim === 'string' && !/[*+()]/.test(dim);
}

/** Product of dimensions in canonical form. */
export function product(...dims: Dim[]): Dim {
  const result: Monomial = { coefficient: 1, factors: [] };
  for (const dim of dims) {
    const { coefficient, factors } = parse(dim);
    result.coefficient *= coefficient;
    result.factors.push(...factors);
  }
  return print(result);
}

/** Sum of dimensions in canonical form: like terms are added, others become a parenthesised sum such as `(past+seq)`. */
export function sum(...dims: Dim[]): Dim {
  const coefficients = new Map<string, number>();
  for (const { coefficient, factors } of dims.flatMap(termsOf)) {
    const key = [...factors].sort().join('*');
    coefficients.set(key, (coefficients.get(key) ?? 0) + coefficient);
  }
  const terms = [...coefficients]
    .map(([key, coefficient]) => print({ coefficient, factors: key === '' ? [] : [key] }))
    .filter((term) => term !== 0);
  if (terms.length === 1) return terms[0] as Dim;
  return terms.length === 0 ? 0 : `(${terms.map(String).sort().join('+')})`;
}

function termsOf(dim: Dim): Monomial[] {
  const monomial = parse(dim);
  const [only, ...others] = monomial.factors;
  if (monomial.coefficient !== 1 || others.length > 0 || !only?.startsWith('(')) return [monomial];
  return split(only.slice(1, -1), '+').map(parse);
}

/** Value of a dimension under `bindings`, or undefined where a name is unbound. */
export function evaluate(dim: Dim, bindings: ReadonlyMap<string, number>): number | undefined {
  const { coefficient, factors } = parse(dim);
  let value = coefficient;
  for (const factor of factors) {
    const bound = factor.startsWith('(') ? sumOf(factor, bindings) : bindings.get(factor);
    if (bound === undefined) return undefined;
    value *= bound;
  }
  return value;
}

function sumOf(factor: string, bindings: ReadonlyMap<string, number>): number | undefined {
  let total = 0;
  for (const term of split(factor.slice(1, -1), '+')) {
    const value = evaluate(term, bindings);
    if (value === undefined) return undefined;
    total += value;
  }
  return total;
}
