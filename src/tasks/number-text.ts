// Prose with numbers in many spellings -> plain text with plain digits, and the number that starts at a position. Leaves what counts as the answer to answers.ts.
import { add, decimal, divide, multiply, negate, type Rational, rational } from './rational.ts';

const VULGAR: Readonly<Record<string, string>> = {
  '½': '1/2',
  '⅓': '1/3',
  '⅔': '2/3',
  '¼': '1/4',
  '¾': '3/4',
  '⅕': '1/5',
  '⅖': '2/5',
  '⅗': '3/5',
  '⅘': '4/5',
  '⅙': '1/6',
  '⅚': '5/6',
  '⅛': '1/8',
  '⅜': '3/8',
  '⅝': '5/8',
  '⅞': '7/8',
  '⅐': '1/7',
  '⅑': '1/9',
  '⅒': '1/10',
};

const COMMANDS: Readonly<Record<string, string>> = {
  times: '×',
  cdot: '·',
  div: '÷',
  pi: 'π',
  sqrt: '√',
  circ: '°',
  degree: '°',
  approx: '≈',
  left: '',
  right: '',
  quad: ' ',
  qquad: ' ',
  displaystyle: '',
  boxed: '',
  fbox: '',
  text: ' ',
  textbf: ' ',
  textit: ' ',
  textrm: ' ',
  mathrm: ' ',
  mathbf: ' ',
  mathit: ' ',
  mbox: ' ',
  underline: ' ',
  operatorname: ' ',
};

const RAISED = '⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻';
const LOWERED = '0123456789+-';

/** `10³` as `10^3`. */
function power(_match: string, base: string, raised: string): string {
  return `${base}^${[...raised].map((sign) => LOWERED[RAISED.indexOf(sign)]).join('')}`;
}

/** `\frac{3}{4}` after a digit is the fraction of a mixed number. */
function fraction(_match: string, before: string, top: string, bottom: string): string {
  const bare = /^[-+]?[\d.,]+$/;
  const wrap = (part: string): string => (bare.test(part.trim()) ? part.trim() : `(${part.trim()})`);
  return `${before}${before === '' ? '' : ' '}${wrap(top)}/${wrap(bottom)}`;
}

/**
 * Full-width forms, Unicode minus, vulgar fractions, LaTeX and Markdown markup, calculator annotations -> plain text.
 * Linear time: every pattern is of bounded length, the rest are single characters.
 */
export function plainText(text: string): string {
  return text
    .replace(/[\uFF01-\uFF5E]/g, (wide) => String.fromCharCode(wide.charCodeAt(0) - 0xfee0))
    .replace(/ ?[\u2014\u2015] ?/g, ' -- ')
    .replace(/[\u2010-\u2013\u2212\uFE63]/g, '-')
    .replace(/\u2044/g, '/')
    .replace(/(\d)[\u00A0\u2009\u202F'’](?=\d{3}(?!\d))/g, '$1,')
    .replace(/(?<![\d.,:/]|\d )(\d{1,3}) (?=000(?!\d))/g, '$1,')
    .replace(/(?<=[\d,]000) (?=000(?!\d))/g, ',')
    .replace(/(?<=\d)~/g, ' ')
    .replace(/[\u00A0\u2000-\u200B\u202F\u3000]/g, ' ')
    .replace(/(\d?)([½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞⅐⅑⅒])/g, (_all, before: string, sign: string) =>
      before === '' ? (VULGAR[sign] ?? sign) : `${before} ${VULGAR[sign] ?? sign}`,
    )
    .replace(/(10)([⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,12})/g, power)
    .replace(/(?<=10 ?)\*\*(?= ?[({]?[-+]?\d)/g, '^')
    .replace(/<<[^<>\n]{0,200}>>/g, '')
    .replace(/<\/?[a-z]{1,10}>/g, '')
    .replace(/\{,\}/g, ',')
    .replace(/\\[!,;: ]/g, (space) => (space === '\\ ' ? ' ' : ''))
    .replace(/(\d?)\\[dtc]?frac ?\{([^{}]{1,100})\} ?\{([^{}]{1,100})\}/g, fraction)
    .replace(/(\d?)\\[dtc]?frac ?(\d) ?(\d)/g, fraction)
    .replace(/\\([$%#&{}_])/g, '$1')
    .replace(/\\([A-Za-z]{1,20})/g, (all, name: string) => COMMANDS[name] ?? all)
    .replace(/\^\{?°\}?/g, '°')
    .replace(/\\[()[\]]|\$\$|\*\*|__|`/g, '');
}

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
const SCALE = / ?(hundred|thousand|million|billion|trillion)(?![\p{L}])/iuy;
const PERCENT = / ?(?:%|percent(?!\p{L})|per cent(?!\p{L}))/iuy;
const GROUPED = /^\d{1,3}(?:,\d{3})+(?:\.\d+)?$/;
const SCALES: Readonly<Record<string, bigint>> = {
  hundred: 100n,
  thousand: 1_000n,
  million: 1_000_000n,
  billion: 1_000_000_000n,
  trillion: 1_000_000_000_000n,
};

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/** `1,234.50` -> its value; null where separators are misplaced or there is more than one point. */
function literal(text: string, exponent = 0): Rational | null {
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

interface Partial {
  end: number;
  value: Rational | null;
}

/** Exponents, powers of ten, a slash apart, the fraction of a mixed number: what may follow the first digits. */
function extend(text: string, run: string, start: number): Partial {
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
  return { end, value };
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
  const found = extend(text, run, start);
  let { end, value } = found;
  const scale = value === null ? null : matchAt(SCALE, text, end);
  if (scale !== null && value !== null) {
    end += scale[0].length;
    value = multiply(value, { num: SCALES[(scale[1] ?? '').toLowerCase()] ?? 1n, den: 1n });
  }
  const percent = matchAt(PERCENT, text, end);
  if (percent !== null) end += percent[0].length;
  return { end, value, text: text.slice(start, end), percent: percent !== null };
}
