// One record of MBPP, HumanEval, EvalPlus or the user's JSONL -> a problem with its tests.
import { SipfError } from '../../errors.ts';
import { renameHint } from '../../io/field-names.ts';
import type { CodeTests } from '../../records.ts';
import { SHOWN_TESTS } from '../../same-question.ts';
import type { DataRecord } from '../data/data-files.ts';
import { short } from '../data/data-text.ts';
import type { ParsedRecord } from '../data/question-set.ts';
import { ownId } from '../data/record-ids.ts';
import { textField } from '../math/math-task.ts';
import { splitCode } from './code-steps.ts';
import { preamble } from './code-text.ts';
import { evalPlusTests, isEvalPlus } from './evalplus.ts';
import { tokenize } from './python-tokens.ts';

/** One problem, understood. `id` only where the data has its own. */
interface ParsedProblem {
  readonly id?: string;
  readonly question: string;
  readonly tests: CodeTests;
  /** The reference solution: a program, or what continues the prefix. */
  readonly solution?: string | undefined;
  readonly prefix?: string | undefined;
}

/** A problem as a record of a question, its solution in steps. */
export function codeRecord({ solution, tests, prefix, ...own }: ParsedProblem): ParsedRecord {
  return {
    ...own,
    answer: '',
    ...(solution === undefined ? {} : { solution: splitCode(programText(solution)) }),
    tests,
    ...(prefix === undefined ? {} : { prefix }),
  };
}

/** Line feeds only, one at the end. */
function programText(code: string): string {
  return `${code.replace(/\r\n?/g, '\n').trimEnd()}\n`;
}

/** A field of MBPP: `text` (in the sanitised set and MBPP+ `prompt`), `code`, `test_list`, `test_setup_code` or `test_imports`. */
export function mbppProblem(record: DataRecord): ParsedProblem {
  const { value } = record;
  const id = `mbpp/${(ownId(record, 'task_id').id ?? '').replace(/^Mbpp\//i, '')}`;
  if (isEvalPlus(value)) {
    return { ...promptedProblem(record), id };
  }
  const text = textField(record, value.text === undefined ? 'prompt' : 'text', 'the text of a problem');
  const code = codeField(record, 'code');
  const list = testsField(record, 'test_list');
  const setup = lineFeeds(optionalText(record, 'test_setup_code')).trim();
  const imports = textList(record, 'test_imports').join('\n');
  // MBPP's setup uses what the program defines: it runs after it, before each test.
  const before = setup === '' ? '' : `${setup}\n`;
  const shown = [...(setup === '' ? [] : [setup]), ...list];
  const whole = optionalText(record, 'test');
  const cases = whole === '' ? list.map((test) => before + test) : [whole];
  return {
    id,
    question: `${text}${SHOWN_TESTS}${shown.join('\n')}`,
    tests: { setup: imports, cases, ...used(cases, code, entryPointOf(list, code)) },
    solution: code,
  };
}

/** HumanEval and EvalPlus: `prompt` (code to complete), `entry_point`, `canonical_solution`, `test` (or inputs for the canonical solution). */
export function humanEvalProblem(record: DataRecord): ParsedProblem {
  return { ...promptedProblem(record), id: textField(record, 'task_id', 'the id of a problem') };
}

function promptedProblem(record: DataRecord): ParsedProblem {
  const { value } = record;
  const entryPoint = textField(record, 'entry_point', 'the name of a function');
  const prompt = rawText(record, 'prompt', 'code to complete');
  const solution = optionalText(record, 'canonical_solution');
  const prefix = prefixOf(prompt);
  const goesOn = definesFunction(prefix, entryPoint);
  const given = value.test === undefined && isEvalPlus(value);
  const tests: CodeTests = given
    ? evalPlusTests(record, { entryPoint, reference: goesOn ? `${prefix}\n${solution}` : solution })
    : {
        setup: goesOn ? helpersIn(prefix, entryPoint) : '',
        cases: wholeTests([lineFeeds(rawText(record, 'test', 'a check function'))], record, 'test'),
        entryPoint,
      };
  return {
    question: goesOn ? `Complete the Python function ${entryPoint}.` : prompt.trim(),
    tests,
    ...(solution === '' ? {} : { solution: goesOn ? goingOn(solution) : solution }),
    ...(goesOn ? { prefix } : {}),
  };
}

