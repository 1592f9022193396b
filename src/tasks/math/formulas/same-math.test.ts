// Pairs of answers -> whether they are the same, in both orders, and at what cost.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Expressions } from './expressions.ts';
import { sameMath } from './same-math.ts';

const file = join(import.meta.dirname, '../../../../test/fixtures/math-answers.txt');
const pairs = readFileSync(file, 'utf8')
  .split('\n')
  .flatMap((line) => {
    const match = /^([=!]) (.*) ;; (.*)$/.exec(line);
    return match === null ? [] : [{ same: match[1] === '=', a: match[2]!, b: match[3]! }];
  });
const expressions = new Expressions();

test('the table is whole', () => {
  expect(pairs.length).toBeGreaterThan(390);
  expect(pairs.filter(({ same }) => !same).length).toBeGreaterThan(240);
});

test('equal answers are the same, whichever is the reference', () => {
  const wrong = pairs.filter(({ same, a, b }) => same && !(sameMath(a, b, expressions) && sameMath(b, a, expressions)));
  expect(wrong).toEqual([]);
});

test('different answers are not: none is called right', () => {
  const wrong = pairs.filter(({ same, a, b }) => !same && (sameMath(a, b, expressions) || sameMath(b, a, expressions)));
  expect(wrong).toEqual([]);
});

test('what was compared before changes nothing', () => {
  const sample = pairs.filter((_, i) => i % 7 === 0);
  const fresh = sample.map(({ a, b }) => sameMath(a, b, expressions));
  expect([...sample].reverse().map(({ a, b }) => sameMath(a, b, expressions))).toEqual(fresh.reverse());
});

describe('hostile answers', () => {
  const n = 100_000;
  test.each<[string, string, string?]>([
    ['a tower of powers', '9^{9^{9^9}}', '9^{9^{9^8}}'],
    ['a tower without braces', '9**9**9**9'],
    ['a power of a power', '((9^9)^9)^9^9'],
    ['a large exponent', '7^{99999999999}', '7^{99999999998}'],
    ['a small base', '1.000001^{999999999}'],
    ['a large factorial', '99999999!', '99999998!'],
    ['factorials of factorials', '((9!)!)!'],
    ['many factorials', '9!!!!!!!!!!!'],
    ['a large binomial', '\\binom{999999999}{499999999}'],
    ['a long sum', '\\sum_{k=1}^{999999999} k'],
    ['sums of sums', '\\sum_{i=1}^{999}\\sum_{j=1}^{999}\\sum_{k=1}^{999} ijk'],
    ['a product of powers', '\\prod_{k=1}^{900} k^{900}'],
    ['an integral', '\\int_0^{999999} \\sin(x^{99})\\,dx'],
    ['a large root', '\\sqrt[99999999]{2}', '\\sqrt[99999998]{2}'],
    ['a logarithm of a tower', '\\log(9^{9^{9^9}})'],
    ['a tower below', '\\frac{1}{9^{9^{9^9}}}', '\\frac{1}{9^{9^{9^8}}}'],
    ['a sine of a tower', '\\sin(9^{9^9})'],
    ['a long number', '9'.repeat(900), '9'.repeat(899)],
    ['a long sum of symbols', `${'x+'.repeat(400)}x`, `${'x+'.repeat(399)}x`],
    ['a deep nest of brackets', `${'('.repeat(400)}x${')'.repeat(400)}`],
    ['a deep nest of roots', `${'\\sqrt{'.repeat(120)}2${'}'.repeat(120)}`],
    ['a deep nest of fractions', `${'\\frac{1}{1+'.repeat(70)}x${'}'.repeat(70)}`],
    ['open brackets', '('.repeat(900)],
    ['open braces', '{'.repeat(900)],
    ['many items', Array.from({ length: 300 }, (_, i) => i).join(',')],
    [
      'many roots in two orders',
      Array.from({ length: 90 }, (_, i) => `\\sqrt{${i}}`).join(','),
      Array.from({ length: 90 }, (_, i) => `\\sqrt{${90 - i}}`).join(','),
    ],
    ['many signs', `${'\\pm '.repeat(200)}1`],
    ['many relations', `${'x<'.repeat(300)}x`],
    ['an exponential of exponentials', 'e^{e^{e^{e^{e^{e^9}}}}}'],
    ['a large gamma', '\\Gamma(99999999)'],
    ['a large modulus', '9^{999999} \\bmod 7'],
    ['100,000 digits', '9'.repeat(n)],
    ['100,000 characters', 'x+1'.repeat(n / 3)],
    ['100,000 brackets', '('.repeat(n)],
    ['100,000 commands', '\\frac'.repeat(n / 5)],
    ['100,000 dollars', '$'.repeat(n)],
    ['nothing', ''],
    ['spaces', ' '.repeat(n)],
    ['other signs', '\u0000\u0001\u0002\ud800'],
  ])('%s', (_name, a, b = '7') => {
    const started = process.cpuUsage();
    expect(sameMath(a, b, expressions)).toBe(false);
    expect(sameMath(b, a, expressions)).toBe(false);
    const { user } = process.cpuUsage(started);
    expect(user / 1e6).toBeLessThan(4);
  });
});
