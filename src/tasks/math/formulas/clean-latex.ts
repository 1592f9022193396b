// An answer in LaTeX, Unicode or plain text -> LaTeX with one spelling and no decoration.

const WIDE: Readonly<Record<string, string>> = {
  '−': '-',
  '–': '-',
  '×': '\\times ',
  '·': '\\cdot ',
  '⋅': '\\cdot ',
  '∙': '\\cdot ',
  '∕': '/',
  '⁄': '/',
  '∠': '\\angle ',
  ℝ: '\\mathbb{R}',
  '÷': '\\div ',
  '±': '\\pm ',
  '∓': '\\mp ',
  '≤': '\\le ',
  '≥': '\\ge ',
  '⩽': '\\le ',
  '⩾': '\\ge ',
  '≠': '\\ne ',
  '≈': '\\approx ',
  '∈': '\\in ',
  '∪': '\\cup ',
  '∩': '\\cap ',
  '∞': '\\infty ',
  '∅': '\\emptyset ',
  π: '\\pi ',
  θ: '\\theta ',
  '°': '^\\circ ',
  '²': '^2',
  '³': '^3',
  '“': '"',
  '”': '"',
};

/** Commands that mean the same. */
const SAME: Readonly<Record<string, string>> = {
  dfrac: 'frac',
  tfrac: 'frac',
  cfrac: 'frac',
  leq: 'le',
  leqslant: 'le',
  leqq: 'le',
  geq: 'ge',
  geqslant: 'ge',
  geqq: 'ge',
  neq: 'ne',
  simeq: 'approx',
  varnothing: 'emptyset',
  bigcup: 'cup',
  degree: 'circ',
  textdegree: 'circ',
  lbrace: '{',
  rbrace: '}',
  lbrack: '[',
  rbrack: ']',
  ast: 'cdot',
  arcsinh: 'arsinh',
  setminus: 'setminus',
  backslash: 'setminus',
};
const NOTHING: ReadonlySet<string> = new Set(
  'left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr displaystyle textstyle limits nolimits middle mathstrut rm bf it cal boldsymbol bm boxed fbox'.split(
    ' ',
  ),
);
const SPACE: ReadonlySet<string> = new Set('quad qquad enspace thinspace medspace space hfill newline'.split(' '));
const SIGNS: Readonly<Record<string, string>> = {
  lt: '<',
  gt: '>',
  textdollar: '',
  dollar: '',
  euro: '',
  pounds: '',
  colon: ':',
};

/** Text in LaTeX's text commands. One level of braces inside. */
const TEXT =
  /\\(?:text|mbox|textnormal|textbf|textit|textrm|textsf|texttt|mathrm|mathbf|mathit|mathsf|operatorname)\s*\{((?:[^{}]|\{[^{}]*\})*)\}/g;

