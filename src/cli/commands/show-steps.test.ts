// A sample with labels and scores -> its steps as `sipf show` prints them.
import { stripVTControlCharacters } from 'node:util';
import picocolors from 'picocolors';
import { describe, expect, it } from 'vitest';
import {
  describeOutcome,
  formatScores,
  formatTally,
  renderPair,
  renderPath,
  renderTable,
  type ShownPath,
  wrap,
} from './show-steps.ts';

const plain = picocolors.createColors(false);
const colored = picocolors.createColors(true);
const tally = (correct: number, run: number) => ({ correct, run, stop: 'full' as const, impliedBy: null });
const path: ShownPath = {
  title: 'q1/1/0 right (18)',
  steps: ['16 - 3 - 4 = <<16-3-4=9>>9 eggs a day', '9 * 2 = 18. The answer is 18'],
  scores: [0.93, 0.31],
  labels: { steps: [tally(3, 4), { correct: 0, run: 0, stop: 'first-success', impliedBy: null }] },
};

describe('renderPath', () => {
  it('marks each step with its score and tally without colours', () => {
    expect(renderPath(path, { colors: plain, width: 80 })).toEqual([
      'q1/1/0 right (18)',
      '[0.93] 3/4   16 - 3 - 4 = <<16-3-4=9>>9 eggs a day',
      '[0.31] -     9 * 2 = 18. The answer is 18',
    ]);
  });

  it('colours a step by its score', () => {
    const lines = renderPath(path, { colors: colored, width: 80 });
    expect(lines[1]).toContain(colored.green('16 - 3 - 4 = <<16-3-4=9>>9 eggs a day'));
    expect(lines[2]).toContain(colored.red('[0.31] '));
  });

  it('stays within the width and hangs the rest of a long step', () => {
    const lines = renderPath(
      { ...path, steps: [`${'word '.repeat(30)}${'x'.repeat(60)}`, 'b'] },
      { colors: plain, width: 50 },
    );
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(50);
    expect(lines[2]).toMatch(/^ {13}word/);
  });
});

it('shows steps of code with their indentation, wrapped or not', () => {
  const steps = ['def f(x):\n    y = x\n', '\n\n    # two\n\tif y:\n        return 1\n'];
  const code = { title: 'code', steps, scores: null, labels: null };
  expect(renderPath(code, { colors: plain, width: 60 })).toEqual([
    'code',
    'def f(x):',
    '    y = x',
    '    # two',
    '    if y:',
    '        return 1',
  ]);
  expect(wrap('    aaaa bbbb cccc dddd eeee', 26)).toEqual(['    aaaa bbbb cccc dddd', '    eeee']);
});

it('a program stays out of a title, what it said does not', () => {
  const extracted = 'def f(x):\n    return x\n';
  const wrong = { kind: 'wrong', reason: 'exception', detail: 'NameError: y\nat line 2' } as const;
  expect(describeOutcome({ outcome: wrong, extracted })).toBe('wrong: exception (NameError: y)');
  expect(describeOutcome({ outcome: { kind: 'right' }, extracted })).toBe('right');
  expect(describeOutcome({ outcome: { kind: 'right' }, extracted: '12' })).toBe('right (12)');
});

it('formatTally tells full, stopped and settled steps apart', () => {
  expect(formatTally(tally(3, 4))).toBe('3/4');
  expect(formatTally({ correct: 1, run: 2, stop: 'first-success', impliedBy: null })).toBe('1/2*');
  expect(formatTally({ correct: 0, run: 0, stop: 'first-success', impliedBy: 2 })).toBe('*');
  expect(formatTally({ ...tally(0, 0), settledBy: 'false-equation' }, -1)).toBe('=');
  expect([-0.1, -9, 0].map((logp) => formatTally(tally(0, 0), logp))).toEqual(['.90', '.00', '1.00']);
});

it('formatScores names the first error from 1', () => {
  expect(formatScores({ scores: [0.9, 0.2], firstError: 1 }, plain)).toBe('0.90 0.20  first error: step 2');
  expect(formatScores({ scores: [0.9], firstError: -1 }, plain)).toBe('0.90  no error');
});

describe('renderPair', () => {
  const other = { ...path, title: 'rejected' };
  it('stands side by side where there is room, with any colours', () => {
    for (const colors of [plain, colored]) {
      const lines = renderPair({ chosen: path, rejected: other, shared: 0 }, { colors, width: 140 });
      expect(lines).toHaveLength(3);
      const borders = lines.map((line) => stripVTControlCharacters(line).indexOf('│'));
      expect(new Set(borders).size).toBe(1);
    }
  });
  it('stands one under the other where there is none', () => {
    expect(renderPair({ chosen: path, rejected: other, shared: 0 }, { colors: plain, width: 80 })).toHaveLength(7);
    expect(renderPair({ chosen: path, rejected: null, shared: 0 }, { colors: plain, width: 140 })).toHaveLength(3);
  });
  it('shows once what both begin with', () => {
    const bad = { ...other, steps: [path.steps[0] ?? '', '4 = 9'], scores: [0.9, 0.1], labels: null };
    const lines = renderPair({ chosen: path, rejected: bad, shared: 1 }, { colors: plain, width: 140 });
    expect(lines[0]).toBe('Both paths begin with (no loss here):');
    expect(lines.filter((line) => line.includes(path.steps[0] ?? ''))).toHaveLength(1);
    expect(lines.at(-1)).toMatch(/│ \[0\.10\] 4 = 9$/);
  });
});

it('renderTable puts numbers to the right', () => {
  expect(
    renderTable(
      [
        ['round', 'accuracy'],
        ['0', '9.1 %'],
        ['10', '42.0 %'],
      ],
      plain,
    ),
  ).toEqual(['round  accuracy', '    0     9.1 %', '   10    42.0 %']);
});

it('wrap keeps every character', () => {
  expect(wrap('a bb ccc', 4)).toEqual(['a bb', 'ccc']);
  expect(wrap('x'.repeat(9), 4)).toEqual(['xxxx', 'xxxx', 'x']);
  expect(wrap('a\n\nb', 9)).toEqual(['a', '', 'b']);
});
