// A completion -> the mathematical answer that it states, as it is written.
import { answerText } from '../answer-values.ts';
import { findAnswer, undenied } from '../answers.ts';
import { ownText, type Stated, statements } from '../stated-text.ts';

interface StatedMath {
  readonly text: string;
  /** The text says that this is its answer; else it is merely the last formula or number in it. */
  readonly explicit: boolean;
}

/** What is read of a completion: its end. */
const MAX_CHARACTERS = 20_000;
const MAX_ANSWER = 1000;

const FORMULA = String.raw`\$\$[^$]{1,1000}\$\$|(?<!\\)\$(?:[^$\\\n]|\\[^\n]){1,1000}\$|\\\((?:(?!\\\))[^\n]){1,1000}\\\)|\\\[(?:(?!\\\]).){1,1000}\\\]`;
/** The answer that `completion` states: its last boxes, else what its last "the answer is" says, else its last formula or number; null: none. */
export function statedMath(completion: string): StatedMath | null {
  const text = singleBackslashes(ownText(completion).slice(-MAX_CHARACTERS));
  const stated = statements(text).filter(({ kind }) => kind !== 'box' && kind !== 'denied');
  const boxed = lastBoxes(text);
  const open = boxed === null ? openBox(text) : null;
  // A box that is not closed reaches to the end of its line; a cut text may continue in it.
  if (open !== null) return { text: open, explicit: false };
  if (boxed !== null) {
    // After a box, "the final answer is" alone states another answer.
    const end = boxesIn(text).at(-1)?.end ?? 0;
    const after = stated.filter(({ kind, text: said, end: at }) => /final|tag/.test(kind) && at - said.length >= end);
    const final = firstIn(after);
    return { text: final ?? boxed, explicit: true };
  }
  const declared = firstIn(stated);
  if (declared !== null) return { text: declared, explicit: true };
  // `The answer is not $5$` is no guess, either.
  const last = lastOf(undenied(text));
  return last === null ? null : { text: last, explicit: false };
}

function firstIn(stated: readonly Stated[]): string | null {
  for (const { text } of stated) {
    const found = statedIn(text.trim());
    if (found !== null) return found;
  }
  return null;
}

/** A text that went through JSON twice has each backslash doubled. */
function singleBackslashes(text: string): string {
  return /\\\\(?:boxed|fbox|frac|dfrac|sqrt|text)\b/.test(text) &&
    !/(?<!\\)\\(?:boxed|fbox|frac|dfrac|sqrt|text)\b/.test(text)
    ? text.replaceAll('\\\\', '\\')
    : text;
}

/** The contents of the last \boxed{...}, and of those right before it in one line, as a list; null: there is no box. */
export function lastBoxes(text: string): string | null {
  const boxes = boxesIn(text);
  const last = boxes.at(-1);
  if (last === undefined) return null;
  const found = [last.content];
  for (let i = boxes.length - 2; i >= 0 && found.length < 50; i--) {
    if (!isJoint(text.slice(boxes[i]!.end, boxes[i + 1]!.start))) break;
    found.unshift(boxes[i]!.content);
  }
  const different = [...new Set(found)];
  const answer = different.join(', ');
  return answer.trim() === '' || answer.length > MAX_ANSWER ? null : answer;
}

