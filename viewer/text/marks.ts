// Text that a model wrote -> pieces: what is seen, and characters that are not seen or change what is seen.

/** `name` of a mark is shown in its place; `count` equal ones in a row are one mark. */
export type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'mark'; readonly name: string; readonly title: string; readonly count: number };

/**
 * Control, format and separator characters, lone surrogates and whatever else browsers show as nothing. Not tab, line feed, and the two
 * selectors of emoji.
 */
const UNSEEN = /(?![\t\n\u{FE0E}\u{FE0F}])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}\u{A0}]/gu;

/** Marks of one text; later ones are shown as a replacement character. */
const MOST_MARKS = 5000;

const NAMES: Readonly<Record<number, string>> = {
  0: 'NUL',
  7: 'BEL',
  8: 'BS',
  0xb: 'VT',
  0xc: 'FF',
  0xd: 'CR',
  0x1b: 'ESC',
  0x7f: 'DEL',
  0xa0: 'NBSP',
  0xad: 'SHY',
  0x200b: 'ZWSP',
  0x200c: 'ZWNJ',
  0x200d: 'ZWJ',
  0x200e: 'LRM',
  0x200f: 'RLM',
  0x2028: 'LS',
  0x2029: 'PS',
  0x202a: 'LRE',
  0x202b: 'RLE',
  0x202c: 'PDF',
  0x202d: 'LRO',
  0x202e: 'RLO',
  0x2060: 'WJ',
  0x2066: 'LRI',
  0x2067: 'RLI',
  0x2068: 'FSI',
  0x2069: 'PDI',
  0xfeff: 'BOM',
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
    if (last?.kind === 'mark' && last.title === mark.title) pieces[pieces.length - 1] = { ...last, count: last.count + 1 };
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

/** Length in words: characters, or what they take where there are many. */
export function sizeOf(text: string): string {
  if (text.length < 10_000) return `${text.length.toLocaleString('en')} characters`;
  return text.length < 1e6 ? `${Math.round(text.length / 1000)},000 characters` : `${(text.length / 1e6).toFixed(1)} million characters`;
}
