// A text with fenced blocks, inline code or [PYTHON] markers -> the block with the answer.
// A fence within a string of the program closes nothing.
import { isProse } from './code-prose.ts';
import { type Token, tokensFrom } from './python-tokens.ts';

export interface Block {
  readonly start: number;
  readonly end: number;
  /** Between two fences, or from one to the end. */
  readonly fenced: boolean;
}

/** What may stand before a fence in its line: indentation, a list's mark, a quotation's. */
const LINE_START = String.raw`(?<=^|\n)[ \t]*(?:(?:[-*+]|\d{1,3}[.)]|>)[ \t]+)*`;
const MARKER = String.raw`(?<=^|\n)[ \t]*\[(?<marker>BEGIN|PYTHON|DONE|END|/PYTHON)\][ \t]*(?=\r?\n|$)`;
/** A fence at the start of a line, one that ends a line of prose, one whose line continues with code, or a marker. */
const OPENING = new RegExp(`${LINE_START}(?<fence>\`{3,}|~{3,})|${MARKER}|(?<=[^\`\\n])(?<late>\`{3,})`, 'g');
/** Names of the language, and the words of an info string after it. */
const LANGUAGE =
  /^[ \t]*(?:\{[^}\n]*\}|(?:python[\d.]*|py[\d]?|ipython[\d]?|pycon|sage|code|text|plaintext)\b(?::(?=[ \t]))?(?![ \t]*[=(.[:]))/i;
const ATTRIBUTES =
  /^(?:[ \t]*(?:\{[^}\n]*\}|:?[\w./-]+\.\w+|[\w-]+=(?:"[^"\n]*"|'[^'\n]*'|[^\s"'=]+)(?=[ \t]|$)|copy|linenums|showLineNumbers)(?![\w(]))*[ \t]*$/i;
/** What follows a language in styles of Markdown, and begins no Python: `python,linenos`, `python|f.py`, `python // f.py`, `python=`. */
const NO_CODE = /^[ \t]*(?:python3?|py)(?:[ \t]*(?:[,|;!]|\/\/)|=[ \t]*\r?\n)/i;
const STARTS_CODE =
  /^(?:(?:def|class|async|import|from|return|for|while|if|with|try|raise|yield|assert|pass|lambda)\b|@\w|#|\w+[ \t]*(?:=(?!=)|\+=|-=)|[\w.]+\()/;
const CLOSING_LINE = /[ \t]*(?:>[ \t]?)*(`{3,}|~{3,})([^\n]*)/y;
/** Prose before a second version that takes the first one back. */
const TAKES_BACK =
  /\b(?:wrong|incorrect|mistakes?|bugs?|buggy|fix(?:ed|es)?|correct(?:ed|ion)?|revised?|final(?:ly)?|wait|actually|instead|oops|fails?|updated?)\b/i;

const ANY_DEFINITION = /^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]/m;

/**
 * The fenced block that defines the entry point, else the first with a definition, else the first; the whole text where there is none, or where
 * the program stands before them.
 */
export function chooseBlock(text: string, entryPoint: string | null | undefined): Block {
  const blocks = fencedBlocks(text);
  const [first] = blocks;
  const whole = { start: 0, end: text.length, fenced: false };
  if (first === undefined) return inlineBlock(text, entryPoint) ?? whole;
  const patterns = [...(entryPoint ? [definition(entryPoint)] : []), ANY_DEFINITION];
  for (const pattern of patterns) {
    const own = versionOf(text, blocks, pattern);
    if (own !== undefined) return own;
    if (pattern.test(text.slice(0, first.start))) return whole;
  }
  return first;
}

/** The first block that defines it, or a later one that prose in between says to be the right one. */
function versionOf(text: string, blocks: readonly Block[], pattern: RegExp): Block | undefined {
  const versions = blocks.filter(({ start, end }) => pattern.test(text.slice(start, end)));
  return versions.reduce<Block | undefined>(
    (kept, block) => (kept === undefined || TAKES_BACK.test(text.slice(kept.end, block.start)) ? block : kept),
    undefined,
  );
}

/** `def f(x): return x` in single backticks, where there is no other code. */
function inlineBlock(text: string, entryPoint: string | null | undefined): Block | undefined {
  const whole = /^\s*(`{1,2})(?!`)([^`]+)\1\s*$/d.exec(text);
  const [start = 0, end = 0] = whole?.indices?.[2] ?? [];
  if (whole !== null) return { start: afterLanguage(text, start, end), end, fenced: true };
  const own = entryPoint ? definition(entryPoint) : /^(?:async[ \t]+)?def[ \t]/;
  for (const { index, 0: span, 1: code = '' } of text.matchAll(/(?<!`)`(?!`)([^`]+)`(?!`)/g)) {
    if (own.test(code) && !own.test(text.slice(0, index))) {
      return { start: index + 1, end: index + span.length - 1, fenced: true };
    }
  }
  return undefined;
}

