// A completion -> the answer that it states: found, read and compared; never evaluated as code.
import {
  type Answer,
  answerText,
  LIST,
  leadingNumber,
  leadless,
  parseAnswer,
  strip,
  textAnswer,
  wholeNumber,
} from './answer-values.ts';
import { isAmbiguous, isOperand, isOperated, numbersIn, readClause, readExact, sentence } from './clauses.ts';
import { plainText } from './plain-text.ts';
import { endsInEmpty, MAX_CHARACTERS, ownText, type Stated, statements } from './stated-text.ts';

/** `explicit`: the text says that this is its answer (boxed, `####`, "the answer is"); else it is merely the last number in it. */
export interface FoundAnswer {
  readonly answer: Answer;
  readonly explicit: boolean;
}

/** A Markdown heading such as `#### 2. Add them` is no answer, nor is one in words. */
const NUMBERED = /^\(?\d{1,3}[.):] ?\p{L}/u;
const MATH_START = /^(?:\p{L} ?[-+*/^=<>≤≥(√_]|[^\p{L}\s]|(?:between|either|from)\b)/iu;
/** `The answer was wrong` is about an answer and states none. */
const VERDICT = /^\s*(?:not |also |still )?(?:right|wrong|correct|incorrect|unknown|unclear)\b/i;
/** Arithmetic with its result: a line of a solution. */
const ARITHMETIC = /[\d)] ?[-+*/×÷·x] ?[\d($][^=]*=/;

const wordsOf = (text: string): string[] => strip(text).split(/\s+/);

/** What a `####` line states; a heading states nothing. */
function readHash(plain: string): Answer | null {
  const text = strip(plain);
  if (NUMBERED.test(plain.trim()) || /answer/i.test(plain)) return null;
  if (leadingNumber(leadless(text)) === null && !MATH_START.test(text) && /\s/.test(text)) return null;
  return readClause(sentence(plain));
}

/** What follows a bare `Answer:`; null where a solution does. `more`: text continues after it. */
function readLabelled(plain: string, more: boolean): Answer | null {
  const clause = sentence(plain);
  // `Answer: 4!` is a factorial, `the answer is 4!` an exclamation.
  if (/^[^\s!]*\d!+$/.test(plain)) return textAnswer(plain);
  const whole = wholeNumber(strip(plain)) ?? wholeNumber(strip(clause));
  if (whole !== null || (!more && plain.slice(clause.length).search(/[\p{L}\d]/u) < 0))
    return whole ?? readClause(clause);
  const parsed = parseAnswer(clause);
  const isAlone = wordsOf(clause).length === 1 || (parsed?.kind === 'text' && LIST.test(parsed.text));
  if (isAlone) return readClause(clause);
  return !ARITHMETIC.test(clause) && isAmbiguous(clause) ? readClause(clause) : null;
}

/** What stands in an answer tag: a statement of its own, else its only line, or the last one. */
function readTag(raw: string): Answer | null {
  const inner = chosen(raw);
  if (inner !== null) return inner;
  const plain = plainText(raw.trim().split(/\n+/).at(-1) ?? '').trim();
  const clause = sentence(plain);
  const exact = readExact(plain);
  if (exact?.kind === 'number' || clause.length === plain.length || leadingNumber(leadless(strip(plain))) !== null) {
    return exact?.kind === 'number' ? exact : readClause(clause);
  }
  return /\d/.test(plain.slice(clause.length)) ? exact : readClause(clause);
}

function read({ kind, text, end }: Stated, whole: string): Answer | null {
  const plain = plainText(text).trim();
  if (kind === 'box') return readExact(plain);
  if (kind === 'tag') return readTag(text);
  if (kind === 'hash') return readHash(plain);
  if (kind === 'denied' || VERDICT.test(plain)) return null;
  if (kind === 'answer') return readLabelled(plain, /[\p{L}\d]/u.test(whole.slice(end, end + MAX_CHARACTERS)));
  return readClause(sentence(plain));
}

/** `blue` and `10 - 2√5` are answers; `that of the other question` is one only where nothing better is there. */
function isStrong(answer: Answer): boolean {
  return answer.kind === 'number' || /[\d√π∞∅±]|^\S+$/.test(answer.text);
}

/** What the statement that counts says. */
function chosen(text: string): Answer | null {
  let weak: Answer | null = null;
  for (const stated of statements(text)) {
    const answer = read(stated, text);
    if (answer === null) continue;
    if (stated.kind === 'box' || stated.kind === 'tag' || isStrong(answer)) return answer;
    if (weak === null && wordsOf(stated.text).length <= 6) weak = answer;
  }
  return weak;
}

/** Where the last number may be the answer: after what the text says is not one. Empty where its last box is empty. */
export function undenied(text: string): string {
  if (endsInEmpty(text)) return '';
  const denied = statements(text)
    .filter(({ kind, text: said }) => kind === 'denied' || (kind !== 'box' && kind !== 'hash' && VERDICT.test(said)))
    .map(({ start, end }) => start + (/^.*?(?=[.!?](?:\s|$)|\n|$)/s.exec(text.slice(start, end))?.[0].length ?? 0));
  return text.slice(Math.max(0, ...denied));
}

/** The last number of a text that states no answer; null where it is part of an expression, or one of several beside each other. */
function lastNumber(text: string): Answer | null {
  const plain = tail(undenied(text));
  const last = numbersIn(plain).at(-1);
  if (last === undefined || isOperand(plain, last) || isOperated(plain, last.start)) return null;
  const { value, percent, text: raw } = last;
  return value === null ? parseAnswer(raw) : { kind: 'number', value, percent };
}

/** The part of the text that ends with its last digit (and unit or percent sign), short enough to read again. */
function tail(text: string): string {
  let end = text.length - 1;
  while (end >= 0 && !/[\d\uFF10-\uFF19¼-¾⅐-⅞]/.test(text.charAt(end))) end -= 1;
  return plainText(text.slice(Math.max(0, end + 1 - MAX_CHARACTERS), end + 24));
}

/**
 * The answer that a completion states, by the first of these that is there: the last box or answer tag; the last `#### x`; the last "the
 * answer is x" (what reads like an answer first, then words); else the last number in the text, as lm-evaluation-harness's flexible-extract
 * does (`explicit: false`). Reasoning blocks and what follows the model's turn do not count. Number words ("twelve") are not read. null: no
 * answer. Linear time. docs/answers.md has the rules.
 */
export function findAnswer(completion: string): FoundAnswer | null {
  const text = ownText(completion);
  const found = chosen(text);
  if (found !== null) return { answer: found, explicit: true };
  const last = lastNumber(text);
  return last === null ? null : { answer: last, explicit: false };
}

/** The answer of a reference: what follows a GSM8K solution's `####` (or another explicit marker), else the whole text; null: empty. */
export function referenceAnswer(reference: string): string | null {
  const found = /####|\\boxed|answer/i.test(reference) ? findAnswer(reference) : null;
  const answer = found?.explicit ? found.answer : parseAnswer(reference);
  return answer === null ? null : answerText(answer);
}
