// A text that may hold fenced blocks (``` or [PYTHON] markers) -> the block that holds the answer. Leaves the code in it to code-text.ts.
import { leadingProse } from './code-prose.ts';

export interface Block {
  readonly start: number;
  readonly end: number;
  /** Between two fences, or from one to the end. */
  readonly fenced: boolean;
}

/** A fence or marker on its own line; a fence that ends a line of prose (`Solution: \`\`\`python`), or the line of code that it closes. */
const FENCE =
  /^[ \t]{0,3}(?:```+|~~~+)[ \t]*([\w+-]*)[^\n]*$|^[ \t]*\[(BEGIN|PYTHON|DONE|END|\/PYTHON)\][ \t]*$|(?<=[ \t])```+([Pp]y(?:thon3?)?)[ \t]*$|(?<=[^`\n])(```+)(?=[ \t]*\r?$)/gm;

/** What stands before a fence within its line says whether it opens (after prose) or closes (after code that has no backtick). */
const BEFORE_OPENING = /^[^"'#`]*$/;
const BEFORE_CLOSING = /^[^`]*$/;

/** The fenced block that defines the entry point, else the first with a definition, else the first; the whole text where there is none. */
export function chooseBlock(text: string, entryPoint: string | null | undefined): Block {
  const blocks = fencedBlocks(text);
  const holds = (pattern: RegExp): Block | undefined =>
    blocks.find(({ start, end }) => pattern.test(text.slice(start, end)));
  const own = entryPoint ? holds(definition(entryPoint)) : undefined;
  return (
    own ??
    holds(/^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]/m) ??
    blocks[0] ?? { start: 0, end: text.length, fenced: false }
  );
}

function fencedBlocks(text: string): Block[] {
  const blocks: Block[] = [];
  let open: number | null = null;
  for (const match of text.matchAll(FENCE)) {
    const after = Math.min(text.length, match.index + match[0].length + 1);
    const marker = match[2] ?? '';
    const within = match[3] === undefined ? (match[4] === undefined ? null : BEFORE_CLOSING) : BEFORE_OPENING;
    if (within !== null) {
      const line = text.slice(text.lastIndexOf('\n', match.index - 1) + 1, match.index);
      if ((open === null) !== (within === BEFORE_OPENING) || !within.test(line)) continue;
    }
    const closes = open !== null || marker === 'DONE' || marker === 'END' || marker === '/PYTHON';
    if (!closes) {
      // A bare fence with code before it closes what a prompt opened.
      const before = text.slice(0, match.index);
      const isFirst = blocks.length === 0 && (match[1] ?? match[3] ?? '') === '' && marker === '';
      if (isFirst && /\S/.test(before) && leadingProse(before, false) === 0) {
        blocks.push({ start: 0, end: match.index, fenced: true });
        return blocks;
      }
      open = after;
      continue;
    }
    if (open !== null || blocks.length === 0)
      blocks.push({ start: open ?? 0, end: match.index, fenced: open !== null });
    open = null;
  }
  if (open !== null) blocks.push({ start: open, end: text.length, fenced: true });
  return blocks;
}

/** Matches where `name` is defined: a function, a class, or a value. */
export function definition(name: string): RegExp {
  const own = name.replace(/[^\w]/g, '\\$&');
  return new RegExp(
    `^[ \\t]*(?:(?:async[ \\t]+)?def[ \\t]+${own}[ \\t]*\\(|class[ \\t]+${own}\\b|${own}[ \\t]*(?::[^=\\n]*)?=[^=])`,
    'm',
  );
}
