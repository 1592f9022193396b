// A completion -> where it states its answer: boxes, tags, `####` lines, "the answer is".

import { withoutReasoning } from '../text/reasoning.ts';
import { firstTurn } from '../text/turns.ts';
import { strip, wholeNumber } from './answer-values.ts';
import { plainText } from './plain-text.ts';

/** No answer is longer: text after a marker, or inside a box, is read up to here. */
export const MAX_CHARACTERS = 1000;
/** Of each kind of marker only the last ones are tried. */
const MAX_MARKERS = 20;

/**
 * How an answer is stated. `box` and `tag` hold nothing else; after `hash` comes the answer, or a heading; `final` ("final answer:") and `is`
 * ("the answer is") begin a sentence that states it; after a bare `answer` ("Answer:") may come a whole solution; `denied`: it is said not to be so.
 */
export interface Stated {
  readonly kind: 'box' | 'tag' | 'hash' | 'final' | 'is' | 'answer' | 'denied';
  /** With its markup: within one box, tag, display or line; several lines that belong together are joined. */
  readonly text: string;
  /** Where it stands in the model's own text. */
  readonly start: number;
  readonly end: number;
}

/** Something that may be an answer: a digit, or a marker. */
const HOLDS_ANSWER = /[\d¼-¾⅐-⅞]|\\boxed *\{ *[^ }]|<\/?(?:final[-_ ]?)?answer>|\banswer(?: is|:) *\S/i;

/** The model's own text: its first turn, without reasoning blocks. */
export function ownText(completion: string): string {
  return firstTurn(withoutReasoning(completion), { isAnswered: (before) => HOLDS_ANSWER.test(before) });
}

const isBlank = (text: string): boolean => !/[\p{L}\p{N}√π∞∅±]/u.test(strip(plainText(text)));

const isWhole = (text: string): boolean => wholeNumber(strip(plainText(text))) !== null;

interface Span {
  readonly start: number;
  readonly end: number;
}

interface Segment extends Span {
  /** Math on lines of its own. */
  readonly isDisplay?: boolean;
}

const oneLine = (raw: string, joint: string): string => raw.trim().replace(/\s*\n\s*(?:[-*•][ \t]+)?/g, joint);

const BRACE = /\\(?:boxed|fbox|framebox)(?![A-Za-z])\s{0,4}\{?|\\[{}]|[{}]/g;
/** What a box without braces holds: up to the end of its math, its clause or its line. */
const BARE_BOX = /\$?[^$\n]{0,200}?(?=\$|\n|\\\)|\\\]|[.,;:!?](?=\s|$)|(?<!\\)(?<![A-Za-z])[A-Za-z]{2}|$)/y;

/** The last of `spans`, perhaps found late, that holds something. Only the last MAX_MARKERS are tried. */
function lastFilled(text: string, spans: readonly (() => Span)[], longest: number): Span | null {
  for (const find of spans.slice(-MAX_MARKERS).reverse()) {
    const span = find();
    if (span.end - span.start <= longest && !isBlank(text.slice(span.start, span.end))) return span;
  }
  return null;
}

/** The last box that holds something; an outer one wins over those inside it. One pass, no recursion. */
function lastBox(text: string): Span | null {
  const opens: { readonly at: number; readonly boxed: boolean; readonly boxesBefore: number }[] = [];
  const boxes: (() => Span)[] = [];
  for (const { 0: sign, index } of text.matchAll(BRACE)) {
    const at = index + sign.length;
    if (sign === '}') {
      const open = opens.pop();
      if (!open?.boxed) continue;
      boxes.length = open.boxesBefore;
      boxes.push(() => ({ start: open.at, end: index }));
    } else if (sign.endsWith('{') && sign !== '\\{') {
      opens.push({ at, boxed: sign.length > 1, boxesBefore: boxes.length });
    } else if (sign.length > 2) {
      boxes.push(() => {
        BARE_BOX.lastIndex = at;
        return { start: at, end: at + (BARE_BOX.exec(text)?.[0].length ?? 0) };
      });
    }
  }
  const found = lastFilled(text, boxes, MAX_CHARACTERS);
  // A box that is not closed reaches to the end of its line.
  const open = opens.findLast(({ boxed }) => boxed);
  if (open === undefined || (found !== null && found.start > open.at)) return found;
  return lastFilled(text, [() => segmentAt(text, open.at)], MAX_CHARACTERS) ?? found;
}

const TAG =
  /(?:<|&lt;) ?(\/?) ?(?:final[-_ ]?answer|answer|ans|solution)(?: [^<>\n]{0,100})?(?:>|&gt;)|\[(\/?)ANSWER\]/gi;

