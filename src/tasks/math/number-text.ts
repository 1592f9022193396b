// Plain text -> the number that starts at a position: separators, fractions, scales, percent.
import { add, decimal, divide, multiply, negate, type Rational, rational } from '../../arithmetic/rational.ts';
import { POWERS_OF_TEN } from './spellings.ts';

/** What starts at a position: a number, or digits that are no single number (a list, a ratio, a time, a date). */
export interface NumberAt {
  readonly end: number;
  /** null: digits, but no single number (or one too long to compute with); `text` then holds them. */
  readonly value: Rational | null;
  readonly text: string;
  readonly percent: boolean;
}

const RUN = /\d[\d.,:/]*|\.\d[\d.,:/]*/y;
const EXPONENT = /[eE]([+-]?\d{1,12})(?![\p{L}\d])/uy;
const TIMES_POWER = / ?[x×*·] ?10 ?\^ ?[{(]?([+-]?\d{1,12})[})]?/y;
const POWER = / ?\^ ?[{(]?([+-]?\d{1,12})[})]?/y;
const SLASH = / ?\/ ?[$€£¥₹]?(-?)(?=\.?\d)/y;
const MIXED = /(?: | and )(\d{1,300})\/(\d{1,300})(?![\d.,:/]*\d)/y;
const SCALE = /(?: {0,3}| ?-)(hundred|thousand|lakh|million|crore|billion|trillion|mln|bn)s?(?![\p{L}])/iuy;
/** `10k`, `5M`: right behind the digits. */
const SHORT_SCALE = /([kKMB])(?![\p{L}\d])/uy;
/** `$2.5m`, `$3 B`, `2.5 M dollars`: only beside a currency, as `5 m` is a length. */
const MONEY_SCALE = / ?(k|m|mn|mio|mil|b|t|tn)(?![\p{L}\d'’/-])/iuy;
const CURRENCY_BEFORE = /(?:[$€£¥₹]|USD|EUR|GBP) ?$/;
const CURRENCY_AFTER = /^ (?:dollars?|euros?|pounds?|USD|EUR|GBP|bucks?)\b/i;
const PERCENT = / ?(?:%|percent(?!\p{L})|per cent(?!\p{L}))/iuy;
/** `5 and a half`. */
const PARTS = / and (?:(?:a |one )?(half|quarter)|(three) quarters)(?!\p{L})/iuy;
const GROUPED = /^\d{1,3}(?:,\d{3})+(?:\.\d+)?$/;
/** `1.234.567` and `1.234,56`: points between thousands, as two points or a comma after them tell. */
const POINT_GROUPED = /^[1-9]\d{0,2}(?:(?:\.\d{3})+,\d{1,2}|(?:\.\d{3}){2,}(?:,\d+)?)$/;
/** `12,34,567`: lakhs and crores. */
const LAKH_GROUPED = /^\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?$/;
const RUPEES_BEFORE = /(?:₹|\bRs\.?|\bINR) ?-?$/;
const RUPEES_AFTER = /^ ?(?:rupees?\b|INR\b|Rs\b|₹)/i;

/** The scale behind a number that begins at `start` and ends at `end`. */
function scaleAt(text: string, start: number, end: number): RegExpExecArray | null {
  const found = matchAt(SCALE, text, end) ?? matchAt(SHORT_SCALE, text, end);
  if (found !== null) return found;
  const money = matchAt(MONEY_SCALE, text, end);
  if (money === null) return null;
  const after = end + money[0].length;
  const isMoney =
    CURRENCY_BEFORE.test(text.slice(Math.max(0, start - 5), start)) ||
    CURRENCY_AFTER.test(text.slice(after, after + 12));
  return isMoney ? money : null;
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/** True for `₹12,34,567`; without rupees only where a group begins with a zero, as `12,34,567` may be a list. */
function isLakhs(text: string, run: string, start: number): boolean {
  if (!LAKH_GROUPED.test(run)) return false;
  const isRupees =
    RUPEES_BEFORE.test(text.slice(Math.max(0, start - 6), start)) ||
    RUPEES_AFTER.test(text.slice(start + run.length, start + run.length + 10));
  return isRupees || /,0/.test(run);
}

/** `1,234.50` -> its value; null where separators are misplaced or there is more than one point. */
function literal(text: string, exponent = 0): Rational | null {
  if (POINT_GROUPED.test(text)) return decimal(text.replace(/\./g, '').replace(',', '.'), exponent);
  return decimal(GROUPED.test(text) ? text.replace(/,/g, '') : text, exponent);
}

/** A run such as `3/4`: one slash between two literals. */
function ratioOf(run: string): Rational | null {
  const slash = run.indexOf('/');
  if (slash < 0 || run.indexOf('/', slash + 1) >= 0) return null;
  const top = literal(run.slice(0, slash));
  const bottom = literal(run.slice(slash + 1));
  return top === null || bottom === null ? null : divide(top, bottom);
}

/** Exponents, powers of ten, a slash apart, the fraction of a mixed number: what may follow the first digits. */
function extend(text: string, run: string, start: number): Pick<NumberAt, 'end' | 'value'> {
  const end = start + run.length;
  const exponent = matchAt(EXPONENT, text, end) ?? matchAt(TIMES_POWER, text, end);
  if (exponent !== null) return { end: end + exponent[0].length, value: literal(run, Number(exponent[1])) };
  if (run === '10') {
    const power = matchAt(POWER, text, end);
    if (power !== null) return { end: end + power[0].length, value: decimal('1', Number(power[1])) };
  }
  if (run.includes('/')) return { end, value: ratioOf(run) };
  const value = literal(run);
  const slash = value === null ? null : matchAt(SLASH, text, end);
  if (slash !== null && value !== null) {
    const bottomAt = end + slash[0].length;
    const bottomRun = (matchAt(RUN, text, bottomAt)?.[0] ?? '').replace(/[.,:/]+$/, '');
    const bottom = literal(bottomRun);
    if (bottom !== null) {
      return { end: bottomAt + bottomRun.length, value: divide(slash[1] === '-' ? negate(value) : value, bottom) };
    }
  }
  const mixed = value !== null && value.den === 1n ? matchAt(MIXED, text, end) : null;
  if (mixed !== null && value !== null) {
    const part = rational(BigInt(mixed[1] ?? '0'), BigInt(mixed[2] ?? '1'));
    if (part !== null && part.num > 0n && part.num < part.den)
      return { end: end + mixed[0].length, value: add(value, part) };
  }
  const parts = value === null ? null : matchAt(PARTS, text, end);
  if (parts === null || value === null) return { end, value };
  const share = parts[2] ? [3n, 4n] : parts[1]?.toLowerCase() === 'half' ? [1n, 2n] : [1n, 4n];
  return { end: end + parts[0].length, value: add(value, { num: share[0]!, den: share[1]! }) };
}

/**
 * The unsigned number whose first digit (or point) is at `start`: thousands separators, decimals, exponents, fractions, mixed numbers,
 * scale words, percent. null where no digits start there. Reads each character a bounded number of times.
 */
export function numberAt(text: string, start: number): NumberAt | null {
  const match = matchAt(RUN, text, start);
  if (match === null) return null;
  let length = match[0].length;
  while (/[.,:/]/.test(match[0].charAt(length - 1))) length -= 1;
  const run = match[0].slice(0, length);
  const found = isLakhs(text, run, start)
    ? { end: start + run.length, value: literal(run.replaceAll(',', '')) }
    : extend(text, run, start);
  let { end, value } = found;
  // `5 hundred thousand` has two.
  for (let scales = 0; scales < 2 && value !== null; scales++) {
    const scale = scaleAt(text, start, end);
    if (scale === null) break;
    end += scale[0].length;
    const power = POWERS_OF_TEN.get((scale[1] ?? '').toLowerCase())!;
    value = multiply(value, { num: 10n ** BigInt(power), den: 1n });
  }
  const percent = matchAt(PERCENT, text, end);
  if (percent !== null) end += percent[0].length;
  return { end, value, text: text.slice(start, end), percent: percent !== null };
}
