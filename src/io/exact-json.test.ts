// JSON with numbers of all kinds -> none changes on its way in or out.
import { expect, test } from 'vitest';
import { jsonText, numberText, parseJson, parseRecords } from './exact-json.ts';

test.each([
  ['12345678901234567891', '12345678901234567891'],
  ['-9007199254740993', '-9007199254740993'],
  ['9007199254740991', '9007199254740991'],
  ['0.1000000000000000055511151231257827', '0.1000000000000000055511151231257827'],
  ['0.30000000000000004', '0.30000000000000004'],
  ['123456789012345.678901', '123456789012345.678901'],
  ['1e400', '1e400'],
  ['-1E-400', '-1E-400'],
  ['1E2', '100'],
  ['1.5e3', '1500'],
  ['1.0', '1'],
  ['-0', '0'],
  ['-0.0', '0'],
  ['0', '0'],
  ['2.50', '2.5'],
  ['9007199254740993.0', '9007199254740993.0'],
  ['100000000000000000000000', '100000000000000000000000'],
])('%s is the number %s, wherever it stands', (text, expected) => {
  for (const [json, path] of [
    [text, []],
    [` ${text}\n`, []],
    [`[${text}]`, [0]],
    [`{"a":${text}}`, ['a']],
    [`{"a" : [ {"b":\t${text}} , 1]}`, ['a', 0, 'b']],
  ] as const) {
    const value = path.reduce<unknown>((inner, key) => (inner as Record<string, unknown>)[key], parseJson(json));
    expect(numberText(value), json).toBe(expected);
  }
});

test('what a double would change is written as it was read', () => {
  const text =
    '{"id":12345678901234567891,"a":[1.0,1E2,-0,0.1],"b":{"c":null,"d":true,"e":"1.0 12345678901234567891"},"f":2.5}';
  expect(jsonText(parseJson(text))).toBe(text);
  expect(jsonText({ a: 10n, b: undefined, c: [undefined] })).toBe('{"a":10,"c":[null]}');
});

test('other values are those of JSON.parse', () => {
  for (const text of ['{"a":1,"b":[2,3.5,"x 1e5",null,false]}', '"1e5 [12345678901234567891"', '{"__proto__":1e0}']) {
    expect(parseRecords(text, new Set())).toEqual(JSON.parse(text));
  }
  expect(parseJson('{"a":1e400,"a":2}')).toEqual({ a: 2 });
  expect(numberText('5')).toBe(null);
  for (const text of ['01', '1.', '.5', '+1', 'NaN', '[1e5', '{"a":1e5,}', '-', '1e', '', '12345678901234567891x']) {
    expect(() => parseJson(text), text).toThrow(SyntaxError);
  }
});

test('of records, only the fields named keep digits, and only where a double does not', () => {
  const exact = new Set(['id']);
  expect(parseRecords('{"id":1.0,"x":12345678901234567891}', exact)).toEqual({ id: 1, x: 12345678901234567000 });
  expect(jsonText(parseRecords('[{"id":12345678901234567891,"x":1e400},5,null,"1e400"]', exact))).toBe(
    '[{"id":12345678901234567891,"x":null},5,null,"1e400"]',
  );
});
