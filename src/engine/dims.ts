// Dimensions of tensors: integers, or canonical text of a product such as `2*batch*seq`. Checks equality and products; knows no tensors.

/** A size: a number, or a name (`batch`), a sum of names (`(past+new)`) or a product of these with a coefficient (`4*seq`). */
export type Dim = number | string;
export type Shape = readonly Dim[];

interface Monomial {
  coefficient: number;
  /** Sorted names or parenthesised sums. */
  factors: string[];
}

function parse(dim: Dim): Monomial {
  if (typeof dim === 'number') return { coefficient: dim, factors: [] };
  const factors = dim.split('*');
  const coefficient = /^\d+$/.test(factors[0] as string) ? Number(factors.shift()) : 1;
  return { coefficient, factors };
}

function print({ coefficient, factors }: Monomial): Dim {
  if (coefficient === 0 || factors.length === 0) return coefficient;
  const names = [...factors].sort().join('*');
  return coefficient === 1 ? names : `${coefficient}*${names}`;
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

/** Sum of two dimensions: a number, a multiple of the same product, or one opaque name `(a+b)`. */
export function sum(a: Dim, b: Dim): Dim {
  if (a === 0) return b;
  if (b === 0) return a;
  const [left, right] = [parse(a), parse(b)];
  if (left.factors.join('*') === right.factors.join('*')) {
    return print({ coefficient: left.coefficient + right.coefficient, factors: left.factors });
  }
  return `(${[String(a), String(b)].sort().join('+')})`;
}

/** Value of a dimension under `bindings`, or undefined where a name is unbound. */
export function evaluate(dim: Dim, bindings: ReadonlyMap<string, number>): number | undefined {
  const { coefficient, factors } = parse(dim);
  let value = coefficient;
  for (const factor of factors) {
    const bound = bindings.get(factor) ?? sumOf(factor, bindings);
    if (bound === undefined) return undefined;
    value *= bound;
  }
  return value;
}

function sumOf(factor: string, bindings: ReadonlyMap<string, number>): number | undefined {
  if (!factor.startsWith('(')) return undefined;
  let total = 0;
  for (const term of factor.slice(1, -1).split('+')) {
    const value = evaluate(/^\d+$/.test(term) ? Number(term) : term, bindings);
    if (value === undefined) return undefined;
    total += value;
  }
  return total;
}
