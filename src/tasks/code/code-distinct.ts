// The programs of one question -> those kept when nearly equal programs are one.

import { oneOfEach } from '../math/distinct.ts';
import { codeRegion } from './code-text.ts';
import { type LogicalLine, logicalLines } from './python-tokens.ts';

/**
 * Programs whose normalised edit distance is at most this are duplicates: one token in fifty. One sign or name makes another program of a
 * short function, so there only layout, comments and the like are nothing; in a long one a slip or two is no new way to think.
 */
export const DUPLICATE_DISTANCE = 0.02;

/** Tokens beyond this count for nothing: bounds the cost of a pair. */
const MAX_TOKENS = 1000;

/** The tokens of a program as they count: no comments, docstrings, blank lines or spaces; strings with one kind of quote; blocks by their depth. */
export function programTokens(program: string): string[] {
  const { start, end } = codeRegion(program);
  const indents: number[] = [];
  return logicalLines(program.slice(start, end)).flatMap((line) => {
    if (line.blank || isDocstring(line)) return [];
    while ((indents.at(-1) ?? -1) > line.indent) indents.pop();
    if (indents.at(-1) !== line.indent) indents.push(line.indent);
    const tokens = line.tokens.map(({ kind, text }) =>
      kind === 'string' ? text.replace(/^'((?:[^'"\\])*)'$/, '"$1"') : text,
    );
    return [`\n${indents.length}`, ...tokens];
  });
}

function isDocstring({ tokens }: LogicalLine): boolean {
  return tokens.every(({ kind }) => kind === 'string');
}

/**
 * Indices of the programs kept, in order. A program joins the first group whose first program it repeats, so that a chain of small changes
 * does not make one group of different programs; of a group stays the one farthest from those kept.
 */
export function distinctPrograms(paths: readonly (readonly string[])[]): number[] {
  const programs = paths.map((path) => programTokens(path.join('')).slice(0, MAX_TOKENS));
  const groups: number[][] = [];
  for (const [index, program] of programs.entries()) {
    const group = groups.find(([first = 0]) => areDuplicates(program, programs[first] ?? []));
    if (group === undefined) groups.push([index]);
    else group.push(index);
  }
  return oneOfEach(groups, programs);
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
