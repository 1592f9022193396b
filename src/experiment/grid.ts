// grid.json -> methods, variants and seeds to compare, checked; or an error that names the key.
import { z } from 'zod';
import { described } from '../described.ts';
import { messageOf, SipfError } from '../errors.ts';
import { check } from '../io/check.ts';
import { readTextFile } from '../io/file-bytes.ts';
import { parseJsonText } from '../io/json-text.ts';
import { MethodName } from '../method/methods.ts';
import { nearest } from '../nearest.ts';
import { EQUAL_FLOPS, START } from './cell.ts';

/** A row or a variant: a part of folder names. */
const NAME = /^[\w-][\w.-]*$/;
/** What folders of the experiment's own are called, or end with. */
const RESERVED = new RegExp(`^${START}$|${EQUAL_FLOPS}$`);
const Seeds = z.array(z.number().int().min(0));
const Settings = z.record(z.string(), z.unknown());

/** What an experiment compares: methods x variants x seeds. Settings are those of `sipf run`, as dotted keys or as sections. */
export const Grid = z.strictObject({
  preset: described(z.string().optional(), 'The preset that all runs begin with.'),
  settings: described(Settings.default({}), 'Settings over the preset, of all runs.'),
  tokens: described(
    z.number().int().positive(),
    'Optimizer tokens of each run after the warm-up, all rounds together: what makes the rows of the first table equal.',
  ),
  seeds: described(
    Seeds.min(1),
    'A seed chooses the weights and draws of its runs, and the problems of a generated task.',
  ),
  tuningSeeds: described(Seeds.default([]), 'Seeds that settings were chosen on: they are in no table of results.'),
  methods: described(
    z.union([z.array(z.string()).min(1), z.record(z.string(), Settings)]),
    'Rows of the table: names of methods; or names of your own, each with its settings, `method` among them.',
  ),
  variants: described(
    z.record(z.string(), Settings).default({}),
    'Settings that every method is run with, by name: each gives rows of its own. {}: one set of rows.',
  ),
  reference: described(z.string().optional(), 'The row whose cost others are made equal to. Absent: the first.'),
  equalFlops: described(
    z.array(z.string()).default([]),
    'Rows that run once more, with as many model FLOPs as the reference: what they save on rollouts goes into training.',
  ),
});

export interface Grid extends Omit<z.infer<typeof Grid>, 'methods' | 'reference'> {
  /** Each with its `method`. */
  readonly methods: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly reference: string;
}

/** Settings that the experiment itself gives each run. */
export const OWN_KEYS: readonly string[] = ['seed', 'task.seed', 'align.train.tokens', 'evaluate.control'];

/**
 * The grid in a file.
 * @throws SipfError 'not-found', and 'bad-input' for what is no grid: naming file and field.
 */
export async function readGrid(file: string): Promise<Grid> {
  const text = await readTextFile(file);
  if (text === null)
    throw new SipfError('not-found', `Expected a grid of an experiment at ${file}, got nothing there. Check the path.`);
  return parseGrid(jsonIn(text, file), file);
}

function jsonIn(text: string, file: string): unknown {
  try {
    return parseJsonText(text);
  } catch (cause) {
    throw new SipfError(
      'bad-input',
      `Expected JSON in ${file}, got text that is not JSON (${messageOf(cause)}). Fix the file.`,
      { cause },
    );
  }
}

/** `file` is for messages. @throws SipfError 'bad-input' naming file and field. */
export function parseGrid(value: unknown, file: string): Grid {
  const parsed = check(Grid, value, file, 'Fix the file.');
  const methods = methodsOf(parsed.methods, file);
  const names = Object.keys(methods);
  const { reference = names[0] ?? '', equalFlops, seeds, tuningSeeds, settings, variants } = parsed;
  checkNames([...names, ...Object.keys(variants)], file);
  for (const name of [reference, ...equalFlops])
    if (!names.includes(name))
      throw refused(file, `one of its methods (${names.join(', ')})`, `${name}. Did you mean ${nearest(name, names)}?`);
  const tuned = seeds.filter((seed) => tuningSeeds.includes(seed));
  if (tuned.length > 0)
    throw refused(
      file,
      'seeds that settings were not chosen on',
      `${tuned.join(', ')} in seeds and in tuningSeeds, too. Take others.`,
    );
  for (const [place, tree] of Object.entries({ settings, ...variants, ...methods })) checkOwnKeys(tree, place, file);
  return { ...parsed, methods, reference, seeds: [...new Set(seeds)] };
}

function checkNames(names: readonly string[], file: string): void {
  const odd = names.find((name) => !NAME.test(name));
  if (odd !== undefined)
    throw refused(
      file,
      'names of letters, digits, dots, hyphens and underscores, the first one no dot',
      `${JSON.stringify(odd)}. Rename it.`,
    );
  const taken = names.find((name) => RESERVED.test(name));
  if (taken !== undefined)
    throw refused(
      file,
      `names other than ${START} (the warm-up), which do not end with ${EQUAL_FLOPS}`,
      `${taken}. Rename it.`,
    );
}

function methodsOf(given: z.infer<typeof Grid>['methods'], file: string): Grid['methods'] {
  const named = Array.isArray(given)
    ? Object.fromEntries(given.map((name) => [name, {} as Readonly<Record<string, unknown>>]))
    : given;
  const entries = Object.entries(named).map(([name, own]) => [name, { ...own, method: own.method ?? name }] as const);
  if (entries.length === 0) throw refused(file, 'a method at least', 'none. Add one.');
  for (const [name, { method }] of entries) {
    if (MethodName.safeParse(method).success) continue;
    const meant = nearest(String(method), MethodName.options);
    throw refused(
      file,
      `a method for ${name}`,
      `${JSON.stringify(method)}. Did you mean ${meant}? A row with a name of its own says which: {"${name}": {"method": "${meant}"}}.`,
    );
  }
  return Object.fromEntries(entries);
}

function checkOwnKeys(tree: Readonly<Record<string, unknown>>, place: string, file: string): void {
  const own = Object.keys(dotted(tree)).find((key) => OWN_KEYS.includes(key));
  if (own === undefined) return;
  throw refused(
    file,
    `settings of ${place} without ${own}, which the experiment gives each run`,
    'it. Leave it out; see "seeds" and "tokens".',
  );
}

function refused(file: string, expected: string, got: string): SipfError {
  return new SipfError('bad-input', `${file}: Expected ${expected}, got ${got}`);
}

/**
 * A tree of settings as dotted keys, so that several can be laid over each other. Lists, null and {} are values.
 * @example
 * dotted({ align: { loss: { lambda: 0.1 } } }); // { 'align.loss.lambda': 0.1 }
 */
export function dotted(tree: Readonly<Record<string, unknown>>, prefix = ''): Record<string, unknown> {
  const entries = Object.entries(tree).flatMap(([key, value]): [string, unknown][] => {
    const at = `${prefix}${key}`;
    if (value === null || typeof value !== 'object' || Array.isArray(value) || Object.keys(value).length === 0)
      return [[at, value]];
    return Object.entries(dotted(value as Readonly<Record<string, unknown>>, `${at}.`));
  });
  return Object.fromEntries(entries);
}
