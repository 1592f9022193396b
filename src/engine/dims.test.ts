// Dimensions: canonical text of products and sums, and their values.
import { describe, expect, it } from 'vitest';
import { evaluate, isName, product, sum } from './dims.ts';

describe('dims', () => {
  it.each([
    [product(2, 'seq', 3, 'batch'), '6*batch*seq'],
    [product('b', 'a'), 'a*b'],
    [product('a', 0), 0],
    [product(), 1],
    [product(2, '(past+seq)', 'batch'), '2*(past+seq)*batch'],
    [sum('past', 'seq'), '(past+seq)'],
    [sum('seq', 'past'), '(past+seq)'],
    [sum('past', 64), '(64+past)'],
    [sum('past', 0), 'past'],
    [sum(0, 0), 0],
    [sum('seq', 'seq', 'seq'), '3*seq'],
    [sum('(a+b)', 'c'), '(a+b+c)'],
    [sum('a', sum('b', 'c')), '(a+b+c)'],
    [sum('2*a', sum('a', 'b')), '(3*a+b)'],
    [product(sum('2*a', 'b'), 'c'), '(2*a+b)*c'],
  ])('%s is written %s', (found, expected) => expect(found).toBe(expected));

  it('evaluates names, products and sums, and says where a name is unbound', () => {
    const bindings = new Map([
      ['a', 3],
      ['b', 0],
    ]);
    expect(evaluate(7, bindings)).toBe(7);
    expect(evaluate('2*a', bindings)).toBe(6);
    expect(evaluate('(2*a+64+b)*a', bindings)).toBe(210);
    expect(evaluate('a*b', bindings)).toBe(0);
    expect(evaluate('(a+c)', bindings)).toBeUndefined();
    expect(evaluate('c', bindings)).toBeUndefined();
  });

  it('tells names from products and sums', () => {
    expect(['batch', 4, '2*a', '(a+b)'].map(isName)).toEqual([true, false, false, false]);
  });
});
