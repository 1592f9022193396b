// What a report of a bug holds.
import { expect, it } from 'vitest';
import { bugReport } from './bug-report.ts';

it('names the version, the machine, the command as a shell reads it, and the stack', () => {
  const lines = bugReport('sipf', new TypeError('x is not a function'), [
    'run',
    '--prompt.system',
    "it's $HOME",
    '--seed',
    '1',
  ]);
  expect(lines[0]).toMatch(/this is a bug in sipf.*README\.md, "Report a bug"/);
  expect(lines[1]).toMatch(/^sipf \d+\.\d+\.\d+, Node\.js v\d+.*, \w+ \w+$/);
  expect(lines[2]).toBe("Command: sipf run --prompt.system 'it'\\''s $HOME' --seed 1");
  expect(lines[3]).toMatch(/^TypeError: x is not a function\n\s+at /);
  expect(bugReport('sipf', 'text', []).at(-1)).toBe('text');
});
