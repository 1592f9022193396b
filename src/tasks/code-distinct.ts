// The programs of one question -> those kept when duplicates go: programs that are nearly the same tokens are one. Leaves running them out.
import { codeRegion } from './code-text.ts';
import { oneOfEach } from './distinct.ts';
import { type LogicalLine, logicalLines } from './python-tokens.ts';

/**
 * Programs whose normalised edit distance is at most this are duplicates: one token in twenty. A change of one name or sign in a function
 * of a few lines is below it, another way to compute the same thing is not.
 */
export const DUPLICATE_DISTANCE = 0.05;

/** Tokens beyond this count for nothing: bounds the cost of a pair. */
const MAX_TOKENS = 1000;

/** The tokens of a program as they count: no comments, docstrings, blank lines or spaces; strings with one kind of quote; blocks by their depth. */
export function programTokens(program: string): string[] {
  const { start, end } = codeRegion(program);
  const text = program.slice(start, end);
  const indents: number[] = [];
  return logicalLines(text).flatMap((line) => {
    if (line.blank || isDocstring(line)) return [];
    while ((indents.at(-1) ?? -1) > line.indent) indents.pop();
    if (indents.at(-1) !== line.indent) indents.push(line.indent);
    const tokens = line.tokens.map(({ kind, start: from, end: to }) => {
      const token = text.slice(from, to);
      return kind === 'string' ? token.replace(/^'((?:[^'"\\])*)'$/, '"$1"') : token;
    });
    return [`\n${indents.length}`, ...tokens];
  });
}

function isDocstring({ tokens }: LogicalLine): boolean {
  return tokens.every(({ kind }) => kind === 'string');
}

/** Indices of the programs kept, in order. Duplicates of duplicates are one group; of it stays the program farthest from those kept. */
export function distinctPrograms(paths: readonly (readonly string[])[]): number[] {
  const programs = paths.map((path) => programTokens(path.join('')).slice(0, MAX_TOKENS));
  const group = programs.map((_, i) => i);
  const find = (i: number): number => {
    let root = i;
    while (group[root] !== root) root = group[root] ?? 0;
    return root;
  };
  for (const [i, one] of programs.entries()) {
    for (let j = 0; j < i; j++) {
      const [a, b] = [find(i), find(j)];
      if (a !== b && areDuplicates(one, programs[j] ?? [])) group[Math.max(a, b)] = Math.min(a, b);
    }
  }
  const groups = new Map<number, number[]>();
  for (const i of programs.keys()) groups.set(find(i), [...(groups.get(find(i)) ?? []), i]);
  return oneOfEach([...groups.values()], programs);
}

/** Edit distance over tokens within DUPLICATE_DISTANCE of the longer program; computes only the diagonals that could be. An empty program matches none. */
export function areDuplicates(a: readonly string[], b: readonly string[]): boolean {
  const longer = Math.max(a.length, b.length);
  const most = Math.floor(DUPLICATE_DISTANCE * longer);
  if (Math.min(a.length, b.length) === 0 || Math.abs(a.length - b.length) > most) return false;
  const tooFar = most + 1;
  let row = Array.from({ length: b.length + 1 }, (_, j) => Math.min(j, tooFar));
  for (let i = 1; i <= a.length; i++) {
    const next = new Array<number>(b.length + 1).fill(tooFar);
    if (i <= most) next[0] = i;
    for (let j = Math.max(1, i - most); j <= Math.min(b.length, i + most); j++) {
      const swap = (row[j - 1] ?? tooFar) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next[j] = Math.min(swap, (row[j] ?? tooFar) + 1, (next[j - 1] ?? tooFar) + 1, tooFar);
    }
    row = next;
  }
  return (row[b.length] ?? tooFar) <= most;
}