function fencedBlocks(text: string): Block[] {
  const blocks: Block[] = [];
  const plain = plainOf(text);
  const opening = new RegExp(OPENING);
  for (let match = opening.exec(text); match !== null; match = opening.exec(text)) {
    const { fence, marker, late } = match.groups ?? {};
    const after = match.index + match[0].length;
    if (plain.isQuoted(match.index)) continue;
    if (marker !== undefined) {
      if (marker === 'BEGIN' || marker === 'PYTHON') {
        const block = blockFrom(text, nextLine(text, after), marker);
        blocks.push(block);
        opening.lastIndex = block.next;
      } else if (blocks.length === 0) blocks.push({ start: 0, end: match.index, fenced: false });
      continue;
    }
    const run = fence ?? late ?? '';
    const isFirst = blocks.length === 0 && plain.codeAt < match.index;
    if (isFirst && closesPrompt(text, match.index, after, late !== undefined)) {
      return [{ start: 0, end: match.index, fenced: true }];
    }
    if (late !== undefined && !opensLate(text, match.index, after)) continue;
    const block = blockFrom(text, contentStart(text, after), run);
    blocks.push(block);
    opening.lastIndex = block.next;
  }
  return blocks;
}

/** What the text is before its first fence, where it is a program from its beginning on. */
interface Plain {
  /** Where the first line stands that is surely code. */
  readonly codeAt: number;
  /** There the program has a string or a comment. */
  isQuoted(at: number): boolean;
}

