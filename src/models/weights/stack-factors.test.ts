// Stacked factors -> the scaled sum of the parts' products.
import { expect, test } from 'vitest';
import { stackFactors } from './stack-factors.ts';

const product = (a: Float32Array, b: Float32Array, rank: number, out: number, width: number): number[] =>
  Array.from({ length: out * width }, (_, n) => {
    let sum = 0;
    for (let r = 0; r < rank; r++)
      sum += (b[Math.floor(n / width) * rank + r] as number) * (a[r * width + (n % width)] as number);
    return sum;
  });

test('two parts with scales of their own, and a missing one', () => {
  const one = { a: Float32Array.of(1, 2, 3), b: Float32Array.of(4, 5), rank: 1, scale: 2 };
  const two = { a: Float32Array.of(1, 0, -1, 2, 2, 0), b: Float32Array.of(1, 2, 3, 4), rank: 2, scale: 0.5 };
  const { a, b } = stackFactors([one, { rank: 2 }, two]);
  const expected = product(one.a, one.b, 1, 2, 3).map(
    (x, n) => 2 * x + 0.5 * (product(two.a, two.b, 2, 2, 3)[n] as number),
  );
  expect(product(a, b, 5, 2, 3)).toEqual(expected);
});