/** What the code to complete defines above the entry point, where tests may call it: ours, so that no program decides what it means. */
function helpersIn(prefix: string, entryPoint: string): string {
  const above = preamble(prefix, { entryPoint }).trim();
  return /^(?:async[ \t]+)?(?:def|class)[ \t]/m.test(above) ? above : '';
}

/**
 * The user's own: `prompt` (or `text`, `question`), `tests` (or `test_list`, or `test` as in HumanEval); optional `code` (or `solution`,
 * `canonical_solution`), `entry_point`, `setup` (before the program), `test_setup_code` (after it), `id` (or `task_id`). A prompt that
 * defines the entry point is code to complete; other prompts are shown with their tests where `show_tests` is not false.
 */
export function ownProblem(record: DataRecord): ParsedProblem {
  const { value } = record;
  const own = ownId(record, 'id', 'task_id');
  if (isEvalPlus(value)) return { ...promptedProblem(record), ...own };
  const named = (...names: readonly string[]): string | undefined => names.find((name) => value[name] !== undefined);
  const prompt = rawText(record, named('prompt', 'text', 'question') ?? 'prompt', 'the text of a problem');
  const field = named('code', 'solution', 'canonical_solution');
  const given = optionalText(record, 'entry_point');
  const prefix = given !== '' && definesFunction(prompt, given) ? prefixOf(prompt) : undefined;
  const program = field === undefined ? undefined : codeField(record, field);
  const solution = program !== undefined && prefix !== undefined ? goingOn(program) : program;
  const listed = named('tests', 'test_list');
  if (listed === undefined && value.test !== undefined && given !== '') {
    return { ...promptedProblem(record), ...own, ...(solution === undefined ? {} : { solution }) };
  }
  const list = testsField(record, listed ?? 'tests');
  const after = lineFeeds(optionalText(record, 'test_setup_code')).trim();
  const shown = prefix === undefined && value.show_tests !== false;
  const text = `${prompt.trim()}${shown ? `${SHOWN_TESTS}${list.join('\n')}` : ''}`;
  return {
    ...own,
    question: prefix === undefined ? text : `Complete the Python function ${given}.`,
    tests: {
      setup: [optionalText(record, 'setup'), ...textList(record, 'test_imports')]
        .filter((part) => part !== '')
        .join('\n'),
      cases: list.map((test) => (after === '' ? test : `${after}\n${test}`)),
      ...used(list, solution ?? '', given === '' ? entryPointOf(list, solution ?? '') : given),
    },
    ...(solution === undefined ? {} : { solution }),
    ...(prefix === undefined ? {} : { prefix }),
  };
}

/**
 * The function that the tests use: of those at the margin of `code` that they name, the last (or the last class); where they name none, as a
 * check(candidate) does, the only one. Null: it cannot be told.
 */
function entryPointOf(tests: readonly string[], code: string): string | null {
  const names = definitionsIn(code);
  const read = namesIn(tests);
  const called = names.filter(({ name }) => read.has(name));
  const functions = names.filter(({ fn }) => fn);
  const only = called.length === 0 && functions.length === 1 ? functions[0] : undefined;
  return (called.findLast(({ fn }) => fn) ?? called.at(-1) ?? only)?.name ?? null;
}

/** The entry point, and what else of the reference the tests name. */
function used(
  tests: readonly string[],
  code: string,
  entryPoint: string | null,
): Pick<CodeTests, 'entryPoint' | 'names'> {
  const read = namesIn(tests);
  const defined = [...definitionsIn(code).map(({ name }) => name), ...givenIn(code)];
  const others = defined.filter((name) => name !== entryPoint && read.has(name));
  return others.length === 0 ? { entryPoint } : { entryPoint, names: [...new Set(others)] };
}

function namesIn(texts: readonly string[]): Set<string> {
  const names = texts.flatMap(tokenize).filter(({ kind }) => kind === 'name');
  return new Set(names.map(({ text }) => text));
}

