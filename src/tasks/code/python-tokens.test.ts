// Python source, whole and cut -> tokens, each with its kind and place.
import { describe, expect, test } from 'vitest';
import { logicalLines, stringEnd, tokenize } from './python-tokens.ts';

/** `kind text` of each token but white space. */
const tokens = (text: string): string[] =>
  tokenize(text).flatMap(({ kind, start, end }) => (kind === 'space' ? [] : [`${kind} ${text.slice(start, end)}`]));

const lines = (text: string): string[] => logicalLines(text).map(({ start, end }) => text.slice(start, end));

test('names, numbers, operators, comments and strings', () => {
  expect(tokens('x_1 = α**2 // 0xe-1 # ok')).toEqual([
    'name x_1',
    'operator =',
    'name α',
    'operator **',
    'number 2',
    'operator //',
    'number 0xe',
    'operator -',
    'number 1',
    'comment # ok',
  ]);
  expect(tokens('a[1:-1] != .5e-3j')).toEqual([
    'name a',
    'operator [',
    'number 1',
    'operator :',
    'operator -',
    'number 1',
    'operator ]',
    'operator !=',
    'number .5e-3j',
  ]);
  expect(tokens(`rb'\\'' "a" u"b" x"c"`)).toEqual([
    `string rb'\\''`,
    'string "a"',
    'string u"b"',
    'name x',
    'string "c"',
  ]);
});

describe('where a string ends', () => {
  test.each([
    ['"a\\"b" c', 6],
    ["'it''s'", 4],
    ['"""a"b\n""" c', 10],
    ['r"\\" x"', 7],
    ['"a\\\nb" c', 6],
    ['"open\nx', 5],
    ['"""open\nx', 9],
    ['f"{x!r:>{w}}" y', 13],
    ['f"{d["a"]}" y', 11],
    ['f"{{x" y', 6],
    ['f"{x:{y["z"]}}" w', 15],
    ['f"""{\n"a" # "\n}""" y', 18],
    ["f'{f\"{f'{1}'}\"}' y", 16],
    ['f"{ {1: 2}[1] }" y', 16],
    ['f"\\N{DIGIT ONE}{x}" y', 19],
    ['f"\\{x}" y', 7],
    ['f"{x:.2f" y', 9],
    ['t"{x}" y', 6],
    ['x"a"', null],
  ])('%j at %j', (text, end) => expect(stringEnd(text, 0)).toBe(end));
});

test('a logical line holds its brackets, strings and continuations', () => {
  const program = [
    'x = (1,\n  # one\n\n  2)\n',
    "y = '''a\n\nb'''\n",
    'z = 1 + \\\n  2\n',
    '\n',
    '# c\n',
    'if x: y; z',
  ];
  expect(lines(program.join(''))).toEqual(program);
  expect(logicalLines(program.join('')).map(({ blank }) => blank)).toEqual([false, false, false, true, true, false]);
});

test('indentation counts columns, tabs to multiples of 8', () => {
  expect(logicalLines('a\n  b\n\tc\n  \td\n').map(({ indent }) => indent)).toEqual([0, 2, 8, 8]);
});

test('all line ends end a line', () => {
  expect(lines('a\r\nb\rc\nd')).toEqual(['a\r\n', 'b\r', 'c\n', 'd']);
});

test('broken text: an open quote ends with its line, an open bracket or triple quote with the text, a stray closer is nothing', () => {
  expect(lines('a = "x\nb = 1\n')).toEqual(['a = "x\n', 'b = 1\n']);
  expect(lines('a = (x\nb = 1\n')).toEqual(['a = (x\nb = 1\n']);
  expect(lines('a = """x\nb = 1\n')).toEqual(['a = """x\nb = 1\n']);
  expect(lines('a = x)\nb = 1\n')).toEqual(['a = x)\n', 'b = 1\n']);
  expect(lines("Here's the code:\nx = 1\n")).toEqual(["Here's the code:\n", 'x = 1\n']);
});