/** What the last complete answer tag holds that holds something; else what follows one that is not closed, or stands before a closing one. */
function lastTag(text: string): Span | null {
  let open: number | null = null;
  const complete: (() => Span)[] = [];
  const lone: (() => Span)[] = [];
  const tags = [...text.matchAll(TAG)].map(({ index, 0: tag, 1: slash, 2: slash2 }) => {
    return { start: index, end: index + tag.length, closes: Boolean(slash || slash2) };
  });
  for (const { start, end, closes } of tags) {
    const from: number | null = open;
    open = closes ? null : end;
    if (!closes) continue;
    if (from !== null) complete.push(() => ({ start: from, end: start }));
    else lone.push(() => ({ start: text.lastIndexOf('\n', start - 1) + 1, end: start }));
  }
  if (open !== null) {
    // `<answer>72<answer> (2 steps)`: the second one closes.
    const [before, last] = tags.slice(-2);
    const pair = before && last && !before.closes ? { start: before.end, end: last.start } : null;
    const isPair = pair !== null && pair.end - pair.start < 60 && isWhole(text.slice(pair.start, pair.end));
    const from = open;
    lone.push(() => (isPair ? pair : segmentAt(text, from)));
  }
  return lastFilled(text, complete, 10 * MAX_CHARACTERS) ?? lastFilled(text, lone, MAX_CHARACTERS);
}

