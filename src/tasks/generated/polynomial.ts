// Symbols -> sums of products of them, and whether one is a building block of another.

/** Terms by their exponents (`1,0,-1` is a/c), each with a whole coefficient other than 0. Exponents may be negative: division by products. */
export type Polynomial = ReadonlyMap<string, number>;

type Exponents = readonly number[];

const read = (key: string): Exponents => key.split(',').map(Number);

/** The quantity number `index` of `count`. */
export function symbol(index: number, count: number): Polynomial {
  return new Map([[Array.from({ length: count }, (_, i) => (i === index ? 1 : 0)).join(','), 1]]);
}

function collect(terms: Iterable<readonly [string, number]>): Polynomial {
  const out = new Map<string, number>();
  for (const [key, coefficient] of terms) {
    const sum = (out.get(key) ?? 0) + coefficient;
    if (sum === 0) out.delete(key);
    else out.set(key, sum);
  }
  return out;
}

export const plus = (a: Polynomial, b: Polynomial): Polynomial => collect([...a, ...b]);
export const minus = (a: Polynomial, b: Polynomial): Polynomial => plus(a, opposite(b));
export const opposite = (a: Polynomial): Polynomial => new Map([...a].map(([key, coefficient]) => [key, -coefficient]));

export function times(a: Polynomial, b: Polynomial): Polynomial {
  return collect(
    [...a].flatMap(([left, m]) => [...b].map(([right, n]) => [shift(left, read(right), 1), m * n] as const)),
  );
}

/** null where `b` is not a plain product of quantities. */
export function over(a: Polynomial, b: Polynomial): Polynomial | null {
  const [term] = b;
  if (b.size !== 1 || term === undefined || term[1] !== 1) return null;
  return collect([...a].map(([key, coefficient]) => [shift(key, read(term[0]), -1), coefficient] as const));
}

function shift(key: string, by: Exponents, sign: 1 | -1): string {
  return read(key)
    .map((exponent, i) => exponent + sign * (by[i] ?? 0) + 0)
    .join(',');
}

export function isSame(a: Polynomial, b: Polynomial): boolean {
  return a.size === b.size && [...a].every(([key, coefficient]) => b.get(key) === coefficient);
}

/**
 * True where `part`, or its opposite, times some product of quantities is a partial sum of `whole`, nothing cancelling: part = a+b for
 * whole = (a+b)/n - c, or part = p*x for whole = h - p*x - q*y. Such a part is on some plan that reaches the whole.
 */
export function isPartOf(part: Polynomial, whole: Polynomial): boolean {
  const [first] = part.keys();
  if (first === undefined) return false;
  return [...whole.keys()].some((key) => {
    const factor = read(key).map((exponent, i) => exponent - (read(first)[i] ?? 0));
    return ([1, -1] as const).some((sign) =>
      [...part].every(([term, coefficient]) => isPossible(term, sign * coefficient, factor, whole)),
    );
  });
}

function isPossible(term: string, coefficient: number, factor: Exponents, whole: Polynomial): boolean {
  if (read(term).some((exponent, i) => exponent * (factor[i] ?? 0) < 0)) return false;
  const limit = whole.get(shift(term, factor, 1));
  return limit !== undefined && coefficient * limit > 0 && Math.abs(coefficient) <= Math.abs(limit);
}
