// Random texts -> the numbers that a Map gives them, also after they are stored.
import { expect, test } from 'vitest';
import { createRandom } from '../../random.ts';
import { TextTable } from './text-table.ts';

test('numbers texts in the order in which they come, exactly', () => {
  const random = createRandom('text-table');
  const units = ['a', 'b', '\ud800', '\udc00', '\ufffd', '\0', 'é'];
  const texts = Array.from({ length: 3000 }, () =>
    Array.from({ length: random.int(0, 6) }, () => random.pick(units)).join(''),
  );
  const table = new TextTable();
  const known = new Map<string, number>();
  for (const text of texts) {
    expect(table.find(text)).toBe(known.get(text) ?? -1);
    if (!known.has(text)) known.set(text, known.size);
    expect(table.add(text)).toBe(known.get(text));
  }
  const stored = new TextTable(table.columns);
  for (const [text, number] of known) {
    expect(stored.find(text)).toBe(number);
    expect(stored.text(number)).toBe(text);
  }
  expect(stored.find('nowhere')).toBe(-1);
});
