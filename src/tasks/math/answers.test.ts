// Answers in the spellings people and models use -> what is found, in linear time.
import { expect, test } from 'vitest';
import { answerText, parseAnswer, sameAnswer } from './answer-values.ts';
import { findAnswer, referenceAnswer } from './answers.ts';

/** The canonical text of the answer that `text` states; null: none. */
function extractAnswer(text: string): string | null {
  const found = findAnswer(text);
  return found === null ? null : answerText(found.answer);
}

test.each([
  // markers
  ['#### 29', '29'],
  ['He pays 5*3 = <<5*3=15>>15.\n#### 1,080', '1080'],
  ['####72', '72'],
  ['The answer is 12', '12'],
  ['The answer is 12 apples.', '12'],
  ['So the answer is: **$29.00**.', '29'],
  ['Therefore, the final answer is $\\boxed{42}$.', '42'],
  ['**Final Answer:** 7', '7'],
  ['Final answer: 7 days', '7'],
  ['The answer to the question is 15 miles per hour.', '15'],
  ['The answer is\n\n 18', '18'],
  ['The answer is that he has 7 apples left.', '7'],
  ['The answer is 3 + 4 = 7 apples', '7'],
  ['The answer is 48+24=<<48+24=72>>72.', '72'],
  ['The answer is x = -3.', '-3'],
  ['The answer is 5 because 10/2 = 5 and 3+4 = 7', '5'],
  ['The answer is 5. There were 10 apples.', '5'],
  ['The answer is (C) 42.', '42'],
  ['The answer is 10. The answer is 11.', '11'],
  ['The answer is 4\n#### 5', '5'],
  ['\\boxed{1} and later #### 2', '1'],
  ['\\boxed{1} then \\boxed{2}', '2'],
  ['\\boxed{\\boxed{5}}', '5'],
  ['\\boxed{72\\text{ clips}}', '72'],
  ['\\boxed{\\text{The total is } 72}', 'the total is 72'],
  ['\\boxed{x=\\frac{1}{2}}', '0.5'],
  ['\\boxed{5', '5'],
  ['#### Step 1: add\n3+4 = 7\n#### 2. Subtract\n7-2=5', '5'],
  ['Answer: First, 48/2 = 24. Then 48+24 = 72 clips.', '72'],
  ['Answer: 72', '72'],
  // fallback: the last number
  ['She sold 48/2 = 24 in May, so 48+24 = 72 clips.', '72'],
  ['48-24', null],
  ['48 -24', null],
  ['so 48-24 is 24', '24'],
  ['it fell to -24', '-24'],
  ['a top-5 finish', '5'],
  ['no digits here', null],
  ['', null],
  ['The answer is twelve.', 'twelve'],
  ['The answer is 12 (twelve).', '12'],
  ['His answer was wrong. It is 9.', '9'],
  ['The answer is <b>12</b>', '12'],
  ['The answer is 33 1/3%', '100/3%'],
  ['Final Answer: The final answer is $12$. I hope it is correct.', '12'],
  ['The answer is 7 dollars and 30 cents', '7.3'],
  ['The answer is Rs. 1,080', '1080'],
  ['The answer is 1 000', '1000'],
  ['#### 12 345 people', '12345'],
  ['\\boxed{1 234 567}', '1234567'],
  ['It is 1 000 km away', '1000'],
  ['The answer is 5 100-dollar bills', '5'],
  ["The answer is 12'345.50", '12345.5'],
  ['The answer is 3 : 4', '3:4'],
  ['Answer: 3 : 4', '3:4'],
  ['The answer is 2, 2, 4', '2,2,4'],
  ['The answer is [5].', '5'],
  ['The answer is ‘5’', '5'],
  ['The answer is 3 bolts (2 blue, 1 white)', '3'],
  ['The answer is 3 (2 blue and 1 white).', '3'],
  ['The answer is 3 (2+1) = 9', '9'],
  ['The answer is 3 — 2 blue, 1 white', '3'],
  ['The answer is 3—two blue and 1 white', '3'],
  ['The answer is 3 - that is, 2+1', '3'],
  ['so x = - 7', '-7'],
  ['\\boxed{5~\\text{apples}}', '5'],
  ['\\boxed{5 \\text{ (five)}}', '5'],
  ['\\boxed{\\underline{5}}', '5'],
])('extractAnswer(%j) is %j', (text, expected) => {
  expect(extractAnswer(text)).toBe(expected);
});