/** `3\text{ million dollars}`, `2.5 billion`. */
const SCALE =
  /(?<=[\d}]) ?(?:\\text\{)?(hundred|thousand|million|billion|trillion|lakh|crore)s?(?![a-z])(?:(?<=\\text\{[a-z]*) ?([^{}]*)\})?/gi;
/** `\$2.5M`, `\$10\text{k}`; without a currency the letter is a symbol. */
const MONEY_SCALE =
  /(?:\\\$|\\textdollar ?|[€£₹]|^\$(?=[^$]*$)) ?(\d[\d.,]*) ?(?:\\text ?\{ ?)?([kKmMbB]|bn)\}?(?![A-Za-z])/g;
const EXPONENTS: Readonly<Record<string, number>> = {
  hundred: 2,
  thousand: 3,
  k: 3,
  lakh: 5,
  million: 6,
  m: 6,
  crore: 7,
  billion: 9,
  b: 9,
  bn: 9,
  trillion: 12,
};

/** `hundred thousand` takes two passes. */
const scale = (_all: string, name: string, unit = ''): string =>
  powerOfTen(name) + (unit.trim() === '' ? '' : ` \\text{${unit}}`);

const powerOfTen = (name: string): string => `\\times 10^{${EXPONENTS[name.toLowerCase()]}}`;

/** Between the rows of a matrix, in place of `\\\\`. */
export const ROW = '\u0001';

/** `text` in one spelling; text commands keep theirs as `\text{...}` where they hold words. */
export function cleanLatex(text: string): string {
  return text
    .replace(/[\uFF01-\uFF5E]/g, (wide) => String.fromCharCode(wide.charCodeAt(0) - 0xfee0))
    .replace(/[−–×·⋅∙∕⁄∠ℝ÷±∓≤≥⩽⩾≠≈∈∪∩∞∅πθ°²³“”]/g, (sign) => WIDE[sign] ?? sign)
    .replace(/(?<=\d\.\d{1,300})(?:\.{3}|…)/g, '\\ldots ')
    .replace(/√\s*\(/g, '\\sqrt(')
    .replace(/√\s*(\d+(?:\.\d+)?|[a-zA-Z])/g, '\\sqrt{$1}')
    .replace(/[\u00A0\u2000-\u200B\u202F\u3000\t\r\n]/g, ' ')
    .replace(/\\\\/g, text.includes('\\begin') || text.includes('&') ? ROW : '\\')
    .replace(/(\d)\s*\{\s*,\s*\}\s*(?=\d{3}(?!\d))/g, '$1')
    .replace(/(\d)\s*\{\s*,\s*\}\s*(?=\d)/g, '$1.')
    .replace(MONEY_SCALE, (_all, digits: string, name: string) => digits + powerOfTen(name))
    .replace(/(\d),\\!\s*(?=\d{3})/g, '$1')
    .replace(/\\[!,;:>]|\\(?= )|~/g, ' ')
    .replace(/\\\$|[$€£¥₹]/g, ' ')
    .replace(/\\[()]|\\\[|\\\]/g, ' ')
    .replace(/\\([a-zA-Z]+)\*?/g, command)
    .replace(TEXT, textCommand)
    .replace(/(?<=\d) ?(?:percent(?:age)?|pct|per cent)(?![a-z])/gi, '\\%')
    .replace(SCALE, scale)
    .replace(SCALE, scale)
    .replace(/\\?"/g, ' ')
    .replace(/!=/g, '\\ne ')
    .replace(/<=|=</g, '\\le ')
    .replace(/>=/g, '\\ge ')
    .replace(/\*\*/g, '^')
    .replace(/\*/g, '\\cdot ')
    .replace(/(?<![\\a-zA-Z])(?:infinity|inf|oo)(?![a-zA-Z])/gi, '\\infty ')
    .replace(/(?<![\\a-zA-Z])(?:pi)(?![a-zA-Z])/g, '\\pi ')
    .replace(
      /(?<![\\a-zA-Z])(sqrt|frac|sin|cos|tan|cot|sec|csc|ln|log|exp|arcsin|arccos|arctan)(?=\s*[({^]|\s+[\da-z])/g,
      '\\$1',
    )
    .replace(/\\sqrt\s*\(/g, '\\sqrt(')
    .replace(/\\sqrt\(([^()]*)\)/g, '\\sqrt{$1}')
    .replace(/\^\s*\(([^()]*)\)/g, '^{$1}')
    .replace(/\^\s*\{?\s*\\circ\s*\}?/g, '^\\circ ')
    .replace(/\+\s*\\infty/g, '\\infty')
    .replace(/\s+/g, ' ')
    .replace(/^[\s.,;:]+(?!\d)|[\s.,;:]+$/g, '')
    .trim();
}

function command(all: string, name: string): string {
  if (NOTHING.has(name)) return ' ';
  if (SPACE.has(name)) return ' ';
  if (SIGNS[name] !== undefined) return SIGNS[name] ?? '';
  const same = SAME[name];
  if (same === undefined) return all;
  return /^[a-z]/i.test(same) ? `\\${same}` : `${same === '{' || same === '}' ? '\\' : ''}${same}`;
}

/** `\text{ and }` and commas join; letters are themselves; words stay marked. */
function textCommand(_all: string, content: string, at: number, whole: string): string {
  const words = content.replace(/[{}$]/g, ' ').replace(/\s+/g, ' ').trim();
  if (words === '') return ' ';
  if (/^[,;]?\s*(?:and|or)\s*,?$/i.test(words)) return ` ${words.replace(/[,;\s]/g, '').toLowerCase()} `;
  const measured = /^(-?\d[\d.,]*) ([A-Za-z][^\d]*)$/.exec(words);
  if (measured !== null) return ` ${measured[1]} \\text{${measured[2]}}`;
  const isUnit = /[\d})%] ?$/.test(whole.slice(Math.max(0, at - 2), at));
  if (!/[a-z]{2}/i.test(words) && /\d/.test(words)) return ` ${words} `;
  if ((!isUnit && /^\(?[A-Za-z]\)?$/.test(words)) || /^[-\d.,]+$/.test(words)) return ` ${words} `;
  if (/^(?:sin|cos|tan|cot|sec|csc|ln|log|exp|arcsin|arccos|arctan|lcm|gcd|max|min)$/.test(words)) return `\\${words} `;
  const inner = words.replace(/\b(?:percent|pct|percentage)\b/gi, '%');
  return /^[\\%]+$/.test(inner) ? '\\%' : `\\text{${inner}}`;
}

/** Without what makes no difference: spaces, and braces around one sign. */
export function bareText(latex: string): string {
  return latex
    .replace(/(\\[a-zA-Z]+) (?=[a-zA-Z])/g, '$1\u0002')
    .replace(/(?<=\d) +(?=\d)/g, '\u0002')
    .replace(/\s+/g, '')
    .replace(/\{(\w)\}/g, '$1');
}