function plainOf(text: string): Plain {
  let codeAt = Number.POSITIVE_INFINITY;
  let start = 0;
  for (const line of text.split(/(?<=\n)/)) {
    if (line.trim() !== '' && isProse(line)) break;
    if (STARTS_CODE.test(line.trim())) codeAt = start;
    if (codeAt === start) break;
    start += line.length;
  }
  const isProgram = codeAt < text.length || /^\s*[rRuU]?(?:"""|''')/.test(text);
  const quoted = isProgram ? quotedIn(text) : [];
  let next = 0;
  return {
    codeAt,
    isQuoted(at) {
      while (next < quoted.length && quoted[next]!.end <= at) next += 1;
      return next < quoted.length && quoted[next]!.start < at;
    },
  };
}

/** Strings that are closed, and comments. */
function quotedIn(text: string): Token[] {
  return [...tokensFrom(text)].filter(
    (token) => token.kind === 'comment' || (token.kind === 'string' && isClosed(token.text)),
  );
}

/** A bare fence, with code before it, closes what a prompt opened; at the end of a line of prose it opens: `Solution: \`\`\``. */
function closesPrompt(text: string, at: number, after: number, late: boolean): boolean {
  if (!/^[ \t]*\r?(?:\n|$)/.test(text.slice(after, nextLine(text, after)))) return false;
  if (!late) return true;
  const line = text.slice(text.lastIndexOf('\n', at - 1) + 1, at);
  return /^[^`]*$/.test(line) && !/^[^"'#`()=]*:[ \t]*$/.test(line);
}

function isClosed(string: string): boolean {
  const quote = /"""|'''|"|'/.exec(string)?.[0] ?? '"';
  const body = string.slice(string.indexOf(quote) + quote.length);
  return body.endsWith(quote) && !/(?<!\\)\\$/.test(body.slice(0, -quote.length));
}

/** A fence within a line opens a block after prose without quotes, or where code follows it. */
function opensLate(text: string, at: number, after: number): boolean {
  const line = text.slice(text.lastIndexOf('\n', at - 1) + 1, at);
  const rest = text.slice(after, nextLine(text, after));
  if (!/^[^"'#`]*$/.test(line)) return false;
  const info = rest.trim();
  return info === '' || LANGUAGE.test(rest) || STARTS_CODE.test(info);
}

/** Where the code of a block begins whose fence ends at `after`: on the next line, or in this one after the language. */
function contentStart(text: string, after: number): number {
  const next = nextLine(text, after);
  const line = text.slice(after, next);
  const language = LANGUAGE.exec(line)?.[0] ?? '';
  const rest = line.slice(language.length);
  const info = rest.trim();
  if (NO_CODE.test(line)) return next;
  if (info === '' || ATTRIBUTES.test(rest.replace(/\s+$/, ''))) return next;
  const isCode = language === '' ? STARTS_CODE.test(info) : !/^[\w-]+$/.test(info);
  return isCode ? after + language.length + (rest.length - rest.trimStart().length) : next;
}

function nextLine(text: string, from: number): number {
  const end = text.indexOf('\n', from);
  return end < 0 ? text.length : end + 1;
}

/** The block that begins at `start` and ends before a fence like `run` (or a marker) that is in no string. */
function blockFrom(text: string, start: number, run: string): Block & Closing {
  const { end = text.length, next = text.length } = closingOf(text, start, run) ?? {};
  return { start: afterLanguage(text, start, end), end, fenced: true, next };
}

/** The language may have a line of its own. */
function afterLanguage(text: string, start: number, end: number): number {
  const line = /^\s*(?:python3?|py)[ \t]*\r?\n/i.exec(text.slice(start, Math.min(end, start + 40)));
  return start + (line?.[0].length ?? 0);
}

interface Closing {
  readonly end: number;
  /** Where to look for the next block. */
  readonly next: number;
}

/** Steps over the code's tokens, so that strings are whole; one that never ends hides nothing. Null: the block is not closed. */
function closingOf(text: string, start: number, run: string): Closing | null {
  const first = closingLine(text, start, run);
  if (first !== null) return first;
  for (const token of tokensFrom(text, start)) {
    if (token.kind === 'string' && token.end === text.length && !isClosed(token.text))
      return rawClosing(text, token.start, run);
    const found = closingAt(text, token, run);
    if (found !== null) return found;
  }
  return null;
}

/** After code, what closes is at the end of its line, or has prose after it. */
function closingAt(text: string, token: Token, run: string): Closing | null {
  if (token.kind === 'newline') return closingLine(text, token.end, run);
  if (isFence(text, token, run)) {
    const fence = /^(?:`+|~+)/.exec(text.slice(token.start, token.start + 40));
    return { end: token.start, next: token.start + (fence?.[0].length ?? 3) };
  }
  const ended = token.kind === 'comment' ? /^(#[^`]*\w[^`]*)`{3,}[ \t]*$/.exec(token.text) : null;
  if (ended === null || text.indexOf('\n```', token.end) >= 0) return null;
  return { end: token.start + (ended[1]?.length ?? 0), next: token.end };
}

/** No Python has three backticks, or ends a line with three tildes. */
function isFence(text: string, { start, kind }: Token, run: string): boolean {
  if (run[0] === '`') return kind === 'other' && text.startsWith('```', start);
  return run[0] === '~' && /^~{3,}[ \t]*\r?(?:\n|$)/.test(text.slice(start, nextLine(text, start)));
}

/** A line that closes. One that names a language as well opens the next block. */
function closingLine(text: string, at: number, run: string): Closing | null {
  const isMarker = /^[A-Z]/.test(run);
  if (isMarker) {
    const marker = /[ \t]*\[(?:DONE|END|\/PYTHON)\][ \t]*(?=\r?\n|$)/y;
    marker.lastIndex = at;
    return marker.test(text) ? { end: at, next: marker.lastIndex } : null;
  }
  CLOSING_LINE.lastIndex = at;
  const match = CLOSING_LINE.exec(text);
  if (match === null || match[1]?.[0] !== run[0]) return null;
  const rest = (match[2] ?? '').trim();
  if (rest === '') return (match[1]?.length ?? 0) >= run.length ? { end: at, next: at + match[0].length } : null;
  return { end: at, next: LANGUAGE.test(rest) ? at : at + match[0].length };
}

/** As without strings: of code that never closes one. */
function rawClosing(text: string, start: number, run: string): Closing | null {
  for (let at = start; at < text.length; at = nextLine(text, at)) {
    const found = closingLine(text, at, run);
    if (found !== null) return found;
  }
  return null;
}

/** Matches where `name` is defined: a function, a class, or a value. */
export function definition(name: string): RegExp {
  const own = name.replace(/[^\w]/g, '\\$&');
  return new RegExp(
    `^[ \\t]*(?:(?:async[ \\t]+)?def[ \\t]+${own}[ \\t]*\\(|class[ \\t]+${own}\\b|${own}[ \\t]*(?::[^=\\n]*)?=[^=])`,
    'm',
  );
}