/** Functions and classes at the margin. */
function definitionsIn(code: string): { name: string; fn: boolean }[] {
  const found = code.matchAll(/^(?:async[ \t]+)?def[ \t]+(\w+)|^class[ \t]+(\w+)/gm);
  return [...found].map(([, fn, cls]) => ({ name: fn ?? cls ?? '', fn: fn !== undefined }));
}

/** Imports and values at the margin: tests that read them expect them of the program. */
function givenIn(code: string): string[] {
  const imports = code.matchAll(/^(?:from[ \t]+[\w.]+[ \t]+)?import[ \t]+([^\n#]+)/gm);
  const values = code.matchAll(/^(\w+)[ \t]*(?::[^=\n]*)?=(?!=)/gm);
  return [
    ...[...imports].flatMap(([, list = '']) => list.match(/\w+/g) ?? []),
    ...[...values].map(([, name = '']) => name),
  ];
}

function definesFunction(code: string, name: string): boolean {
  return new RegExp(`^(?:async[ \\t]+)?def[ \\t]+${name.replace(/\W/g, '\\$&')}[ \\t]*\\(`, 'm').test(code);
}

/** Code to complete, without its last line end: many a tokenizer has a line feed and the next line's indentation in one token. */
function prefixOf(prompt: string): string {
  return lineFeeds(prompt).trimEnd();
}

/** What follows such a prefix; a whole program stays as it is. */
function goingOn(solution: string): string {
  return /^[ \t]/.test(solution) ? `\n${solution}` : solution;
}

function codeField(record: DataRecord, field: string): string {
  return programText(rawText(record, field, 'a reference solution'));
}

/** A list of tests, or one text of one test a line; each must be whole: tests that end within a string or bracket are refused. */
function testsField(record: DataRecord, field: string): string[] {
  const { value, place } = record;
  const given = value[field];
  const list = (typeof given === 'string' ? [given] : Array.isArray(given) ? given : []) as unknown[];
  const texts = list.filter((test): test is string => typeof test === 'string' && test.trim() !== '');
  if (texts.length === 0 || texts.length < list.length) {
    const hint = given === undefined ? renameHint(value, field) : '';
    throw new SipfError(
      'bad-input',
      `Expected a list of tests in ${place}, field "${field}", got ${short(given)}.${hint} Give at least one, such as "assert f(1) == 2".`,
    );
  }
  return wholeTests(
    texts.map((test) => lineFeeds(test).trim()),
    record,
    field,
  );
}

function wholeTests(tests: string[], { place }: DataRecord, field: string): string[] {
  const broken = tests.find((test) => !isWhole(test));
  if (broken === undefined) return tests;
  throw new SipfError(
    'bad-input',
    `Expected tests that are whole Python in ${place}, field "${field}", got ${short(broken)}, which ends within a string or bracket. Fix that record.`,
  );
}

/** Every string and bracket that is opened is closed. */
function isWhole(text: string): boolean {
  const tokens = tokenize(`${text}\n`);
  const last = tokens.at(-1);
  const broken = tokens.some((token) => token.kind === 'string' && /[^"']$|^[a-zA-Z]*["']$/.test(token.text));
  return last?.kind === 'newline' && last.depth === 0 && !broken;
}

/** As `textField`, spaces and line ends kept. */
function rawText(record: DataRecord, field: string, expected: string): string {
  textField(record, field, expected);
  return String(record.value[field]);
}

function optionalText({ value, place }: DataRecord, field: string): string {
  const found = value[field] ?? '';
  if (typeof found === 'string') return found;
  throw new SipfError(
    'bad-input',
    `Expected a text in ${place}, field "${field}", got ${short(found)}. Fix that record.`,
  );
}

function textList({ value, place }: DataRecord, field: string): string[] {
  const found = value[field] ?? [];
  if (typeof found === 'string') return [found];
  if (Array.isArray(found) && found.every((item) => typeof item === 'string')) return found as string[];
  throw new SipfError(
    'bad-input',
    `Expected a list of texts in ${place}, field "${field}", got ${short(found)}. Fix that record.`,
  );
}

function lineFeeds(text: string): string {
  return text.replace(/\r\n?/g, '\n');
}
