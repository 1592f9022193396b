// A record with choices (MMLU, ARC, AQuA and similar) -> its options and the right one.
import { SipfError } from '../../errors.ts';
import { numberText } from '../../io/exact-json.ts';
import type { Question } from '../../records.ts';
import type { DataRecord } from '../data/data-files.ts';
import { short } from '../data/data-text.ts';
import { answerText, parseAnswer, sameAnswer } from './answer-values.ts';

export interface Choices {
  readonly options: string[];
  /** What a question's `answer` says of the right one: its number where no other option has it, else its text. */
  readonly answer: string;
  /** The label of the right one. */
  readonly letter: string;
}

interface Given {
  readonly field: string;
  readonly options: string[];
  /** The data's own labels, where they are not A, B, C, ... */
  readonly labels: readonly string[] | null;
  /** The options are JSON numbers. */
  readonly numbers: boolean;
}

const ANSWER_FIELDS = ['answer', 'answerKey', 'correct', 'reference'];

/** The label of an option: A, B, C, ... */
export const letterOf = (index: number): string => String.fromCharCode(65 + index);
const MAX_OPTIONS = 26;

/** The record of a question with options; a solution ends with the letter of the right one. */
export function choiceRecord(
  question: string,
  { options, answer }: Choices,
  solution?: string[],
): Pick<Question, 'question' | 'answer' | 'solution' | 'choices'> {
  return {
    question: withOptions(question, options),
    answer,
    ...(solution === undefined ? {} : { solution }),
    choices: options,
  };
}

/** The question as a model sees it: each option on a line of its own, unless they stand there already. */
export function withOptions(question: string, options: readonly string[]): string {
  const lines = options.map((option, i) => `\n${letterOf(i)}) ${option}`).join('');
  return question.endsWith(lines) ? question : question + lines;
}

/** The right option among `options`, as `Choices.answer` or the text says it; -1: none. */
export function rightOption(options: readonly string[], answer: string): number {
  const exact = options.indexOf(answer);
  return exact >= 0 ? exact : options.findIndex((option) => canonical(option) === answer);
}

/**
 * The options in `choices` or `options` (a list, a dictionary A to D, ARC's {text, label}), or in columns A, B, C, ..., and the right one: the
 * field `answer` (or ARC's `answerKey`, AQuA's `correct`) is a letter, MMLU's index from 0, or an option's text. null: no such field.
 * @throws SipfError 'bad-input' naming file, line and field.
 */
export function choicesOf(record: DataRecord): Choices | null {
  const given = givenChoices(record);
  if (given === null) {
    refuseOtherNames(record);
    return null;
  }
  const { options } = given;
  checkOptions(record, given);
  const index = rightIndex(record, given);
  const right = options[index]!;
  const number = canonical(right);
  const isOnly = options.filter((option) => canonical(option) === number).length === 1;
  return { options, answer: isOnly && !options.includes(number) ? number : right, letter: letterOf(index) };
}

function canonical(option: string): string {
  const answer = parseAnswer(option);
  return answer?.kind === 'number' ? answerText(answer) : option;
}

function givenChoices(record: DataRecord): Given | null {
  const { value } = record;
  const fields = ['choices', 'options'].filter((name) => value[name] !== undefined && value[name] !== null);
  if (fields.length > 1) throw refused(record, 'options', 'the options in one field', value.options);
  const [field] = fields;
  if (field !== undefined) return { field, ...readOptions(record, field, value[field]) };
  const isText = (name: string): boolean => typeof value[name] === 'string' || numberText(value[name]) !== null;
  if (!isText('A') || !isText('B')) return null;
  const columns: string[] = [];
  for (let i = 0; i < MAX_OPTIONS && isText(letterOf(i)); i++) columns.push(letterOf(i));
  const options = columns.map((name) => textOf(value[name])!);
  return { field: columns.at(-1)!, options, labels: null, numbers: false };
}

function readOptions(record: DataRecord, field: string, given: unknown): Omit<Given, 'field'> {
  if (Array.isArray(given)) return readList(record, field, given);
  if (typeof given === 'object' && given !== null && numberText(given) === null) {
    const { text, label } = given as { text?: unknown; label?: unknown };
    if (Array.isArray(text)) {
      const { options, numbers } = readList(record, field, text);
      if (label === undefined || label === null) return { options, labels: null, numbers };
      const labels = Array.isArray(label) ? label.map(textOf) : [];
      if (labels.length !== options.length || labels.includes(null) || new Set(labels).size < labels.length) {
        throw refused(record, `${field}.label`, `${options.length} different labels`, label);
      }
      return { options, labels: labels as string[], numbers };
    }
    const keys = Object.keys(given).sort();
    if (keys.length > 0 && keys.every((key, i) => key.toUpperCase() === letterOf(i))) {
      return readList(
        record,
        field,
        keys.map((key) => (given as Record<string, unknown>)[key]),
      );
    }
  }
  throw refused(record, field, 'a list of options, or one text for each of A, B, C, ...', given);
}

/** Texts or numbers, or {label, text} each. `A) 4` is the option 4 where all have their letter. */
function readList(record: DataRecord, field: string, list: readonly unknown[]): Omit<Given, 'field'> {
  const items = list.map((one): { text?: unknown; label?: unknown } =>
    one !== null && typeof one === 'object' && 'text' in one ? one : { text: one },
  );
  const labels = items.map(({ label }) => textOf(label));
  const texts = items.map(({ text }) => textOf(text));
  const missing = texts.findIndex((text) => text === null || text === '');
  if (missing >= 0) throw refused(record, `${field}[${missing}]`, 'the text of an option', list[missing]);
  const options = texts as string[];
  const lettered = options.map(
    (option, i) => new RegExp(`^\\(?${letterOf(i)}[).:]\\s*(.+)$`, 's').exec(option)?.[1] ?? null,
  );
  return {
    options: lettered.includes(null) ? options : (lettered as string[]),
    labels: labels.includes(null) ? null : (labels as string[]),
    numbers: items.every(({ text }) => typeof text !== 'string'),
  };
}

