// A line, or the beginning of a text -> whether it is prose, as no Python reads like it.
import { type Token, tokenize } from './python-tokens.ts';

const CODE_START = /^[ \t]{0,3}(?:def|class|async[ \t]+def|import|from)[ \t]|^[ \t]{0,3}@\w/;

const MODULE_DOCSTRING = /^\s*[rRuU]?("""|''')[\s\S]*?\1[ \t]*(?:#[^\n]*)?(?:\n|$)/;

/** How much of the text is prose before the first line of code; `anyCode`: what is no prose is code, not only a definition or import. */
export function leadingProse(text: string, anyCode: boolean): number {
  if (MODULE_DOCSTRING.test(text)) return 0;
  let at = 0;
  let first: number | null = null;
  for (const line of text.split(/(?<=\n)/)) {
    const start = at;
    at += line.length;
    if (line.trim() === '') continue;
    if (isProse(line)) first = null;
    else {
      first ??= start;
      if (anyCode || CODE_START.test(line)) return first;
    }
  }
  // Without a definition anywhere, what looks like code at the end is none after prose at the beginning: all of it stays.
  return first === null || /^\S/.test(text) ? 0 : first;
}

const KEYWORDS = new Set(
  'False None True and as assert async await break class continue def del elif else except finally for from global if import in is lambda nonlocal not or pass raise return try while with yield'.split(
    ' ',
  ),
);
const SOFT = new Set(['match', 'case', 'type', 'print']);

/** True for a line that no Python has: words beside each other, question marks, `Explanation:`, a prompt of the interpreter, a tag. */
export function isProse(line: string): boolean {
  const words = tokenize(line).filter(({ kind }) => kind !== 'space' && kind !== 'newline' && kind !== 'comment');
  const isWord = ({ kind, text }: Token): boolean =>
    kind === 'number' || kind === 'string' || (kind === 'name' && !KEYWORDS.has(text));
  const [first, second] = words;
  if (first === undefined) return false;
  if (
    /^[ \t]*(?:>>>|[-*+] |\d+\. |#{2,} |(?:-{3,}|\*{3,})\s*$|<\/?[A-Za-z][\w-]*>\s*$)/.test(line) ||
    words.some(({ kind }) => kind === 'other')
  )
    return true;
  if (words.length === 2 && isWord(first) && second?.text === ':') return true;
  return words.some((token, i) => {
    const next = words[i + 1];
    if (next === undefined || !isWord(token) || !isWord(next)) return false;
    if (token.kind === 'string' && next.kind === 'string') return false;
    return !(i === 0 && SOFT.has(token.text));
  });
}
