// A precompiled charsmap of SentencePiece -> text with characters replaced, as Hugging Face has it.
// The library's own Precompiled guesses the rules that most models have, and does not read the map.
import { SipfError } from '../../errors.ts';

/** A trie of byte sequences as one array (darts-clone), and the replacements, each ended by a zero byte. */
interface Charsmap {
  readonly units: Uint32Array;
  readonly replacements: Uint8Array;
}

const LENGTH_BYTES = 4;
const UNIT_BYTES = 4;
/** Of a grapheme that may be replaced as a whole: fewer bytes than this. */
const GRAPHEME_BYTES = 6;
const GRAPHEMES = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** @throws SipfError 'bad-input' for bytes that are no charsmap; `place` names them. */
export function charsmapNormalizer(bytes: Uint8Array, place: string): (text: string) => string {
  const map = readCharsmap(bytes, place);
  return (text) => Array.from(GRAPHEMES.segment(text), ({ segment }) => replaced(map, segment)).join('');
}

function readCharsmap(bytes: Uint8Array, place: string): Charsmap {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = bytes.byteLength < LENGTH_BYTES ? 0 : view.getUint32(0, true);
  const end = LENGTH_BYTES + size;
  if (size === 0 || size % UNIT_BYTES !== 0 || end >= bytes.byteLength || bytes.at(-1) !== 0)
    throw new SipfError(
      'bad-input',
      `Expected a charsmap (a trie and texts that end in zero bytes) as ${place}, got ${bytes.byteLength} other bytes. Download the tokenizer again.`,
    );
  const units = Uint32Array.from({ length: size / UNIT_BYTES }, (_, n) =>
    view.getUint32(LENGTH_BYTES + n * UNIT_BYTES, true),
  );
  return { units, replacements: bytes.subarray(end) };
}

/** A short grapheme by the rule for its beginning, which stands for all of it; else each character by its own rule. */
function replaced(map: Charsmap, grapheme: string): string {
  const bytes = Buffer.from(grapheme);
  const whole = bytes.length < GRAPHEME_BYTES ? shortestRule(map, bytes) : null;
  return whole ?? Array.from(grapheme, (character) => shortestRule(map, Buffer.from(character)) ?? character).join('');
}

/** The replacement of the shortest beginning that has one. */
function shortestRule({ units, replacements }: Charsmap, bytes: Uint8Array): string | null {
  let at = offsetOf(units[0] ?? 0);
  for (const byte of bytes) {
    if (byte === 0) return null;
    at = (at ^ byte) >>> 0;
    const unit = units[at] ?? 0;
    if (labelOf(unit) !== byte) return null;
    at = (at ^ offsetOf(unit)) >>> 0;
    if (hasValue(unit)) return textAt(replacements, (units[at] ?? 0) & 0x7fffffff);
  }
  return null;
}

/** Bits of a unit: 0 to 7 the byte that leads to it (with 31, of values, never equal to one); 8 a value follows; 9 the offset is coarse; 10 to 30 the offset. */
const labelOf = (unit: number): number => (unit & 0x800000ff) >>> 0;
const hasValue = (unit: number): boolean => ((unit >>> 8) & 1) === 1;
const offsetOf = (unit: number): number => ((unit >>> 10) << ((unit & 0x200) >>> 6)) >>> 0;

function textAt(replacements: Uint8Array, begin: number): string {
  return Buffer.from(replacements.subarray(begin, replacements.indexOf(0, begin))).toString();
}