/** Options stand on one line each. */
function textOf(value: unknown): string | null {
  return numberText(value) ?? (typeof value === 'string' ? value.replace(/\s+/g, ' ').trim() : null);
}

function checkOptions(record: DataRecord, { field, options }: Given): void {
  if (options.length < 2 || options.length > MAX_OPTIONS) {
    throw refused(record, field, `2 to ${MAX_OPTIONS} options`, record.value[field]);
  }
  const empty = options.indexOf('');
  if (empty >= 0) throw refused(record, field, `a text for option ${letterOf(empty)}`, record.value[field]);
  const twice = options.findIndex((option, i) => options.indexOf(option) !== i);
  if (twice >= 0) throw refused(record, field, 'different options', options[twice]);
}

/** Each reading that is possible; more than one is refused, so that none is guessed. */
function rightIndex(record: DataRecord, given: Given): number {
  const { value } = record;
  const { options } = given;
  const field = ANSWER_FIELDS.find((name) => value[name] !== undefined && value[name] !== null) ?? 'answer';
  const expected = `one of the options: its letter (A to ${letterOf(options.length - 1)}), its index (0 to ${options.length - 1}, a number) or its text`;
  const answer = value[field];
  const unclear = (why = ''): SipfError => refused(record, field, expected + why, answer);
  const digits = numberText(answer);
  if (digits !== null) return indexOfNumber(digits, given, unclear);
  if (typeof answer !== 'string' || answer.trim() === '') throw unclear();
  const said = (/####\s*([^\n]+)\s*$/.exec(answer)?.[1] ?? answer).replace(/\s+/g, ' ').trim();
  // `B) 8` must be option B, and 8.
  const both = options.includes(said) ? null : /^\(?([A-Z])[).:] ?(.+)$/.exec(said);
  if (both !== null) {
    const index = both[1]!.charCodeAt(0) - 65;
    if (options[index] !== undefined && byValue(options, both[2]!) === index) return index;
    throw unclear();
  }
  const byLabel = labelled(said, given);
  const byText = options.includes(said) ? options.indexOf(said) : byLabel >= 0 ? -1 : byValue(options, said);
  if (byLabel >= 0 && byText >= 0 && byLabel !== byText) {
    throw unclear('; both a letter and a text fit, so give the index');
  }
  const index = Math.max(byLabel, byText);
  if (index < 0) throw unclear();
  return index;
}

/** An index from 0, or the number that an option is. */
function indexOfNumber(digits: string, { options, numbers }: Given, unclear: (why?: string) => SipfError): number {
  const index = /^\d{1,2}$/.test(digits) && Number(digits) < options.length ? Number(digits) : -1;
  const byText = byValue(options, digits);
  // Options that are numbers themselves: an index and an option's number look the same.
  if (index >= 0 && !(numbers && byText >= 0 && byText !== index)) return index;
  if (index >= 0) throw unclear('; both an index and an option fit, so give a letter');
  // As large as the number of options: perhaps an index from 1.
  if (byText < 0 || (digits === String(options.length) && byText !== options.length - 1)) throw unclear();
  return byText;
}

/** The option with this label; -1: none, or no label. */
function labelled(said: string, { options, labels }: Given): number {
  const label = /^\(?([A-Za-z0-9]{1,2})[).:]?$/.exec(said)?.[1];
  if (label === undefined) return -1;
  return (labels ?? options.map((_, i) => letterOf(i))).indexOf(label);
}

/** The only option that is this text but for case, or else this number; -1: none, or several. */
function byValue(options: readonly string[], said: string): number {
  const lower = said.toLowerCase();
  const byCase = onlyOption(options, (option) => option.toLowerCase() === lower);
  return byCase ?? onlyOption(options, (option) => sameAnswer(option, said)) ?? -1;
}

/** The index of the one option that is so; null: none, or several. */
export function onlyOption(options: readonly string[], isSo: (option: string) => boolean): number | null {
  const [first, ...others] = options.filter(isSo);
  return first === undefined || others.length > 0 ? null : options.indexOf(first);
}

/** Options under names of other data sets: without them, an index or a letter would be taken for the answer itself. */
const OTHER_LISTS =
  /^(?:(?:possible|multiple)_?(?:answers|choices)|answer_?(?:choices|options)|mc_?(?:choices|options)|endings)$/i;
const OTHER_COLUMNS = /^(?:option|choice|answer|op|opt|ending)_?(?:a|b|1|2)$/i;

function refuseOtherNames({ value, place }: DataRecord): void {
  const names = Object.keys(value).filter((name) => value[name] !== null);
  const list = names.find((name) => OTHER_LISTS.test(name) && typeof value[name] === 'object');
  const columns = names.filter((name) => OTHER_COLUMNS.test(name));
  const found = list ?? (columns.length > 1 ? columns[0] : undefined);
  if (found === undefined) return;
  throw new SipfError(
    'bad-input',
    `Expected the options in ${place} in the field "choices" (a list), got "${found}". ${list === undefined ? 'Put them there' : 'Rename it'} in every record, or leave it out where the answer is none of them.`,
  );
}

function refused({ place }: DataRecord, field: string, expected: string, got: unknown): SipfError {
  return new SipfError(
    'bad-input',
    `Expected ${expected} in ${place}, field "${field}", got ${short(got)}. Change that record.`,
  );
}
