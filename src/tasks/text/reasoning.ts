// A completion -> what is outside its reasoning blocks (`<think>...</think>` and similar).
import { FENCED, QUOTED } from './quoted.ts';

const NAME = [
  'think(?:ing|s)?',
  'thoughts?',
  'reason(?:ing)?',
  'rationale',
  'analysis',
  'reflection',
  'deliberation',
  'scratch[-_ ]?pad',
  'cot',
  'chain[-_ ]of[-_ ]thoughts?',
  '(?:inner|internal)[-_ ](?:monologue|thoughts?)',
  '(?:thinking|thought|reasoning)[-_ ]process',
  '(?:internal|hidden)[-_ ](?:reasoning|thinking)',
  'working[-_ ]out',
  'antthinking',
].join('|');

const TAG = [
  // <think>, </THINK>, <seed:think>, <thinking effort="high">, <think/>, &lt;think&gt;
  String.raw`(?:<|&lt;) ?/? ?(?:[a-z]{1,12}:)?(?:${NAME})(?=[\s/>&])[^<>\n]{0,200}?(?:>|&gt;)`,
  // <|begin_of_thought|>, <|end_of_thought|>, <|START_THINKING|>, <｜think｜>, <start_working_out>
  `<[|｜]?(?:/|end|close|begin|start|open)?[-_▁ ]?(?:of[-_▁ ])?(?:${NAME})(?:[-_▁ ](?:end|start|begin))?[|｜]?>`,
  // [THINK], [/THINK]; an opening one begins its line, as `[reason]` may be code.
  String.raw`(?<=(?:^|\n)[ \t]{0,8})\[(?:${NAME})\]|\[/(?:${NAME})\]`,
  // ◁think▷, ◁/think▷
  `◁/?(?:${NAME})▷`,
  // Gemma: <|channel>thought ... <channel|>, <unused94>thought ... <unused95>
  String.raw`(?:<\|channel>|<unused94>)\s?(?:${NAME})|<channel\|>|<unused95>`,
  // Channels: what comes before the final one is reasoning. Without its special tokens, that one reads `assistantfinal`.
  String.raw`<\|channel\|>\s?(?:analysis|commentary|final)[^<>\n]{0,100}<\|message\|>|assistantfinal`,
].join('|');

const CLOSES = /^(?:<|&lt;|\[|◁)[|｜]? ?(?:\/|end|close)|^<(?:channel\||unused95)>|[-_▁ ]end[|｜]?>$|final/i;
const EMPTY = /\/(?:>|&gt;)$/;
const FAMILY = new RegExp(NAME, 'i');
const FIRST_TAG = new RegExp(TAG, 'iu');

interface Tag {
  readonly start: number;
  readonly end: number;
  readonly kind: 'open' | 'close' | 'empty';
  /** `think` and `thinking` close each other. */
  readonly family: string;
}

function tagOf({ index, 0: text }: RegExpExecArray): Tag {
  const kind = CLOSES.test(text) ? 'close' : EMPTY.test(text) ? 'empty' : 'open';
  const family = (FAMILY.exec(text)?.[0] ?? 'final').toLowerCase().slice(0, 5);
  return { start: index, end: index + text.length, kind, family };
}

/** Where the block that `first` opens ends; the end of the text where it is not closed. Blocks in it nest. `tags` finds a TAG. */
function blockEnd(text: string, first: Tag, tags: RegExp): number {
  const open = new Map([[first.family, 1]]);
  tags.lastIndex = first.end;
  let last = first;
  for (let match = tags.exec(text); match !== null; match = tags.exec(text)) {
    const tag = tagOf(match);
    const quote = text.charAt(tag.start - 1);
    const isQuoted = /["'`]/.test(quote) && text.charAt(tag.end) === quote && text.charAt(tag.start - 2) !== '`';
    if (isQuoted) continue;
    const depth = open.get(tag.family) ?? 0;
    if (tag.kind === 'open') {
      // A model often repeats the opening tag that its prompt ends with.
      const isRepeated = last.kind === 'open' && text.slice(last.end, tag.start).trim() === '';
      if (!isRepeated) open.set(tag.family, depth + 1);
    } else if (tag.kind === 'close') {
      // A closing tag of another name than all open ones closes the block.
      if (depth === 0 || (depth === 1 && tag.family === first.family)) return tag.end;
      open.set(tag.family, depth - 1);
    }
    last = tag;
  }
  return text.length;
}

/** The line up to `at`, or the end of it. */
function lineBefore(text: string, at: number): string {
  const near = text.slice(Math.max(0, at - 300), at);
  return near.slice(near.lastIndexOf('\n') + 1);
}

/** A closing tag on a line of its own within a fence or a string, its opening tag not there: a draft was cut inside it. */
function closingLine(text: string, start: number, end: number): Tag | null {
  const shield = text.slice(start, end);
  const match = shield.includes('\n') ? FIRST_TAG.exec(shield) : null;
  if (match === null) return null;
  match.index += start;
  const tag = tagOf(match);
  const isAlone = lineBefore(text, tag.start).trim() === '' && /^[^\S\n]*(?:\n|$)/.test(text.slice(tag.end));
  return tag.kind === 'close' && isAlone ? tag : null;
}

/** Where only white space and tags follow. */
function contentEnd(text: string): number {
  let rest = text.trimEnd();
  for (let tags = 0; tags < 20 && rest.endsWith('>'); tags++) {
    rest = rest.slice(0, Math.max(rest.lastIndexOf('<'), rest.length - 60, 0)).trimEnd();
  }
  return rest.length;
}

/** What stood on both sides of a block stays apart. */
function joined(before: string, after: string): string {
  return before === '' || /\s$/.test(before) || /^\s/.test(after) ? before + after : `${before}\n${after}`;
}

/**
 * The text without its reasoning blocks, in all spellings of TAG. A closing tag alone: the text before it is reasoning. A block that is not
 * closed reaches to the end of the text. Tags in string literals, inline code, code fences and comments are mentions and stay. Linear time.
 */
export function withoutReasoning(text: string): string {
  if (!FIRST_TAG.test(text)) return text;
  const next = new RegExp(`(?<shield>${FENCED}|${QUOTED})|${TAG}`, 'giu');
  const tags = new RegExp(TAG, 'giu');
  const contentAt = contentEnd(text);
  let kept = '';
  let from = 0;
  let blocks = 0;
  for (let match = next.exec(text); match !== null; match = next.exec(text)) {
    const { shield } = match.groups ?? {};
    const tag = shield === undefined ? tagOf(match) : closingLine(text, match.index, next.lastIndex);
    if (tag === null || (shield === undefined && /(?:^|\s)# /.test(lineBefore(text, tag.start)))) continue;
    // A stray closing tag after the answer ends nothing.
    const isStray = blocks > 0 && tag.end >= contentAt;
    kept = tag.kind === 'close' && !isStray ? '' : joined(kept, text.slice(from, tag.start));
    from = tag.kind === 'open' ? blockEnd(text, tag, tags) : tag.end;
    next.lastIndex = from;
    blocks += 1;
  }
  return joined(kept, text.slice(from));
}
