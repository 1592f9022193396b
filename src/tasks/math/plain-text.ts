// Text with LaTeX, Markdown, HTML and typographic signs -> plain characters: `\frac12` -> `1/2`.
import { byName, halfWidth, SIGNS } from './spellings.ts';

/** LaTeX commands by what they become. A command that is not here keeps its backslash, so that it is no word and no unit. */
const COMMANDS = byName([
  ...SIGNS,
  [
    '',
    'left right bigl bigr Bigl Bigr biggl biggr big Big bigg Bigg displaystyle textstyle limits boxed fbox large Large normalsize nolimits rm bf it',
  ],
  [
    ' ',
    'quad qquad text textbf textit textrm textsf texttt textnormal mathrm mathbf mathit mathsf mathtt mathnormal mbox hbox underline emph operatorname bm boldsymbol ensuremath space',
  ],
  ['/', 'over'],
  ['<', 'lt'],
  ['>', 'gt'],
  ['→', 'to rightarrow'],
  ['…', 'ldots dots cdots'],
  ['‾', 'overline bar'],
  ['|', 'vert lvert rvert mid'],
  ['%', 'percent'],
  ['£', 'pounds textsterling'],
  ['€', 'euro texteuro'],
  ['α', 'alpha'],
  ['β', 'beta'],
  ['γ', 'gamma'],
  ['δ', 'delta'],
  ['λ', 'lambda'],
  ['μ', 'mu'],
  ['ρ', 'rho'],
  ['σ', 'sigma'],
  ['φ', 'phi varphi'],
  ['ω', 'omega'],
  ['Δ', 'Delta'],
  ['Ω', 'Omega'],
]);

/** Stands for a dollar sign that is money, while the dollars around math are taken out. */
const MONEY = '\uE000';
/** Math between dollars: no space inside its ends, no words but in commands, no digit after it (`$5 and $6` is money). */
const INLINE_MATH =
  /(?<!\$)\$(?![\s$])((?:\\[A-Za-z]{1,20}(?: ?\{[^{}$\n]{0,100}\})?|[^$\n\\]|\\[^A-Za-z\n]){1,200}?)(?<!\s)\$(?![\d$])/g;
const WORDS = /[A-Za-z]{2}/;

function inlineMath(all: string, math: string): string {
  return WORDS.test(math.replace(/\\[A-Za-z]{1,20}(?: ?\{[^{}]{0,100}\})?/g, '').replace(/\{[^{}]*\}/g, ''))
    ? all
    : math;
}

/** Words or upright letters within math. */
const IN_TEXT =
  /\\(?:text|textbf|textit|textrm|textsf|texttt|textnormal|mathrm|mathbf|mathit|mathsf|mathtt|mbox|hbox|operatorname|bm|boldsymbol) ?\*?\{([^{}]{0,200})\}/g;

/** `\frac{\text{km}}{\text{h}}`. */
const UNIT_FRACTION = new RegExp(
  String.raw`\\[dt]?frac${String.raw` ?\{ ?\\(?:text|textrm|mathrm|mbox) ?\{ ?(\p{L}{1,20}) ?\} ?\}`.repeat(2)}`,
  'gu',
);

/** `³` as `^3`. */
const power = (raised: string): string => `^${raised.normalize('NFKC').replace('\u2212', '-')}`;

/** `½` as `1/2`; after a digit it is the fraction of a mixed number. */
const vulgar = (_all: string, before: string, sign: string): string =>
  `${before}${before === '' ? '' : ' '}${sign.normalize('NFKC').replace('\u2044', '/')}`;

const BARE = /^(?:[-+]?[\d.,]+|[√∛]?(?:\d{1,30}|\p{L}))$/u;
const grouped = (part: string): string => (BARE.test(part) ? part : `(${part})`);

const PART = String.raw` ?(?:\{([^{}]{1,100})\}|([\d\p{L}]))`;
const FRACTION = new RegExp(String.raw`(\d?) ?\\(?:[dtc]|nice|s)?frac${PART}${PART}(?=( ?\d)?)`, 'gu');
const ROOT = /\\sqrt ?(?:\[(\d{1,3})\])? ?(?:\{([^{}]{1,100})\}|([\d\p{L}]))/gu;

/** `\frac{3}{4}` after a digit is the fraction of a mixed number; a digit after it multiplies. */
function fraction(_all: string, before: string, a?: string, b?: string, c?: string, d?: string, next?: string): string {
  const [top, bottom] = [(a ?? b ?? '').trim(), (c ?? d ?? '').trim()];
  return `${before}${before === '' ? '' : ' '}${grouped(top)}/${grouped(bottom)}${next === undefined ? '' : '·'}`;
}

