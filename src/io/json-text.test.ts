// JSON as files hold it -> values; what would overflow the stack is refused.
import { expect, it } from 'vitest';
import { parseJsonText } from './json-text.ts';

const nested = (levels: number, open = '[', close = ']') => open.repeat(levels) + close.repeat(levels);

it('reads what JSON.parse reads, and passes over a byte order mark', () => {
  expect(parseJsonText('{"a":[1,"[[[",null]}')).toEqual({ a: [1, '[[[', null] });
  expect(parseJsonText('\ufeff{"a":1}')).toEqual({ a: 1 });
  expect(() => parseJsonText('{')).toThrow(SyntaxError);
});

it('takes 200 levels and refuses more, whatever makes them', () => {
  expect(Array.isArray(parseJsonText(nested(200)))).toBe(true);
  expect(parseJsonText(JSON.stringify('['.repeat(5000)))).toHaveLength(5000);
  expect(parseJsonText(JSON.stringify(['['.repeat(5000), 1]))).toHaveLength(2);
  for (const text of [
    nested(202),
    nested(1_000_000),
    `{"a":${nested(300)}}`,
    `${'{"a":'.repeat(300)}1${'}'.repeat(300)}`,
  ]) {
    expect(() => parseJsonText(text)).toThrow('nested more than 200 levels');
  }
});
