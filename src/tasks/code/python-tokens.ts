// Python text, whole or broken -> tokens that cover it exactly, and its logical lines.

type TokenKind = 'name' | 'number' | 'string' | 'operator' | 'comment' | 'newline' | 'space' | 'other';

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly start: number;
  readonly end: number;
  /** Brackets open before it. A newline at depth 0 ends a logical line. */
  readonly depth: number;
}

/** A statement with everything up to its line end; strings and brackets are whole. `blank`: nothing but white space and comments. */
export interface LogicalLine {
  readonly text: string;
  readonly start: number;
  readonly end: number;
  readonly blank: boolean;
  /** Columns before the first token, tabs to the next multiple of 8. */
  readonly indent: number;
  /** Without white space, comments and line ends. */
  readonly tokens: readonly Token[];
}

const STRING_START = /(?:[rR][bBfFtT]?|[bBfFtT][rR]?|[uU])?("""|'''|"|')/y;

/** Tried in turn. A backslash before a line end is white space: it continues the line. */
const PATTERNS: readonly { readonly kind: TokenKind; readonly regex: RegExp }[] = [
  { kind: 'space', regex: /(?:[ \t\f]|\\(?:\r\n|\r|\n))+/y },
  { kind: 'newline', regex: /\r\n|\r|\n/y },
  { kind: 'comment', regex: /#[^\r\n]*/y },
  { kind: 'name', regex: /[\p{ID_Start}_]\p{ID_Continue}*/uy },
  { kind: 'number', regex: /0[xXbBoO][\da-fA-F_]+|\.?\d(?:[eE][+-]\d|[\w.])*/y },
  {
    kind: 'operator',
    regex: /\.\.\.|\*\*=?|\/\/=?|<<=?|>>=?|->|:=|[=!<>+\-*/%&|^@]=|[=<>+\-*/%&|^@()[\]{}:;,.~]/y,
  },
];

/**
 * The tokens of `text` from `start` on, one at a time: joined, they are the text. An unclosed quote ends with its line, an unclosed triple
 * quote or bracket with the text.
 */
export function* tokensFrom(text: string, start = 0): Generator<Token> {
  let depth = 0;
  for (let at = start; at < text.length; ) {
    const { kind, end } = tokenAt(text, at);
    const own = text.slice(at, end);
    const isSign = kind === 'operator' && own.length === 1;
    if (isSign && ')]}'.includes(own)) depth = Math.max(0, depth - 1);
    yield { kind, text: own, start: at, end, depth };
    if (isSign && '([{'.includes(own)) depth += 1;
    at = end;
  }
}

/** All tokens of `text`. */
export function tokenize(text: string): Token[] {
  return [...tokensFrom(text)];
}

function tokenAt(text: string, start: number): { kind: TokenKind; end: number } {
  const string = stringEnd(text, start);
  if (string !== null) return { kind: 'string', end: string };
  for (const { kind, regex } of PATTERNS) {
    regex.lastIndex = start;
    if (regex.test(text)) return { kind, end: regex.lastIndex };
  }
  return { kind: 'other', end: start + (text.codePointAt(start)! > 0xffff ? 2 : 1) };
}

/** What the scan of one string is inside of: a string's text, a replacement field, its format after the colon, or a bracket in a field. */
interface Frame {
  readonly kind: 'text' | 'field' | 'format' | 'bracket';
  /** Of the innermost string. */
  readonly quote: string;
  /** Braces in the text open fields. */
  readonly formatted: boolean;
}

/** Where the string literal that begins at `start` ends; null: none begins there. Fields of f-strings may hold strings with the same quote (PEP 701). */
export function stringEnd(text: string, start: number): number | null {
  const first = openString(text, start);
  if (first === null) return null;
  const stack: Frame[] = [first.frame];
  let at = first.end;
  while (at < text.length) {
    const top = stack.at(-1)!;
    if (top.kind === 'text' || top.kind === 'format') {
      const next = inText(text, at, top);
      if (next === 'broken') return at;
      if (next === 'close') {
        while (stack.pop()?.kind !== 'text');
        at += top.quote.length;
        if (stack.length === 0) return at;
        continue;
      }
      if (next.push) stack.push({ ...top, kind: 'field' });
      if (next.pop) stack.splice(-2);
      at = next.end;
    } else at = inField(text, at, top, stack);
  }
  return text.length;
}

function openString(text: string, start: number): { frame: Frame; end: number } | null {
  STRING_START.lastIndex = start;
  const match = STRING_START.exec(text);
  if (match === null) return null;
  const quote = match[1]!;
  const prefix = match[0].slice(0, -quote.length);
  return { frame: { kind: 'text', quote, formatted: /[fFtT]/.test(prefix) }, end: start + match[0].length };
}

interface Advance {
  readonly end: number;
  readonly push?: boolean;
  readonly pop?: boolean;
}

const ESCAPE = /\\(?:N\{[\w -]{0,100}\}|\r\n|[^{}]|(?=[{}]))/sy;

function inText(text: string, at: number, { kind, quote, formatted }: Frame): Advance | 'close' | 'broken' {
  const char = text.charAt(at);
  if (char === '\\') {
    ESCAPE.lastIndex = at;
    return { end: ESCAPE.test(text) ? ESCAPE.lastIndex : at + 1 };
  }
  if ((char === '\n' || char === '\r') && quote.length === 1) return 'broken';
  if (text.startsWith(quote, at)) return 'close';
  const isFormat = kind === 'format';
  if (isFormat && char === '}') return { end: at + 1, pop: true };
  if (char === '{' && (isFormat || formatted)) {
    if (!isFormat && text.charAt(at + 1) === '{') return { end: at + 2 };
    return { end: at + 1, push: true };
  }
  return { end: at + 1 };
}

const FIELD_WORD = /[\p{ID_Start}_]\p{ID_Continue}*|#[^\r\n]*/uy;

/** One step inside a replacement field; changes `stack`. */
function inField(text: string, at: number, top: Frame, stack: Frame[]): number {
  const string = openString(text, at);
  if (string !== null) {
    stack.push(string.frame);
    return string.end;
  }
  FIELD_WORD.lastIndex = at;
  if (FIELD_WORD.test(text)) return FIELD_WORD.lastIndex;
  const char = text.charAt(at);
  if ('([{'.includes(char)) stack.push({ ...top, kind: 'bracket' });
  else if (top.kind === 'bracket' && ')]}'.includes(char)) stack.pop();
  else if (top.kind === 'field' && char === '}') stack.pop();
  else if (top.kind === 'field' && char === ':') stack.push({ ...top, kind: 'format' });
  return at + 1;
}

/** The logical lines of `text`: joined, they are the text. */
export function logicalLines(text: string): LogicalLine[] {
  const lines: LogicalLine[] = [];
  let tokens: Token[] = [];
  let start = 0;
  const close = (end: number): void => {
    if (end === start) return;
    const indent = columns(text.slice(start, tokens[0]?.start ?? end));
    lines.push({ text: text.slice(start, end), start, end, blank: tokens.length === 0, indent, tokens });
    tokens = [];
    start = end;
  };
  for (const token of tokensFrom(text)) {
    if (token.kind === 'newline' && token.depth === 0) close(token.end);
    else if (token.kind !== 'space' && token.kind !== 'comment' && token.kind !== 'newline') tokens.push(token);
  }
  close(text.length);
  return lines;
}

function columns(space: string): number {
  let column = 0;
  for (const char of space) {
    if (char === ' ') column += 1;
    else if (char === '\t') column += 8 - (column % 8);
    else if (char === '\n' || char === '\r' || char === '\f') column = 0;
  }
  return column;
}
