// Pieces with scores -> the pieces of a text with the best sum, as Hugging Face's Unigram has them.
// The library's own model knows no byte fallback, and reads the text of a special token as that token.
import { addedTokens, isControl } from './tokenizer-json.ts';
import type { Json } from './tokenizer-schema.ts';

/** What the library's Tokenizer has as its model: words to pieces. */
interface LibraryModel {
  (words: readonly string[]): string[];
  readonly vocab: string[];
  readonly tokens_to_ids: Map<string, number>;
  readonly unk_token_id: number | undefined;
  readonly unk_token: string | undefined;
}

/** How much worse an unknown character is than the worst piece. */
const UNKNOWN_PENALTY = 10;

/** Pieces that ordinary text may become. */
interface Lexicon {
  readonly scores: ReadonlyMap<string, number>;
  /** Of each first character, the length of the longest piece. */
  readonly longest: ReadonlyMap<string, number>;
  readonly unknownScore: number;
}

/** A stretch of a word: one piece, or characters that are in none. */
interface Span {
  readonly text: string;
  readonly isKnown: boolean;
}

/** @param json a checked tokenizer.json whose model is Unigram. */
export function unigramModel(json: Json): LibraryModel {
  const { vocab, unk_id, byte_fallback: hasBytes } = json['model'] as Json;
  const pieces = vocab as readonly (readonly [string, number])[];
  const lexicon = lexiconOf(pieces, new Set(addedTokens(json).filter(isControl).map(contentOf)));
  const texts = pieces.map(([text]) => text);
  const unknownId = (unk_id ?? undefined) as number | undefined;
  const unknown = unknownId === undefined ? undefined : texts[unknownId];
  const ids = new Map(texts.map((text, id) => [text, id]));
  for (const token of addedTokens(json)) {
    texts[Number(token['id'])] = contentOf(token);
    ids.set(contentOf(token), Number(token['id']));
  }
  const tokens = ({ text, isKnown }: Span): string[] => {
    if (isKnown) return [text];
    const bytes = hasBytes === true ? Array.from(Buffer.from(text), byteToken) : [];
    return bytes.length > 0 && bytes.every((token) => ids.has(token)) ? bytes : [unknown ?? text];
  };
  const encode = (words: readonly string[]): string[] =>
    words.flatMap((word) => joinUnknown(bestSpans(word, lexicon)).flatMap(tokens));
  return Object.assign(encode, { vocab: texts, tokens_to_ids: ids, unk_token_id: unknownId, unk_token: unknown });
}

function contentOf(token: Json): string {
  return String(token['content']);
}

/** @param special special tokens: ordinary text is never read as one of them. */
function lexiconOf(pieces: readonly (readonly [string, number])[], special: ReadonlySet<string>): Lexicon {
  const scores = new Map(pieces.filter(([text]) => text !== '' && !special.has(text)));
  const worst = pieces.reduce((least, [, score]) => Math.min(least, score), Infinity);
  return { scores, longest: longestByFirst(scores.keys()), unknownScore: worst - UNKNOWN_PENALTY };
}

function longestByFirst(texts: Iterable<string>): Map<string, number> {
  const longest = new Map<string, number>();
  for (const text of texts) {
    const first = text.slice(0, widthAt(text, 0));
    longest.set(first, Math.max(longest.get(first) ?? 0, text.length));
  }
  return longest;
}

/** Viterbi: the best way to each position. Of equally good ones, the one whose last piece is longest. */
function bestSpans(word: string, { scores, longest, unknownScore }: Lexicon): Span[] {
  const best = new Float64Array(word.length + 1).fill(-Infinity);
  const from = new Int32Array(word.length + 1);
  const offer = (start: number, end: number, score: number): void => {
    const sum = (best[start] as number) + score;
    if (!(sum > (best[end] as number))) return;
    best[end] = sum;
    from[end] = start;
  };
  best[0] = 0;
  for (let start = 0; start < word.length; ) {
    const next = start + widthAt(word, start);
    const last = Math.min(word.length, start + (longest.get(word.slice(start, next)) ?? 0));
    if (!scores.has(word.slice(start, next))) offer(start, next, unknownScore);
    for (let end = next; end <= last; end++) {
      const score = scores.get(word.slice(start, end));
      if (score !== undefined) offer(start, end, score);
    }
    start = next;
  }
  const spans: Span[] = [];
  for (let end = word.length; end > 0; end = from[end] as number) {
    const text = word.slice(from[end], end);
    spans.push({ text, isKnown: scores.has(text) });
  }
  return spans.reverse();
}

/** Of a character, in code units. */
function widthAt(text: string, at: number): number {
  return (text.codePointAt(at) as number) > 0xffff ? 2 : 1;
}

/** Unknown characters side by side are one span. */
function joinUnknown(spans: readonly Span[]): Span[] {
  const joined: Span[] = [];
  for (const span of spans) {
    const before = joined.at(-1);
    if (span.isKnown || before?.isKnown !== false) joined.push(span);
    else joined[joined.length - 1] = { text: before.text + span.text, isKnown: false };
  }
  return joined;
}

function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}
