// Programs and prefixes -> steps that join to the same text, cut where statements end.
import { describe, expect, test } from 'vitest';
import { createRandom } from '../../random.ts';
import { splitCode } from './code-steps.ts';

describe('steps of code', () => {
  test.each([
    ['simple statements', ['import math\n', 'x = 1; y = 2\n', 'print(x)']],
    ['a header takes the first statement of its block', ['def f(x):\n    y = x\n', '    return y\n']],
    ['headers that follow each other, too', ['for i in a:\n    for j in b:\n        c += 1\n', 'print(c)\n']],
    ['a block on one line is a statement', ['if x: return 1\n', 'else: return 2\n']],
    [
      'else and except are headers',
      ['if x:\n    a()\n', 'else:\n    b()\n', 'try:\n    c()\n', 'except E:\n    d()\n'],
    ],
    ['a decorator goes with its function', ['@cache\n@other(1)\ndef f():\n    return 1\n']],
    ['a docstring is a statement', ['def f():\n    """Says.\n\n    More."""\n', '    return 1\n']],
    ['comments and blank lines join what follows', ['x = 1\n', '\n# two\n\ny = 2\n']],
    ['and what precedes, at the end', ['x = 1\n# end\n\n']],
    [
      'brackets, strings and continuations are whole',
      ['x = [\n  1,\n\n  2]\n', 'y = """\nfor x in y:\n"""\n', 'z = 1 \\\n + 2\n'],
    ],
    ['a slice or dictionary that ends no line is no header', ['x = a[1:]\n', 'y = {1: 2,\n 3: 4}\n']],
    ['a type and a lambda', ['x: int = 1\n', 'f = lambda y: y\n']],
    ['the body of a function that is already begun', ['    x = 1\n', '    return x\n']],
    ['a header cut off is a step of its own', ['x = 1\n', 'for y in x:\n']],
    ['a header with nothing but a comment under it', ['x = 1\n', 'for y in x: # later\n    # nothing\n']],
    ['CRLF', ['def f():\r\n\tx = 1\r\n', '\r\n\treturn x\r\n']],
    ['no code', ['# nothing\n\n']],
    ['no text', ['']],
  ])('%s', (_name, steps) => expect(splitCode(steps.join(''))).toEqual(steps));
});

test('joined, the steps are the text, for any text', () => {
  const parts = [
    '"',
    "'",
    '"""',
    "'''",
    'f"',
    'rb"',
    '{',
    '}',
    '(',
    ')',
    '[',
    ']',
    ':',
    '\\',
    '\n',
    '\r\n',
    '\r',
    '\t',
    ' ',
    '#',
    '@',
    'x',
    'if x:',
    '\n    ',
    '1e',
    '.',
    '\u2028',
    '\u00a0',
    '\ud83d',
    '\u{1f600}',
    '\0',
    '\f',
    '!',
    '$',
    '?',
    '```python\n',
    "don't",
  ];
  const random = createRandom('code steps');
  for (let round = 0; round < 4000; round++) {
    const text = Array.from({ length: random.int(0, 40) }, () => random.pick(parts)).join('');
    const steps = splitCode(text);
    expect(steps.join('')).toBe(text);
    expect(steps.length === 1 || steps.every((step) => step !== '')).toBe(true);
  }
});

test.each([
  ['"'],
  ["'''\n"],
  ['f"{'],
  ['f"{x:{'],
  ['f"\\N{'],
  ['(['],
  [')'],
  ['\\\n'],
  ['\\'],
  [' '],
  ['\n'],
  ['if x:\n'],
  ['@'],
  ['1e+'],
  ['é'],
  ['# '],
  ['\ud83d'],
  ['\r'],
  ['x = 1\n'],
  ['f"""{"""'],
])('100,000 characters of %j take linear time', (part) => {
  const text = part.repeat(100_000 / part.length);
  const started = process.cpuUsage();
  expect(splitCode(text).join('')).toBe(text);
  expect(process.cpuUsage(started).user / 1000).toBeLessThan(2000);
});