test('explicit says whether the text claims its answer', () => {
  expect(findAnswer('The answer is 12')?.explicit).toBe(true);
  expect(findAnswer('#### 12')?.explicit).toBe(true);
  expect(findAnswer('\\boxed{12}')?.explicit).toBe(true);
  expect(findAnswer('so 12 apples')?.explicit).toBe(false);
});

test.each([
  ['$29.00', '29'],
  ['29 dollars', '29'],
  ['29$', '29'],
  ['€29', '29'],
  ['£ 29', '29'],
  ['¥1,000', '1000'],
  ['US$29', '29'],
  ['-$5', '-5'],
  ['$-5', '-5'],
  ['- 5', '-5'],
  ['−5', '-5'],
  ['–5', '-5'],
  ['minus 5', '-5'],
  ['+5', '5'],
  ['50 cents', '50'],
  ['１２', '12'],
  ['－１２．５', '-12.5'],
  ['1/2', '0.5'],
  ['1 1/2', '1.5'],
  ['1½', '1.5'],
  ['½', '0.5'],
  ['-1 1/2', '-1.5'],
  ['1 and 1/2', '1.5'],
  ['\\frac{1}{2}', '0.5'],
  ['\\dfrac{3}{4}', '0.75'],
  ['-\\frac{1}{2}', '-0.5'],
  ['\\frac12', '0.5'],
  ['1\\frac{1}{2}', '1.5'],
  ['\\frac{-1}{2}', '-0.5'],
  ['1/-2', '-0.5'],
  ['2/4', '1/2'],
  ['1 / 2', '.5'],
  ['3/3', '1'],
  ['1,000', '1000'],
  ['1,234,567.50', '1234567.5'],
  ['1{,}000', '1000'],
  ['1\\,000', '1000'],
  ['1\u202f000', '1000'],
  ['3.0', '3'],
  ['3.', '3'],
  ['.5', '0.5'],
  ['007', '7'],
  ['1e3', '1000'],
  ['1.5E-3', '0.0015'],
  ['1.5 x 10^3', '1500'],
  ['1.5 \\times 10^{3}', '1500'],
  ['1.5×10^-3', '0.0015'],
  ['10^3', '1000'],
  ['2.5 × 10³', '2500'],
  ['2.5·10⁻³', '0.0025'],
  ['2.5 * 10**3', '2500'],
  ['2 million', '2000000'],
  ['1.5 thousand dollars', '1500'],
  ['50%', '50'],
  ['50%', '0.5'],
  ['50 percent', '50%'],
  ['50\\%', '50'],
  ['0.5%', '0.005'],
  ['12 apples', '12'],
  ['60 km/h', '60'],
  ['12 cm^2', '12'],
  ['12 square feet', '12'],
  ['45^\\circ', '45'],
  ['45°', '45'],
  ['30mph', '30'],
  ['$12$', '12'],
  ['\\$12', '12'],
  ['(5)', '5'],
  ['"5"', '5'],
  ['x = 5', '5'],
  ['about 5', '5'],
  ['**5**', '5'],
  ['(B)', 'b'],
  ['3 : 4', '3:4'],
  ['2, 2, 4', '2,2,4'],
  ['(3, 4)', '(3,4)'],
  ['10:30', '10:30'],
  ['10:30 a.m.', '10:30am'],
  ['5\\sqrt{5}', '5√5'],
  ['3\\pi', '3π'],
  ['Red Apples', 'red  apples'],
  ['1e999999999', '1E999999999'],
  [`1${'0'.repeat(200)}`, '1e200'],
])('%j = %j', (a, b) => {
  expect(sameAnswer(a, b)).toBe(true);
  expect(sameAnswer(b, a)).toBe(true);
});

test.each([
  ['-5', '5'],
  ['1/3', '0.333'],
  ['1/3', '0.3333333333333333'],
  ['12', '12 1/2'],
  ['1/2', '12'],
  ['1,000', '1'],
  ['2,2,4', '224'],
  ['3:4', '0.75'],
  ['5\\sqrt{5}', '5'],
  ['3π', '3'],
  ['2x', '2'],
  ['2^3', '2'],
  ['0.1', '0.10000000000000001'],
  ['50%', '5'],
  ['50%', '0.5%'],
  ['1e999999999', '1e999999998'],
  ['', ''],
  ['1/0', '1'],
  ['9007199254740993', '9007199254740992'],
  ['10:30', '1030'],
  ['1.2.3', '1.23'],
  ['1,00', '100'],
])('%j differs from %j', (a, b) => {
  expect(sameAnswer(a, b)).toBe(false);
});