function root(_all: string, degree: string | undefined, a?: string, b?: string): string {
  const sign = degree === undefined || degree === '2' ? '√' : degree === '3' ? '∛' : `[${degree}]√`;
  return sign + grouped((a ?? b ?? '').trim());
}

/** LaTeX -> plain signs. Fractions and roots are read from the inside out, three deep. */
function withoutLatex(text: string): string {
  let out = text
    .replace(/\\\\(?=[A-Za-z%])/g, '\\')
    .replace(/\\\\/g, '; ')
    .replace(/\\(?:textdollar|dollar)(?![A-Za-z]) ?/g, MONEY)
    .replace(/\\\$/g, MONEY)
    .replace(INLINE_MATH, inlineMath)
    .replace(/\{([.,])\}/g, '$1')
    .replace(/\\!/g, '')
    .replace(/(?<=\d)\\(?:[,;: ]|(?:thin|med|thick)space(?![A-Za-z]) ?)(?=\d{3}(?!\d))/g, '')
    .replace(/\\(?:[,;:>]|(?:thin|med|thick)space(?![A-Za-z])) ?|\\ /g, ' ')
    .replace(/\\(?:hspace|vspace|phantom|color|label|tag)\*? ?\{[^{}]{0,100}\}|\\textcolor ?\{[^{}]{0,40}\}/g, '')
    .replace(/\\(?:begin|end) ?\{[a-z]{1,20}\*?\}/g, ' ')
    .replace(/\\(?:left|right) ?\.(?!\d)/g, '')
    .replace(UNIT_FRACTION, ' $1/$2')
    .replace(IN_TEXT, (_all, inside: string) => (/^[kKMB]$/.test(inside) ? inside : ` ${inside}`))
    .replace(/\\([A-Za-z]{1,20}) ?/g, (all, name: string) => COMMANDS.get(name) ?? all);
  for (let depth = 0; depth < 3 && /\\(?:[a-z]{0,4}frac|sqrt)/.test(out); depth++) {
    out = out.replace(ROOT, root).replace(FRACTION, fraction);
  }
  return out
    .replace(/\\([%#&{}_])/g, '$1')
    .replace(/\^ ?\{?°\}?/g, '°')
    .replace(/\^ ?\{([-+]?\w{1,12})\}/g, '^$1')
    .replace(/\\[()[\]]|\$\$/g, '')
    .replaceAll(MONEY, '$');
}

/**
 * Full-width forms, Unicode minus, vulgar fractions, raised digits, LaTeX, Markdown and HTML, calculator annotations -> plain text.
 * Linear time: every pattern is of bounded length, the rest are single characters.
 */
export function plainText(text: string): string {
  const plain = halfWidth(text)
    .replace(/ ?[\u2014\u2015] ?/g, ' -- ')
    .replace(/[\u2010-\u2013\u2212\uFE63]/g, '-')
    .replace(/[\u2044\u2215]/g, '/')
    .replace(/[\u2219\u22C5]/g, '·')
    .replace(/\u2217/g, '*')
    .replace(/\u2236/g, ':')
    .replace(/(\d)[\u00A0\u2009\u202F'’](?=\d{3}(?!\d))/g, '$1,')
    .replace(/(?<![\d.,:/]|\d )(\d{1,3}) (?=000(?!\d))/g, '$1,')
    .replace(/(?<=[\d,]000) (?=000(?!\d))/g, ',')
    .replace(/(?<=\d)~|~(?=[\p{L}\\])/gu, ' ')
    .replace(/[\u00A0\u2000-\u200B\u202F\u3000]/g, ' ')
    .replace(/(\d?)([½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞⅐⅑⅒])/g, vulgar)
    .replace(/[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,12}/g, power)
    .replace(/\*\*(?= ?[({]?[-+]?\d)(?<=\d ?\*\*)/g, '^')
    .replace(/<<[^<>\n]{0,200}>>/g, '')
    .replace(/<[|｜][^<>|｜\n]{1,60}[|｜]>/g, ' ')
    .replace(/<sup>(?=[-+]?\d{1,12}<)/gi, '^')
    .replace(/<(?:br|\/?(?:p|div|li|ul|ol|tr|td|table|h[1-6])) ?\/?>/gi, '\n')
    .replace(/<\/?[a-z]{1,10} ?\/?>/gi, '');
  return withoutLatex(plain)
    .replace(/\*\*|__|`/g, '')
    .replace(/(?<=\d\.\d{1,30})\.\.\./g, '…')
    .replace(/(?<=(?<![.\d])\d{1,30})…/g, '')
    .replace(/ {2,}/g, ' ');
}
