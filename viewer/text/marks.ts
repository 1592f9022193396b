// Text of a model -> pieces: what is seen, and marks for what is not.

/** `name` of a mark is shown in its place; `count` equal ones in a row are one mark. */
export type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'mark'; readonly name: string; readonly title: string; readonly count: number };

/**
 * Control, format and separator characters, lone surrogates and whatever else browsers show as nothing. Not tab, line feed, and the two
 * selectors of emoji.
 */
const UNSEEN = /(?!\t|\n|\u{FE0E}|\u{FE0F})[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}\u{A0}]/gu;

/** Marks of one text; later ones are shown as a replacement character. */
const MOST_MARKS = 5000;

const NAMES: Readonly<Record<number, string>> = {
  0: 'NUL',
  7: 'BEL',
  8: 'BS',
  11: 'VT',
  12: 'FF',
  13: 'CR',
  27: 'ESC',
  127: 'DEL',
  160: 'NBSP',
  173: 'SHY',
  8203: 'ZWSP',
  8204: 'ZWNJ',
  8205: 'ZWJ',
  8206: 'LRM',
  8207: 'RLM',
  8232: 'LS',
  8233: 'PS',
  8234: 'LRE',
  8235: 'RLE',
  8236: 'PDF',
  8237: 'LRO',
  8238: 'RLO',
  8288: 'WJ',
  8294: 'LRI',
  8295: 'RLI',
  8296: 'FSI',
  8297: 'PDI',
  65279: 'BOM',
};

export function piecesOf(text: string): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  let marks = 0;
  for (const found of text.matchAll(UNSEEN)) {
    if (found.index > from) pieces.push({ kind: 'text', text: text.slice(from, found.index) });
    from = found.index + found[0].length;
    const mark = markOf(found[0]);
    const last = pieces.at(-1);
    if (last?.kind === 'mark' && last.title === mark.title)
      pieces[pieces.length - 1] = { ...last, count: last.count + 1 };
    else if (marks++ < MOST_MARKS) pieces.push(mark);
    else return [...pieces, { kind: 'text', text: `\u{FFFD}${text.slice(from).replace(UNSEEN, '\u{FFFD}')}` }];
  }
  if (from < text.length) pieces.push({ kind: 'text', text: text.slice(from) });
  return pieces;
}

function markOf(character: string): Piece & { kind: 'mark' } {
  const code = character.codePointAt(0) ?? 0;
  const point = `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
  const name = NAMES[code] ?? point;
  return { kind: 'mark', name, title: name === point ? `character ${point}` : `${name}, character ${point}`, count: 1 };
}

/** The first characters of a text; a pair of surrogates is not cut in two. */
export function startOf(text: string, length: number): string {
  const isCut = /[\uD800-\uDBFF]/.test(text[length - 1] ?? '') && /[\uDC00-\uDFFF]/.test(text[length] ?? '');
  return text.slice(0, isCut ? length + 1 : length);
}

/** Length in words: characters, or what they take where there are many. */
export function sizeOf(text: string): string {
  if (text.length < 10_000) return `${text.length.toLocaleString('en')} characters`;
  return text.length < 1e6
    ? `${Math.round(text.length / 1000)},000 characters`
    : `${(text.length / 1e6).toFixed(1)} million characters`;
}
