// Python text -> its reasoning steps. Joined, they are the text.
//
// A step is one simple statement with everything before it that is none: the headers it stands under (`for x in y:`, `else:`), their decorators,
// comments and blank lines. A header alone says nothing that could be graded, and a prefix that ends in one is no program; so every prefix of
// whole steps is a program as far as the statements go (an open `try` apart). What comes after the last statement belongs to the last step.
import { type LogicalLine, logicalLines } from './python-tokens.ts';

/**
 * The steps of a program: `splitCode(text).join('') === text` for any text, however broken. Never empty; never cuts a string or a bracket.
 * @example
 * splitCode('x = 1\ny = 2\n'); // ['x = 1\n', 'y = 2\n']
 */
export function splitCode(text: string): string[] {
  const steps: string[] = [];
  let start = 0;
  let hasHeader = false;
  for (const line of logicalLines(text)) {
    if (line.blank) continue;
    if (isHeader(line)) {
      hasHeader = true;
      continue;
    }
    steps.push(text.slice(start, line.end));
    start = line.end;
    hasHeader = false;
  }
  const rest = text.slice(start);
  if (hasHeader || steps.length === 0) return [...steps, rest];
  steps[steps.length - 1] += rest;
  return steps;
}

/** Opens a block, or is a decorator. */
function isHeader({ tokens }: LogicalLine): boolean {
  return tokens.at(-1)?.text === ':' || tokens[0]?.text === '@';
}