/** What stands in a last box that is not closed, in its line; null: there is none. */
function openBox(text: string): string | null {
  const at = text.search(/\\(?:boxed|fbox) ?\{(?![\s\S]*\\(?:boxed|fbox))/);
  const content = at < 0 ? '' : (/\{([^\n]{1,1000}?)[\s$.]*(?:\n|$)/.exec(text.slice(at))?.[1] ?? '');
  return content.trim() === '' ? null : content.trim();
}

/** `, `, ` and ` and the like, perhaps with the name of the next value. */
function isJoint(between: string): boolean {
  if (between.length > 60 || /\n\s*\n/.test(between)) return false;
  const bare = between
    .replace(/\\q?quad/g, ' ')
    .replace(/\\(?:text|mbox)\s*\{([^{}]*)\}/g, ' $1 ')
    .replace(/\\[()[\],;! ]|\$/g, ' ')
    .replace(/[A-Za-z]\w{0,8}(?:\([a-z]\))?\s*=\s*$/, '')
    .trim();
  return /^[^\p{L}\p{N}.]*$/u.test(bare) || /^(?:[^.!?]{0,25}\s)?,?(?:and|or)$/.test(bare);
}

/** Outermost boxes with their places. Linear time. */
function boxesIn(text: string): { start: number; end: number; content: string }[] {
  const opens: { at: number; start: number }[] = [];
  let boxes: { start: number; end: number; content: string }[] = [];
  const brace = /\\(?:boxed|fbox) ?\{|\\(?:boxed|fbox) ?(?=[\w-])(-?[\w.,]+)|\\[{}\\]|[{}]/g;
  for (let match = brace.exec(text); match !== null; match = brace.exec(text)) {
    const end = match.index + match[0].length;
    if (match[1] !== undefined) boxes.push({ start: match.index, end, content: match[1] });
    else if (match[0] === '}') {
      const open = opens.pop();
      if (open === undefined || open.start < 0) continue;
      boxes = boxes.filter(({ start }) => start < open.start);
      boxes.push({ start: open.start, end, content: text.slice(open.at, match.index).trim() });
    } else if (match[0].endsWith('{') && match[0] !== '\\{')
      opens.push({ at: end, start: match[0] === '{' ? -1 : match.index });
  }
  return boxes;
}

/** The answer at the beginning of `rest`: formulas with at most commas or `and` between them, or the words up to the end of the sentence. */
function statedIn(rest: string): string | null {
  const formulas = new RegExp(`^(?:${FORMULA})(?:(?:\\s*(?:,|and|or|,\\s*and)\\s*)(?:${FORMULA}))*`, 's').exec(rest);
  if (formulas !== null) return formulas[0];
  const end = /[.!?](?=\s|$)|\n/.exec(rest.replace(/\$[^$\n]*\$/g, (math) => math.replace(/[.!?]/g, '_')));
  const sentence = (end === null ? rest : rest.slice(0, end.index))
    .replace(/ (?:because|since|as there|so that|where)\b.*$/, '')
    .trim();
  if (sentence === '') return null;
  const verbs = [...sentence.matchAll(/(?:^|\s)(?:is|are|equals?|(?:it|that)['’]s)\s+/gi)].at(-1);
  const said = verbs === undefined ? sentence : sentence.slice(verbs.index + verbs[0].length);
  if (verbs !== undefined || said.split(/\s+/).length <= 6) return said.trim().replace(/^[*_"]+|[*_".]+$/g, '') || null;
  return lastOf(sentence);
}

/** A last line that is a formula without words, else the last formula or the last number, whichever stands later. */
function lastOf(text: string): string | null {
  const line = text.trim().split('\n').at(-1)?.trim() ?? '';
  if (isFormula(line)) return line;
  const tail = text.slice(-3000);
  const formula = [...tail.matchAll(new RegExp(FORMULA, 'gs'))].at(-1);
  const after = formula === undefined ? tail : tail.slice(formula.index + formula[0].length);
  // `K2A` is a name.
  const number = findAnswer(after.replace(/\p{L}+\d+\p{L}+|(?<=\d) ?[ckm]?m[²³]/gu, ' '));
  if (formula !== undefined && (number === null || number.answer.kind !== 'number')) return formula[0];
  return number === null ? null : answerText(number.answer);
}

function isFormula(line: string): boolean {
  const bare = line.replace(/\\[a-zA-Z]+/g, '\\');
  return line.length < 200 && /[\d\\^]|^[a-zA-Z]$/.test(bare) && !/[a-zA-Z]{2}|[.:] |\$|\\[()[\]]|%$|[€£]/.test(bare);
}
