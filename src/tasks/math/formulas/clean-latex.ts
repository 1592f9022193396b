// An answer in LaTeX, Unicode or plain text -> LaTeX with one spelling and no decoration.

import { byName, halfWidth, POWERS_OF_TEN, SIGNS } from '../spellings.ts';

/** Signs that are read as commands; those that are not here stay. */
const UNICODE = byName([
  ...SIGNS.map(([sign, commands]) => [`\\${commands.split(' ')[0]} `, sign] as const),
  ['\\cdot ', '⋅ ∙'],
  ['\\le ', '⩽'],
  ['\\ge ', '⩾'],
  ['^\\circ ', '°'],
  ['\\mathbb{R}', 'ℝ'],
  ['^2', '²'],
  ['^3', '³'],
  ['-', '− –'],
  ['/', '∕ ⁄'],
  ['"', '“ ”'],
]);
const UNICODE_SIGN = new RegExp(`[${[...UNICODE.keys()].join('')}]`, 'g');

/** Commands that others mean, that are spaces, or that make no difference. */
const COMMANDS = byName([
  ['\\frac', 'dfrac tfrac cfrac'],
  ['\\le', 'leq leqslant leqq'],
  ['\\ge', 'geq geqslant geqq'],
  ['\\ne', 'neq'],
  ['\\approx', 'simeq'],
  ['\\cup', 'bigcup'],
  ['\\emptyset', 'varnothing'],
  ['\\circ', 'degree textdegree'],
  ['\\cdot', 'ast'],
  ['\\setminus', 'backslash'],
  ['\\arsinh', 'arcsinh'],
  ['\\{', 'lbrace'],
  ['\\}', 'rbrace'],
  ['[', 'lbrack'],
  [']', 'rbrack'],
  ['<', 'lt'],
  ['>', 'gt'],
  [':', 'colon'],
  ['', 'textdollar dollar euro pounds'],
  [' ', 'quad qquad enspace thinspace medspace space hfill newline left right big Big bigg Bigg bigl bigr Bigl Bigr'],
  [' ', 'biggl biggr Biggl Biggr displaystyle textstyle limits nolimits middle mathstrut rm bf it cal boldsymbol bm'],
  [' ', 'boxed fbox'],
]);

/** Text in LaTeX's text commands. One level of braces inside. */
const TEXT =
  /\\(?:text|mbox|textnormal|textbf|textit|textrm|textsf|texttt|mathrm|mathbf|mathit|mathsf|operatorname)\s*\{((?:[^{}]|\{[^{}]*\})*)\}/g;

/** `3\text{ million dollars}`, `2.5 billion`. */
const SCALE =
  /(?<=[\d}]) ?(?:\\text\{)?(hundred|thousand|million|billion|trillion|lakh|crore)s?(?![a-z])(?:(?<=\\text\{[a-z]*) ?([^{}]*)\})?/gi;
/** `\$2.5M`, `\$10\text{k}`; without a currency the letter is a symbol. */
const MONEY_SCALE =
  /(?:\\\$|\\textdollar ?|[€£₹]|^\$(?=[^$]*$)) ?(\d[\d.,]*) ?(?:\\text ?\{ ?)?([kKmMbB]|bn)\}?(?![A-Za-z])/g;

/** `hundred thousand` takes two passes. */
const scale = (_all: string, name: string, unit = ''): string =>
  powerOfTen(name) + (unit.trim() === '' ? '' : ` \\text{${unit}}`);

const powerOfTen = (name: string): string => `\\times 10^{${POWERS_OF_TEN.get(name.toLowerCase())}}`;

/** Between the rows of a matrix, in place of `\\\\`. */
export const ROW = '\u0001';

/** `text` in one spelling; text commands keep theirs as `\text{...}` where they hold words. */
export function cleanLatex(text: string): string {
  return halfWidth(text)
    .replace(UNICODE_SIGN, (sign) => UNICODE.get(sign)!)
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
    .replace(/\\([a-zA-Z]+)\*?/g, (all, name: string) => COMMANDS.get(name) ?? all)
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
