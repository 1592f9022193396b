// Exact fractions on BigInt -> their sums, products and shortest texts.

/** In lowest terms, `den` > 0. */
export interface Rational {
  readonly num: bigint;
  readonly den: bigint;
}

/** Longest numerator or denominator, in decimal digits, that is ever computed with: keeps every operation in constant time. */
const MAX_DIGITS = 300;

const LIMIT = 10n ** BigInt(MAX_DIGITS);

const abs = (a: bigint): bigint => (a < 0n ? -a : a);

function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [abs(a), abs(b)];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}

/** num/den in lowest terms; null where den is 0 or the result is longer than MAX_DIGITS. */
export function rational(num: bigint, den: bigint = 1n): Rational | null {
  if (den === 0n) return null;
  const divisor = gcd(num, den) * (den < 0n ? -1n : 1n);
  const out = { num: num / divisor, den: den / divisor };
  return abs(out.num) >= LIMIT || out.den >= LIMIT ? null : out;
}

export const add = (a: Rational, b: Rational): Rational | null =>
  rational(a.num * b.den + b.num * a.den, a.den * b.den);
export const subtract = (a: Rational, b: Rational): Rational | null => add(a, negate(b));
export const multiply = (a: Rational, b: Rational): Rational | null => rational(a.num * b.num, a.den * b.den);
/** null for a division by zero. */
export const divide = (a: Rational, b: Rational): Rational | null => rational(a.num * b.den, a.den * b.num);
export const negate = (a: Rational): Rational => ({ num: -a.num, den: a.den });
export const equal = (a: Rational, b: Rational): boolean => a.num === b.num && a.den === b.den;

/**
 * A plain decimal such as `12`, `3.50` or `.5`, times 10^exponent; no sign, no separators.
 * null where the text is not that, or the value is longer than MAX_DIGITS (checked before anything of that size is made).
 */
export function decimal(text: string, exponent = 0): Rational | null {
  const match = /^(\d*)(?:\.(\d*))?$/.exec(text);
  if (match === null || !/\d/.test(text)) return null;
  const whole = (match[1] ?? '').replace(/^0+/, '');
  const fraction = match[2] ?? '';
  if (Math.max(whole.length, fraction.length) > MAX_DIGITS || Math.abs(exponent) > MAX_DIGITS) return null;
  const scale = exponent - fraction.length;
  const digits = BigInt(whole + fraction || '0');
  return scale >= 0 ? rational(digits * 10n ** BigInt(scale)) : rational(digits, 10n ** BigInt(-scale));
}

/** The shortest exact text: `29`, `-0.5`, else a fraction, `1/3`. */
export function rationalText({ num, den }: Rational): string {
  if (den === 1n) return num.toString();
  let rest = den;
  let twos = 0;
  let fives = 0;
  for (; rest % 2n === 0n; rest /= 2n) twos += 1;
  for (; rest % 5n === 0n; rest /= 5n) fives += 1;
  const places = Math.max(twos, fives);
  if (rest !== 1n || places > 20) return `${num}/${den}`;
  const digits = (abs(num) * (10n ** BigInt(places) / den)).toString().padStart(places + 1, '0');
  return `${num < 0n ? '-' : ''}${digits.slice(0, -places)}.${digits.slice(-places)}`;
}
