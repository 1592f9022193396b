// A completion -> the program in it, without fences, prose, markers and a cut last line.
// Nothing is repaired: what is wrong in the code stays wrong.

import { withoutReasoning } from '../text/reasoning.ts';
import { firstTurn } from '../text/turns.ts';
import { chooseBlock, definition } from './code-fences.ts';
import { isProse, leadingProse } from './code-prose.ts';
import { type LogicalLine, logicalLines } from './python-tokens.ts';

interface CodeTextOptions {
  /** The function that the tests call, where known: tells which fenced block counts, and where the answer ends. */
  readonly entryPoint?: string | null | undefined;
  /** Code that the completion continues (HumanEval); it may repeat it instead. */
  readonly prefix?: string | undefined;
  /** `length`: the last statement may be cut, and is left out where it can be. */
  readonly finishReason?: 'stop' | 'length' | undefined;
}

/** Where the code stands in a completion. */
interface CodeRegion {
  readonly start: number;
  readonly end: number;
}

/**
 * The program of a completion, to be run as it is; null where there is no statement in it. With a `prefix`, a completion that starts with a
 * body continues it; one that defines the entry point itself gets the imports and helpers above it only.
 * @example
 * codeOf('Here it is:\n```python\ndef f(x):\n    return x\n```'); // the function alone
 */
export function codeOf(completion: string, options: CodeTextOptions = {}): string | null {
  const { prefix } = options;
  const answer = withoutReasoning(completion);
  const { start, end } = regionIn(answer, options);
  const code = unquoted(answer.slice(start, end));
  if (logicalLines(code).every(({ blank }) => blank)) return null;
  if (prefix === undefined) return dedent(code);
  if (startsProgram(code, options)) return futureFirst(preamble(prefix, options) + dedent(code));
  const isJoined = /\n[ \t]*$/.test(prefix) || /^[ \t]*\r?\n/.test(code);
  const before = isJoined ? prefix : `${prefix}\n`;
  return before + indentBody(code, before);
}

/** Where the code of a completion begins and ends. What is outside is reasoning, prose, fences, tests and calls after the answer. */
export function codeRegion(completion: string, options: CodeTextOptions = {}): CodeRegion {
  const answer = withoutReasoning(completion);
  // Reasoning in the midst of the answer leaves no one region: there all of it is code, as far as steps are concerned.
  const before = completion.endsWith(answer) ? completion.length - answer.length : 0;
  const { start, end } = regionIn(completion.slice(before), options);
  return { start: before + start, end: before + end };
}

function regionIn(answer: string, options: CodeTextOptions): CodeRegion {
  const { start, end } = turnIn(answer);
  const own = answer.slice(start, end);
  const block = startsIndented(own, options) ? null : chooseBlock(own, options.entryPoint);
  const { start: from, end: to, fenced } = block ?? { start: 0, end: own.length, fenced: false };
  const text = own.slice(from, to);
  const skipped = fenced || startsIndented(text, options) ? 0 : leadingProse(text, options.prefix !== undefined);
  const begin = start + from + skipped;
  return { start: begin, end: begin + answerEnd(text.slice(skipped), options) };
}

