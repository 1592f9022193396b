// A solution text -> its equations, and whether each holds in exact arithmetic.
import { evaluate, tidy } from '../../arithmetic/expressions.ts';
import { equal } from '../../arithmetic/rational.ts';
import { plainText } from './plain-text.ts';

interface CheckedEquation {
  /** Without spaces, currency and thousands separators; `*` and `/` as operators. */
  readonly equation: string;
  /** null: not an equation that can be read (no side missing, no unknown sign, not longer than 300 characters). A division by zero is false. */
  readonly holds: boolean | null;
}

/** One annotation and the text on its line around it. */
interface Annotation {
  readonly equation: string;
  readonly before: string;
  readonly after: string;
}

const ANNOTATION = /<<([^<>\n]{0,300})>>/g;

/** The calculator annotations of a text, in order, each with the rest of its line before and after (other annotations left in). */
export function annotations(text: string): Annotation[] {
  return text.split('\n').flatMap((line) =>
    [...line.matchAll(ANNOTATION)].map((match) => ({
      equation: tidy(match[1] ?? ''),
      before: line.slice(Math.max(0, match.index - 300), match.index),
      after: line.slice(match.index + match[0].length, match.index + match[0].length + 100),
    })),
  );
}

/** The equations of a text in order: those in annotations, or where there is none, those written out as `a op b = c`. */
export function equations(text: string): string[] {
  const annotated = annotations(text);
  return annotated.length > 0 ? annotated.map(({ equation }) => equation) : text.split('\n').flatMap(plainEquations);
}

/** Before a number or a bracket that belongs to it: `f(2) = 7`, `√(16) = 4`, `20% of 50 = 10`. */
const CALL = /[\p{L}_'’^√∛|!\\}]$/u;
const OPERATOR_WORD = /\b(?:of|than|by|times|plus|minus|over|mod|half|twice|double|triple|sin|cos|tan|log|ln|sqrt)$/i;
/** `for 3 = 3*4`: 3 things. */
const COUNTED = /\b(?:for|in|per|after) \d[\d.,]* ?=/i;

/** Runs of numbers, operators and equals signs that contain a complete equation with at least one operation. */
function plainEquations(line: string): string[] {
  const plain = plainText(line)
    .replace(/[×·]/g, '*')
    .replace(/÷/g, '/')
    .replace(/([\d)]) ?x ?(?=[\d(.$])/g, '$1*')
    .replace(/ \((?=[^()=]{0,100}=)/g, ' ; (');
  const found: string[] = [];
  for (const match of plain.matchAll(/[\d.,+\-*/()%$€£¥₹ =]+/g)) {
    // A side that is not all there says nothing.
    const before = plain.slice(Math.max(0, match.index - 20), match.index);
    const isArgument = match[0].startsWith('(')
      ? CALL.test(before)
      : OPERATOR_WORD.test(before) || COUNTED.test(before.slice(-6) + match[0].slice(0, 20));
    const from = match.index + (isArgument ? Math.max(0, match[0].indexOf('=')) : 0);
    const end = match.index + match[0].length;
    const run = plain.slice(from, Math.min(end, from + 300));
    if (!run.includes('=')) continue;
    // `7 = 2*3 + x` says nothing of `2*3`.
    if (
      /[-+*/] ?$/.test(run) &&
      /^(?:(?!a \p{L})\p{L}(?![\p{L}'’])|\p{L}{1,20}\(|[√∛\\|])/u.test(plain.slice(end, end + 30))
    )
      continue;
    // Digits glued to a letter, or a sign after a word (`5 apples - 2 = 3`), belong to something else.
    const afterWord = match.index > 0 && (/^[\d.]/.test(run) || /^\s*[+\-*/]/.test(run));
    const beforeLetter = /[\d)]$/.test(run) && from + run.length < plain.length;
    if (afterWord || beforeLetter) continue;
    const equation = balanced(tidy(run.replace(/^[\s.,=]+/, '')).replace(/[-+*/(.,=]+$/, ''));
    const sides = equation.split('=');
    const complete = sides.length > 1 && sides.every((side) => /\d/.test(side));
    if (complete && sides.some((side) => /[\d)%][+\-*/]/.test(side))) found.push(equation);
  }
  return found;
}

/** `(3+4=7)` -> `3+4=7`: brackets around an equation are punctuation. */
function balanced(equation: string): string {
  const first = equation.split('=', 1)[0] ?? '';
  const open = first.split('(').length - first.split(')').length;
  return open === 1 && equation.startsWith('(') ? equation.slice(1).replace(/\)$/, '') : equation;
}

/** One equation of `+ - * /`, brackets, decimals and percent, perhaps a chain `a = b = c`: true where all sides are equal. */
export function checkEquation(equation: string): CheckedEquation {
  const tidied = tidy(equation);
  const sides = tidied.length > 300 ? [] : tidied.split('=');
  const values = sides.map(evaluate);
  if (sides.length < 2 || values.includes(undefined)) return { equation: tidied, holds: null };
  const [first] = values;
  return { equation: tidied, holds: values.every((value) => !!first && !!value && equal(first, value)) };
}

/** Each equation of a text (see `equations`) and whether it holds exactly: `1/3=0.33` does not. */
export function checkEquations(text: string): CheckedEquation[] {
  return equations(text).map(checkEquation);
}

/** What the equations of a text say together: false where one is false, true where all that can be read hold, null where none can be read. */
export function equationsHold(text: string): boolean | null {
  const known = checkEquations(text).flatMap(({ holds }) => holds ?? []);
  return known.length === 0 ? null : !known.includes(false);
}
