// The list of objectives: each is named as its options say; options of another are refused.
import { expect, test } from 'vitest';
import { OBJECTIVES } from './objectives.ts';

test.each(Object.entries(OBJECTIVES))('%s is the kind of its own options', (name, { options, open }) => {
  expect(options.parse({ kind: name }).kind).toBe(name);
  expect(() => open({ kind: 'other' })).toThrow(/training objective.*"other"/s);
});
