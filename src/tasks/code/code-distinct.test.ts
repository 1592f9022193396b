// Programs -> how many tokens differ, and which programs count as the same.
import { expect, test } from 'vitest';
import { createRandom } from '../../random.ts';
import { areDuplicates, DUPLICATE_DISTANCE, distinctPrograms, programTokens } from './code-distinct.ts';

const program = (lines: number, change = ''): string =>
  `def f(x):\n${Array.from({ length: lines }, (_, i) => `    y${i} = x + ${i}\n`).join('')}    return y0${change}\n`;

test('comments, docstrings, blank lines, spaces, quotes, fences and prose do not count; blocks do', () => {
  const plain = programTokens('def f(x):\n    if x:\n        return "a"\n    return (1, 2)\n');
  for (const other of [
    "def f( x ):\n\n  # says\n  if x : # so\n    return 'a'\n  return (\n    1,2 )\n",
    'def f(x):\n\t"""Says."""\n\tif x:\n\t\treturn "a"\n\treturn (1,\n2)\n',
    'Here it is:\n```python\ndef f(x):\n    if x:\n        return "a"\n    return (1, 2)\n```\n',
  ]) {
    expect(programTokens(other)).toEqual(plain);
  }
  expect(programTokens('if x:\n    a()\nb()\n')).not.toEqual(programTokens('if x:\n    a()\n    b()\n'));
});

test('of nearly equal programs one stays, of different ones all', () => {
  const [a, b, c] = [program(16), program(16, ' + 1'), 'def f(x):\n    return sum(x)\n'];
  expect(programTokens(a).length).toBeGreaterThan(100);
  expect(distinctPrograms([[a], [c], [b]])).toEqual([1, 2]);
  expect(distinctPrograms([[a], [a.replaceAll('    ', '\t')], [c]])).toEqual([0, 2]);
  expect(distinctPrograms([[c], ['def f(x):\n    return max(x)\n']])).toEqual([0, 1]);
  expect(distinctPrograms([[program(2)], [program(2, ' + 1')]])).toEqual([0, 1]);
  expect(distinctPrograms([[''], [''], ['# nothing']])).toEqual([0, 1, 2]);
  expect(distinctPrograms([])).toEqual([]);
});

test('steps are joined as they are', () => {
  expect(
    distinctPrograms([['def f(x):\n    y = x\n', '    return y\n'], ['def f(x):\n    y = x\n    return y\n']]),
  ).toEqual([0]);
});

/** Levenshtein, in full. */
function distance(a: readonly string[], b: readonly string[]): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(
        Math.min((row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1), (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1),
      );
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

test('the distance within its diagonals is the distance', () => {
  const random = createRandom('diagonals');
  let duplicates = 0;
  for (let round = 0; round < 1500; round++) {
    const a = Array.from({ length: random.int(1, 240) }, () => random.pick(['a', 'b', 'c', 'd']));
    const b = [...a];
    for (let edits = random.int(0, 5); edits > 0; edits--) {
      const at = random.int(0, b.length);
      if (random.next() < 0.5) b.splice(at, 1);
      else b.splice(at, random.int(0, 1), random.pick(['a', 'b', 'x']));
    }
    const near = b.length > 0 && distance(a, b) <= DUPLICATE_DISTANCE * Math.max(a.length, b.length);
    expect(areDuplicates(a, b)).toBe(near);
    duplicates += Number(near);
  }
  expect(duplicates).toBeGreaterThan(200);
});

test('a hundred long programs take a moment', () => {
  const paths = Array.from({ length: 100 }, (_, i) => [program(150, ` + ${'z'.repeat(i % 7)}${i}`)]);
  const started = process.cpuUsage();
  expect(distinctPrograms(paths)).toHaveLength(1);
  expect(process.cpuUsage(started).user / 1000).toBeLessThan(6000);
});
