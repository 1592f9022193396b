// p-values of several tests -> p-values that allow for their number (Holm 1979).

/**
 * Adjusted p-values in the order given: below 0.05 with a chance of 5 % at most that any true null hypothesis is among them. The j-th smallest of m (from 0)
 * is multiplied by m - j; none is smaller than one before it, or larger than 1.
 * @example
 * holm([0.01, 0.04, 0.03]); // [0.03, 0.06, 0.06]
 */
export function holm(pValues: readonly number[]): number[] {
  const adjusted = pValues.map(() => 0);
  const order = pValues.map((p, at) => ({ p, at })).sort((a, b) => a.p - b.p);
  let largest = 0;
  for (const [j, { p, at }] of order.entries()) {
    largest = Math.max(largest, Math.min(1, (order.length - j) * p));
    adjusted[at] = largest;
  }
  return adjusted;
}
