// Equations good, false and malformed -> checks of which are found and which hold.
import { expect, test } from 'vitest';
import { annotations, checkEquation, checkEquations, equations } from './equations.ts';

test.each([
  ['48/2=24', true],
  ['3*4=12', true],
  ['3*4=13', false],
  ['0.2*50=10', true],
  ['1/3=0.33', false],
  ['20%*50=10', true],
  ['(3+4)*2=14', true],
  ['-3+4=1', true],
  ['10-(-5)=15', true],
  ['2+3*4=14', true],
  ['2+3*4=20', false],
  ['100/4/5=5', true],
  ['10-3-2=5', true],
  ['1,000*2=2,000', true],
  ['$3.50*2=$7', true],
  ['3x4=12', true],
  ['.5*4=2', true],
  ['5=5', true],
  ['2+2=4=4', true],
  ['3*4=12+5=17', false],
  ['3(10)=30', true],
  ['(1/2)(20)=10', true],
  ['2+1 1/2=3 1/2', true],
  ['4/0=0', false],
  ['4/0=4/0', false],
  ['3*=12', null],
  ['=5', null],
  ['5', null],
  ['', null],
  ['560//10=56', null],
  ['2^3=8', null],
  ['(3+4=7', null],
  ['a+1=2', null],
  ['1 2+3=15', null],
  ['9007199254740993+0=9007199254740992', false],
  ['alert(1)=1', null],
])('checkEquation(%j) holds: %j', (equation, holds) => {
  expect(checkEquation(equation).holds).toBe(holds);
});

test('annotations win over written-out equations; without them those are found', () => {
  expect(equations('He has 3+4=<<3+4=7>>7 and 1+1=3')).toEqual(['3+4=7']);
  expect(equations('So 3 x 4 = 12 apples, and 12 - 5 = 7.')).toEqual(['3*4=12', '12-5=7']);
  expect(equations('$3.50 × 2 = $7.00 (1+1=2)')).toEqual(['3.50*2=7.00', '1+1=2']);
  for (const none of ['3 apples + 4 apples = 7', '5 apples - 2 = 3', 'x = 5', 'day 5 = rest', '100/5 = 5A/5', '']) {
    expect(equations(none), none).toEqual([]);
  }
  expect(checkEquations('<<3*4=12>> <<3*=12>> <<2+2=5>>')).toEqual([
    { equation: '3*4=12', holds: true },
    { equation: '3*=12', holds: null },
    { equation: '2+2=5', holds: false },
  ]);
});

test.each([
  'f(2)=3*2+1=7',
  "f'(2) = 3*2 = 6",
  'g(f(1)) = 2*3 = 6',
  'C(5,2) = 5*4/2 = 10',
  'So $f(2)=3\\cdot2+1=7$.',
  '√(16) = 2*2 = 4',
  '2^(3) = 2*2*2 = 8',
  '|(-5)| = 2+3 = 5',
  '\\sin(30) = 1/2',
  'sin 30 = 1/2',
  '7 = 2*3 + x',
  '7 = 2*3 + f(1)',
  '20% of 50 = 0.2*50 = 10',
  'Half of 10 = 10/2 = 5',
  'The cost of 3 = 3*4 = 12',
  'The cost for 3 = 3*4 = 12',
  '17 mod 5 = 17-15 = 2',
  '5 less than 12 = 12-5 = 7',
  '6 divided by (2) = 6/2 = 3',
])('%j says nothing false', (text) => {
  expect(checkEquations(text).filter(({ holds }) => holds === false)).toEqual([]);
});

test.each([
  'f(2)=3*2+1=8',
  '(3+4)=8',
  'Total: (3+4)*2 = 15',
  'She has 3+4 = 8 apples.',
  '20% of 50 = 0.2*50 = 11',
  'The total is 3*4 = 13 - a lot',
  'The cost for 3*4 = 13',
])('%j says something false', (text) => {
  expect(checkEquations(text).map(({ holds }) => holds)).toContain(false);
});

test('annotations come with the rest of their line', () => {
  expect(annotations('a\nso 3*4=<<3*4=12>>12 apples\nb')).toEqual([
    { equation: '3*4=12', before: 'so 3*4=', after: '12 apples' },
  ]);
});

test('depth and length are bounded', () => {
  const holds = (left: string, right: string) => checkEquation(`${left}=${right}`).holds;
  expect(holds(`${'('.repeat(40)}1${')'.repeat(40)}`, '1')).toBe(true);
  expect(holds(`${'('.repeat(60)}1${')'.repeat(60)}`, '1')).toBe(null);
  expect(holds('1+'.repeat(200_000) + 1, '200001')).toBe(null);
  expect(holds(Array(50).fill('99').join('*'), String(99n ** 50n))).toBe(true);
  expect(holds(Array(100).fill('9').join('/'), `1/${9n ** 98n}`)).toBe(true);
});

test.each(['1+', '(', '<<1+', '1 = ', '- ', '=', '1,'])(
  '%j repeated: eight times the text costs about eight times the time',
  (piece) => {
    const cost = (n: number): number => {
      const text = piece.repeat(n / piece.length);
      let best = Infinity;
      for (let round = 0; round < 3; round++) {
        const start = process.cpuUsage();
        checkEquations(text);
        best = Math.min(best, process.cpuUsage(start).user / 1000);
      }
      return best;
    };
    cost(10_000);
    // Quadratic would be 64 times in every attempt.
    const ratio = () => cost(240_000) / Math.max(cost(30_000), 1);
    expect([1, 2, 3, 4, 5].some(() => ratio() < 28)).toBe(true);
  },
);