const DISPLAY = /[\s*_:>]{0,20}(?:(\\\[)|(\$\$)|\\begin ?\{([a-z]{1,20}\*?)\}|(```)\w{0,20}\n)/y;

/** The rows of a derivation. Those of a system, a matrix, or values of several letters (`x = 1` above `y = 2`) are one answer. */
function rowsOf(display: string): string[] {
  const rows = display.split('\\\\');
  const names = rows
    .map((row) => /^[\s&]*([A-Za-z])\s*&?\s*=\s*&?\s*[-\d.\\{}a-z]+[\s,.]*$/.exec(row)?.[1])
    .filter(Boolean);
  const isOne = /\\begin ?\{(?:cases|[a-zA-Z]?matrix|array)/.test(display) || new Set(names).size > 1;
  return isOne ? [display] : rows;
}

/** Math on lines of its own that begins at `at`: its last row. */
function displayAt(text: string, at: number): Span | null {
  DISPLAY.lastIndex = at;
  const match = DISPLAY.exec(text);
  if (match === null) return null;
  const [opening, bracket, dollars, name] = match;
  const isSystem = /^(?:cases|[a-zA-Z]?matrix|array)$/.test(name ?? '');
  const start = at + opening.length;
  const close = bracket ? '\\]' : dollars ? '$$' : name ? `\\end{${name}}` : '```';
  const inside = text.slice(start, start + 10 * MAX_CHARACTERS);
  const length = inside.indexOf(close);
  const whole = (length < 0 ? inside : inside.slice(0, length)).replace(/\\end ?\{[a-z]{1,20}\*?\}\s*$/, '').trimEnd();
  const rows = isSystem ? [whole] : rowsOf(whole);
  while (rows.length > 0 && isBlank(rows.at(-1)!)) rows.pop();
  const last = rows.pop()?.slice(0, MAX_CHARACTERS);
  if (last === undefined) return null;
  const from = start + rows.reduce((sum, row) => sum + row.length + 2, 0);
  return { start: from, end: from + last.length };
}

/** Marks at the beginning of a line, a bullet too, and lines of such marks alone. */
const LINE_MARKS = /(?:[ \t]*[-=*_>#:`]*[ \t]*\n){1,10}[ \t]*(?:[-*•>] )?/y;

/** One of several lines that each state a part: a bullet, or the value of a letter. */
const PART_LINE = /[ \t]*(?:[-*•][ \t]+[^\n]*[^\s][^\n]*|\$?[A-Za-z]\w? ?=[^\n]*|(?:and|or)\b[^\n]*)(?:\n|$)/iy;

/** Where the lines of parts end that begin at `start`, and of which the first ends at `end`. */
function partsEnd(text: string, start: number, end: number): number {
  let at = end;
  PART_LINE.lastIndex = start;
  for (let lines = 0; lines < 10 && PART_LINE.test(text); lines++) {
    at = Math.max(at, PART_LINE.lastIndex);
  }
  return at;
}

/** The display or the rest of the line from `at`; where the rest is empty, the next line. */
function segmentAt(text: string, at: number): Segment {
  const display = displayAt(text, at);
  if (display !== null) return { ...display, isDisplay: true };
  const limit = Math.min(text.length, at + MAX_CHARACTERS);
  const lineEnd = (from: number): number => {
    const end = text.indexOf('\n', from);
    return end < 0 || end > limit ? limit : end;
  };
  if (!isBlank(text.slice(at, lineEnd(at)))) return { start: at, end: partsEnd(text, at, lineEnd(at)) };
  LINE_MARKS.lastIndex = at;
  const marks = LINE_MARKS.exec(text)?.[0] ?? '';
  const start = marks === '' ? lineEnd(at) : at + marks.length;
  const bullet = /[-*•>] $/.exec(marks)?.[0].length ?? 0;
  return { start, end: partsEnd(text, start - bullet, lineEnd(start)) };
}

/** The last MAX_MARKERS matches of a global pattern, last first. */
const lastMatches = (text: string, pattern: RegExp): RegExpExecArray[] =>
  [...text.matchAll(pattern)].slice(-MAX_MARKERS).reverse();

const HASHES = /####+/g;
const MARKER = new RegExp(
  [
    // "the (final) answer (to ...) is", "Answer:"
    String.raw`\b(?<final>final )?(?:(?:numerical |numeric |exact |simplified )?answers?|(?<=final )result)[*_"]{0,3}(?: (?:to|of|for|in)\b[^.\n:=]{0,80}?| \([^()\n]{0,60}\)|, [^.,\n:=]{0,60},)?[*_" ]{0,4}(?:(?: (?:is|was|are|will be|would be|should be|must be|equals|comes (?:out )?to|turns out to be)\b)(?<not> (?:not|never)\b)?|(?<never> (?:isn|wasn|aren|can)['’]?t\b| cannot be\b)|(?<colon>:|：|=))[*_" ]{0,4}[:=]?`,
    // "### Final Answer", "**Answer**", "## Step 4: Final Answer ✅", alone on their line
    String.raw`(?<=(?:^|\n)[ \t>]{0,8})(?:#{1,6}[ \t]+|[*_]{2,3}|(?=final))[*_]{0,3}(?:[^\p{L}\p{N}\s$\\]{1,3} ?)?(?:(?:step )?\d{1,2}[.:)] )?(?:the |conclusion (?:and|&) )?(?<title>final )?(?:answer|(?<=final )result)(?: \([^()\n]{0,40}\))?[^\p{L}\p{N}\n$\\]{0,8}(?=\n)`,
    String.raw`(?<=(?:^|\n)[ \t*_]{0,8})ans(?:\.|\.?:)`,
  ].join('|'),
  'giu',
);

/** The statements of a text, the one that counts first: the last box or tag, the `####` lines and the sentences, each last first. */
export function statements(text: string): Stated[] {
  const [box, tag] = [lastBox(text), lastTag(text)];
  const stated = (kind: Stated['kind'], { start, end, isDisplay }: Segment): Stated => {
    const raw = text.slice(start, end);
    const isExact = kind === 'box' || kind === 'tag';
    return { kind, text: isExact ? raw : oneLine(raw, isDisplay ? ' ' : ', '), start, end };
  };
  // A box within the tag is the answer; else the later of the two is.
  const exact = [box && stated('box', box), tag && stated('tag', tag)].filter((one) => one !== null);
  if (box !== null && tag !== null && box.start < tag.start) exact.reverse();
  const hashes = lastMatches(text, HASHES).map(({ index, 0: marks }) => {
    return stated('hash', segmentAt(text, index + marks.length));
  });
  const sentences = lastMatches(text, MARKER).map(({ index, 0: all, groups }) => {
    const { final, title, colon, not, never } = groups ?? {};
    const isBare = colon !== undefined || !/\b(?:is|was|are|be|equals|to)\b/i.test(all);
    const kind = (not ?? never) ? 'denied' : (final ?? title) ? 'final' : isBare ? 'answer' : 'is';
    return stated(kind, segmentAt(text, index + all.length));
  });
  return [...exact, ...hashes, ...sentences];
}

/** A box or tag that holds nothing, after the last digit of the text: what stands before it is not stated as the answer. */
export function endsInEmpty(text: string): boolean {
  const tail = text.slice(-MAX_CHARACTERS);
  return /(?:\\(?:boxed|fbox) ?\{[^{}\p{N}]{0,20}\}|<(?:final[-_ ]?)?answer>[^<>\p{N}]{0,20}<\/(?:final[-_ ]?)?answer>)\P{N}*$/iu.test(
    tail,
  );
}