test('references are answers or GSM8K solutions', () => {
  expect(referenceAnswer('48/2 = <<48/2=24>>24\n#### 72')).toBe('72');
  expect(referenceAnswer('$1,080.00')).toBe('1080');
  expect(referenceAnswer('2,2,4')).toBe('2,2,4');
  expect(referenceAnswer('  ')).toBe(null);
});

test('the canonical text reads back as itself', () => {
  for (const text of [
    '29',
    '-0.5',
    '1/3',
    '50%',
    '3:4',
    '2,2,4',
    '5√5',
    '(3,4)',
    '1e999999999',
    '-7/3',
    '10:30am',
    'red apples',
    '1.2.3',
  ]) {
    const found = parseAnswer(text);
    expect(found).not.toBe(null);
    expect(extractAnswer(`The answer is ${text}.`), text).toBe(text);
  }
});

const HOSTILE: Readonly<Record<string, (n: number) => string>> = {
  digits: (n) => '9'.repeat(n),
  commas: (n) => ','.repeat(n),
  'digits and commas': (n) => '1,'.repeat(n / 2),
  slashes: (n) => '1/'.repeat(n / 2),
  'spaced slashes': (n) => '1 / '.repeat(n / 4),
  'mixed numbers': (n) => '1 1/2 '.repeat(n / 6),
  'open boxes': (n) => '\\boxed{'.repeat(n / 7),
  'nested boxes': (n) => '\\boxed{'.repeat(n / 8) + '}'.repeat(n / 8),
  braces: (n) => '{'.repeat(n / 2) + '}'.repeat(n / 2),
  fractions: (n) => '\\frac{'.repeat(n / 6),
  markers: (n) => 'the answer is '.repeat(n / 14),
  hashes: (n) => '#'.repeat(n),
  'hash marks': (n) => '#### '.repeat(n / 5),
  spaces: (n) => `5${' '.repeat(n)}5`,
  newlines: (n) => `answer is${'\n'.repeat(n)}`,
  'minus signs': (n) => '-'.repeat(n),
  dollars: (n) => '$'.repeat(n),
  points: (n) => '1.'.repeat(n / 2),
  letters: (n) => `5 ${'a '.repeat(n / 2)}`,
  exponents: (n) => '1e999999999 '.repeat(n / 12),
  annotations: (n) => '<<1'.repeat(n / 3),
  'reasoning tags': (n) => '<think>'.repeat(n / 7),
  'answer tags': (n) => '<answer>5'.repeat(n / 9),
  'boxes without braces': (n) => '\\boxed'.repeat(n / 6),
  'double dollars': (n) => '$$'.repeat(n / 2),
  'open displays': (n) => 'the answer is \\[\n'.repeat(n / 17),
  'rows of a display': (n) => '\\\\'.repeat(n / 2),
  roots: (n) => '\\sqrt{'.repeat(n / 6),
  questions: (n) => 'Question: 5\n'.repeat(n / 12),
  denials: (n) => 'the answer is not 5. '.repeat(n / 21),
  alternatives: (n) => '5 or '.repeat(n / 5),
  'vulgar fractions': (n) => '½'.repeat(n),
  colons: (n) => `answer${':'.repeat(n)}`,
};

test.each(Object.keys(HOSTILE))('hostile %s: eight times the text costs about eight times the time', (kind) => {
  const make = HOSTILE[kind]!;
  const cost = (n: number): number => {
    const text = make(n);
    let best = Infinity;
    for (let round = 0; round < 2; round++) {
      const start = process.cpuUsage();
      extractAnswer(text);
      sameAnswer(text, text);
      referenceAnswer(`the answer is ${text}`);
      best = Math.min(best, process.cpuUsage(start).user / 1000);
    }
    return best;
  };
  cost(10_000); // warm-up
  // Quadratic would be 64 times in every attempt; the floor keeps timer noise of sub-millisecond runs out.
  const ratio = () => cost(160_000) / Math.max(cost(20_000), 1);
  expect([1, 2, 3, 4, 5].some(() => ratio() < 28)).toBe(true);
});