/** Lists of special tokens by name (`[BOS] + ids`) and comparisons (`0 <s> 1`) are Python; alone in a line they are left-over tokens. */
const NAMED_TOKEN =
  /\[(?=[A-Z]{3}\])(?!(?<=(?:^|\n)[ \t]*\[)[A-Z]{3}\][ \t]*(?:\r?\n|$))|<(?=[a-z]{1,9}>[ \t]*[\w([{"'-])(?<=[\w)\]][ \t]*<)/g;

/** The model's own turn, without left-over special tokens and what follows them. */
function turnIn(answer: string): CodeRegion {
  const masked = answer.replace(NAMED_TOKEN, '(');
  const own = firstTurn(masked, { program: true });
  const start = masked.indexOf(own);
  return { start, end: start + own.length };
}

/** A body that continues the prefix begins with white space. */
function startsIndented(text: string, { prefix }: CodeTextOptions): boolean {
  return prefix !== undefined && /^(?:[ \t]*\r?\n)*[ \t]+(?!```|~~~)\S/.test(text);
}

/** A statement at the left margin with its decorators, block and clauses. */
interface Statement {
  readonly start: number;
  /** Its first line, decorators apart. */
  readonly head: string;
  readonly line: LogicalLine;
}

const CLAUSE = /^(?:else|elif|except|finally)\b/;

function statements(text: string): Statement[] {
  const found: Statement[] = [];
  let decorators: number | null = null;
  for (const line of logicalLines(text)) {
    if (line.blank) continue;
    const head = headOf(line);
    if (head.startsWith('@') && line.indent === 0) decorators ??= line.start;
    else if (line.indent === 0 && !CLAUSE.test(head)) {
      found.push({ start: decorators ?? line.start, head, line });
      decorators = null;
    } else if (found.length === 0) found.push({ start: line.start, head, line });
  }
  return found;
}

/** A logical line from its first token on. */
function headOf({ text, start, tokens: [first] }: LogicalLine): string {
  return first === undefined ? '' : text.slice(first.start - start);
}

const ANY_DEFINITION = /^(?:async[ \t]+)?(?:def|class)\b/;
const STOPS = /^(?:assert\b|print\b|if[ \t(]+__name__\b|Question:|\[(?:DONE|END|\/PYTHON)\])/;

/** Where the answer ends: at the first prose, test, output or second definition of the entry point that follows it at the left margin. */
function answerEnd(text: string, options: CodeTextOptions): number {
  const { entryPoint } = options;
  const list = statements(text);
  const own = entryPoint ? definition(entryPoint) : ANY_DEFINITION;
  // A program that gives its function another name ends where it would have ended.
  const pattern = list.some(({ head }) => own.test(head)) ? own : ANY_DEFINITION;
  const defines = ({ head }: Statement): boolean => pattern.test(head);
  const goesOn = options.prefix !== undefined && !startsProgram(text, options);
  const first = goesOn ? 0 : list.findIndex(defines);
  if (first < 0) return options.finishReason === 'length' ? endOfWhole(text, list, defines) : text.length;
  const stop = list.findIndex(
    (statement, i) =>
      i > first &&
      (STOPS.test(statement.head) ||
        isProse(statement.head.split('\n')[0] ?? '') ||
        (pattern !== ANY_DEFINITION && defines(statement))),
  );
  const kept = stop < 0 ? list : list.slice(0, stop);
  // Calls at the end do nothing for the tests.
  let count = kept.length;
  while (count > first + 1 && isCall(kept[count - 1]!)) count -= 1;
  const end = list[count]?.start ?? text.length;
  if (options.finishReason !== 'length' || end < text.length) return end;
  return endOfWhole(text, list, (statement) => defines(statement) || (goesOn && statement === list[0]));
}

function isCall({ head, line }: Statement): boolean {
  return /^[\w.]+\(/.test(head) && /\)\s*(?:#.*)?$/.test(head) && line.tokens.every(({ kind }) => kind !== 'other');
}

/** Of a text cut at the token limit: without its last statement where the answer was complete before it, else without its last line. */
function endOfWhole(text: string, list: readonly Statement[], defines: (statement: Statement) => boolean): number {
  const last = list.at(-1);
  if (last !== undefined && list.slice(0, -1).some(defines)) return last.start;
  if (/[\r\n]$/.test(text)) return text.length;
  const cut = logicalLines(text).at(-1);
  return cut === undefined || cut.start === 0 ? text.length : cut.start;
}

/** The code is a program of its own, not a body that continues the prefix. */
function startsProgram(code: string, { entryPoint, prefix }: CodeTextOptions): boolean {
  if (prefix === undefined) return true;
  if (startsIndented(code, { prefix }) && !/^\s*(?:async|def|class|import|from|@)\b/.test(code)) return false;
  const isOwn = entryPoint ? definition(entryPoint) : /^\s*(?:async[ \t]+)?def\b/m;
  return isOwn.test(code) && !isBody(code);
}

const RETURNS = new Set(['return', 'yield', 'nonlocal']);

/** It returns outside its definitions, or no program is indented so: an inner function has the entry point's name. */
function isBody(code: string): boolean {
  let levels: { indent: number; inner: boolean }[] = [];
  let last = '';
  for (const line of logicalLines(code)) {
    const { blank, indent, tokens } = line;
    if (blank) continue;
    const outer = levels.filter((level) => level.indent <= indent);
    const hasDedent = outer.length < levels.length;
    if (hasDedent && outer.length > 0 && outer.at(-1)?.indent !== indent) return true;
    const inner = outer.at(-1)?.inner === true || ANY_DEFINITION.test(last);
    levels = outer.at(-1)?.indent === indent ? outer : [...outer, { indent, inner }];
    last = headOf(line);
    const returns = RETURNS.has(tokens[0]!.text) || (!ANY_DEFINITION.test(last) && hasReturn(line));
    if (returns && levels.at(-1)?.inner !== true) return true;
  }
  return false;
}

/** `if x: return f(x)` */
function hasReturn({ tokens }: LogicalLine): boolean {
  return tokens.some(({ kind, text }) => kind === 'name' && text === 'return');
}

const FUTURE = /^from[ \t]+__future__[ \t]+import\b/;

/** Imports from __future__ come first, wherever the completion repeats them. */
function futureFirst(program: string): string {
  const lines = logicalLines(program);
  const isFuture = ({ text, indent }: LogicalLine): boolean => indent === 0 && FUTURE.test(text);
  const future = lines.filter(isFuture);
  const firstOther = lines.findIndex((line) => !line.blank && !isFuture(line));
  if (future.every((line) => firstOther < 0 || lines.indexOf(line) < firstOther)) return program;
  const first = new Set(future.map(({ text }) => text.replace(/\n?$/, '\n')));
  return [...first, ...lines.filter((line) => !isFuture(line)).map(({ text }) => text)].join('');
}

/** The prefix without its last definition at the margin: imports and helpers. */
export function preamble(prefix: string, { entryPoint }: CodeTextOptions): string {
  const list = statements(prefix);
  const pattern = entryPoint ? definition(entryPoint) : /^(?:async[ \t]+)?def\b/;
  const own = list.findLast(({ head }) => pattern.test(head));
  return own === undefined ? `${prefix}\n` : prefix.slice(0, own.start);
}

/** Takes off Markdown's marks of a quotation. */
function unquoted(code: string): string {
  return /^(?:[ \t]*>[^\n>]*(?:\n|$))+$/.test(code) ? code.replace(/^[ \t]*> ?/gm, '') : code;
}

/** Takes off the indentation that all lines share, and one that only the first line has. */
function dedent(code: string): string {
  const lines = logicalLines(code).filter(({ blank }) => !blank);
  const [first, ...others] = lines;
  if (first === undefined || first.indent === 0) return code;
  const space = code.slice(first.start, first.tokens[0]!.start);
  const shared = others.every((line) => code.startsWith(space, line.start));
  if (!shared || others.length === 0) return code.slice(0, first.start) + code.slice(first.tokens[0]!.start);
  return logicalLines(code)
    .map(({ text }) => (text.startsWith(space) ? text.slice(space.length) : text))
    .join('');
}

const INDENT = '    ';

/** A body that lost the indentation of its first line, or all of it, gets it back. */
function indentBody(code: string, prefix: string): string {
  const [first, second] = logicalLines(code).filter(({ blank }) => !blank);
  if (first === undefined || first.indent > 0 || /\n[ \t]+$/.test(prefix)) return code;
  const opens = first.text.trimEnd().endsWith(':');
  const lostFirst = second !== undefined && second.indent > (opens ? INDENT.length : 0);
  const space = spaceAfter(prefix);
  if (lostFirst) return code.slice(0, first.start) + space + code.slice(first.start);
  return logicalLines(code)
    .map(({ text, blank }) => (blank ? text : space + text))
    .join('');
}

/** The indentation of the statement that follows. */
function spaceAfter(prefix: string): string {
  const last = logicalLines(prefix).findLast(({ blank }) => !blank);
  if (last === undefined) return INDENT;
  const own = prefix.slice(last.start, last.tokens[0]!.start);
  return last.tokens.at(-1)?.text === ':' ? own + INDENT : own === '' ? INDENT : own;
}
