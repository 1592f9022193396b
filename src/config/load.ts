// Presets, a file and dotted flags -> one checked configuration, or errors that name the key.

import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import type { Setting } from '../described.ts';
import { messageOf, printable, SipfError, whyUnread } from '../errors.ts';
import { parseJsonText } from '../io/json-text.ts';
import { METHODS, type Method, MethodName, scorerOf } from '../method/methods.ts';
import { type ConfiguredScorer, scorerNeeds, scoresSteps } from '../method/scorers.ts';
import { nearest } from '../nearest.ts';
import { presetFor } from './presets.ts';
import { Config, configKeys, configSettings } from './schema.ts';

export interface ConfigSources {
  /** One name, or several joined by '+' or in a list; later ones win: `paper` goes with another. */
  readonly preset?: string | readonly string[] | undefined;
  /** Keys, dotted or whole sections, over the presets: another run's settings, or those that several runs share. */
  readonly base?: Readonly<Record<string, unknown>> | undefined;
  /** A JSON file. */
  readonly file?: string | undefined;
  /** Dotted keys, e.g. {'sampling.temperature': '1.2'}. Text is read as JSON where it is JSON. */
  readonly flags?: Readonly<Record<string, unknown>> | undefined;
}

type Tree = { [key: string]: unknown };

/**
 * Defaults < presets (without what is meant for another task than the named one) < base < what the method stands for < file < flags.
 * @throws SipfError 'bad-config' naming the key (and the nearest one, where it is unknown), 'not-found' for the file.
 * @example
 * const config = await loadConfig({ preset: 'smoke', flags: { 'labels.K': 4 } });
 */
export async function loadConfig({ preset, base = {}, file, flags = {} }: ConfigSources): Promise<Config> {
  const names = (typeof preset === 'string' ? [preset] : [...(preset ?? [])]).flatMap((name) => name.split('+'));
  const over = file === undefined ? {} : await readTree(file);
  const settings = configSettings();
  const kinds = sectionsWithKinds(settings);
  const joined = (trees: readonly Tree[]) => trees.reduce((tree, layer) => merge(tree, layer, kinds), {});
  const shared = treesOf(parsed(base, settings));
  const own = [over, ...treesOf(parsed(flags, settings))];
  const { task } = joined([...shared, ...own]);
  const name = isTree(task) && typeof task.name === 'string' ? task.name : null;
  const below = [...names.map((preset) => presetFor(preset, name)), ...shared];
  const { method } = joined([...below, ...own]);
  return parseConfig(joined([...below, methodTree(method), ...own]));
}

type Keys = Readonly<Record<string, unknown>>;

/** A tree for each key. A section's kind comes before the settings of that kind. */
function treesOf(keys: Keys): Tree[] {
  const given = Object.entries(keys).sort(([a], [b]) => flagOrder(a) - flagOrder(b));
  return given.map(([key, value]) => nest(key, value));
}

/** Values of flags: what each text says. */
function parsed(keys: Keys, settings: readonly Setting[]): Keys {
  const takes = new Map(settings.map((setting) => [setting.key, setting.takes.split(', or ')]));
  return Object.fromEntries(Object.entries(keys).map(([key, value]) => [key, parseFlag(value, takes.get(key) ?? [])]));
}

/** What a method fixes and begins with; nothing for one that is not known. */
function methodTree(name: unknown): Tree {
  const { success, data } = MethodName.default('sipf').safeParse(name);
  if (!success) return {};
  const { fixes, begins }: Method = METHODS[data];
  return treesOf({ ...begins, ...fixes }).reduce((tree, layer) => merge(tree, layer, new Map()), {});
}

/** A message names no more of them. */
const MOST_ISSUES = 8;

/**
 * Checks a plain object and fills in the defaults.
 * @throws SipfError 'bad-config' naming each wrong key.
 * @example
 * const config = parseConfig({ model: './SmolLM2-135M', task: { name: 'gsm8k' } });
 */
export function parseConfig(tree: unknown): Config {
  const whole = isTree(tree) ? merge(methodTree(tree.method), tree, sectionsWithKinds(configSettings())) : tree;
  const parsed = Config.safeParse(whole);
  if (parsed.success) {
    checkPairs(parsed.data);
    return withLabelMode(withMethod(parsed.data));
  }
  const issues = parsed.error.issues.flatMap((issue) => explain(issue, whole));
  const more = issues.length > MOST_ISSUES ? [`And ${issues.length - MOST_ISSUES} more.`] : [];
  throw new SipfError('bad-config', [...issues.slice(0, MOST_ISSUES), ...more].join('\n'), { cause: parsed.error });
}

/** @throws SipfError 'bad-config' for a setting that is none of the method's. */
function withMethod(config: Config): Config {
  const { fixes }: Method = METHODS[config.method];
  for (const [key, value] of Object.entries(fixes)) {
    const got = valueAt(key.split('.'), config);
    if (got === value) continue;
    throw new SipfError(
      'bad-config',
      `Expected ${key} ${value} for the method ${config.method}, got ${JSON.stringify(got)}. Leave it out, or choose another method.`,
    );
  }
  return config;
}

/** Refuses step pairs where nothing says which step of a path is the first bad one. */
function checkPairs({ method, pairs, score }: Config): void {
  if (pairs.kind === 'path') return;
  const why = withoutStepScores(method, score.scorer);
  if (why === null) return;
  throw new SipfError('bad-config', `Expected pairs.kind path for ${why}, got ${pairs.kind}. Change one of them.`);
}

function withoutStepScores(method: MethodName, configured: ConfiguredScorer): string | null {
  if (METHODS[method].shuffleScores) return `the method ${method}, which shuffles path scores`;
  const scorer = scorerOf(METHODS[method], configured);
  if (scorer === null || scoresSteps(scorer)) return null;
  const what = scorer === configured ? `score.scorer ${scorer}` : `the method ${method}`;
  return `${what}, which scores whole paths`;
}

/** Settles `labels.mode: auto`, and refuses scans where complete tallies are needed: before any rollout is spent. */
function withLabelMode(config: Config): Config {
  const { mode } = config.labels;
  const readsTallies = scorerNeeds(config.score.scorer, 'tallies');
  const why = readsTallies ? `score.scorer ${config.score.scorer}` : withSoftLabels(config);
  const modes = readsTallies ? ['full'] : ['full', 'gold-likelihood'];
  if (why !== null && !['auto', ...modes].includes(mode)) {
    throw new SipfError(
      'bad-config',
      `Expected labels.mode ${modes.join(' or ')} (or auto) for ${why}, got ${mode}. Change one of them.`,
    );
  }
  if (config.labels.keepRollouts === true && mode === 'gold-likelihood') {
    throw new SipfError(
      'bad-config',
      `Expected a labels.mode with rollouts for labels.keepRollouts true, got ${mode}. Change one of them.`,
    );
  }
  const settled = mode !== 'auto' ? mode : why === null ? 'first-success' : 'full';
  return { ...config, labels: { ...config.labels, mode: settled } };
}

/** What trains on soft labels; null: nothing does. */
function withSoftLabels({ prm }: Config): string | null {
  if (prm.targets === 'soft') return 'prm.targets soft';
  return prm.denoise === null ? null : 'prm.denoise';
}

/** Sections whose settings depend on their kind, with the kind that they have where none is named. */
function sectionsWithKinds(all: readonly Setting[]): ReadonlyMap<string, unknown> {
  const fallbackOf = (section: string) => all.find(({ key }) => key === `${section}.kind`)?.fallback;
  return new Map(all.filter(({ hasKinds }) => hasKinds).map(({ key }) => [key, fallbackOf(key)]));
}

/** Whole sections, then kinds, then other settings. */
function flagOrder(key: string): number {
  if (!key.includes('.')) return 0;
  return key.endsWith('.kind') ? 1 : 2;
}

/** `over` on top of `base`. Where it names another kind of a section, nothing stays of the former kind's settings. */
function merge(base: Tree, over: Tree, kinds: ReadonlyMap<string, unknown>, prefix = ''): Tree {
  const merged: Tree = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const [old, at] = [merged[key], `${prefix}${key}`];
    const isOther = isTree(old) && isTree(value) && kinds.has(at) && kindChanges(old, value, kinds.get(at));
    merged[key] = isTree(old) && isTree(value) && !isOther ? merge(old, value, kinds, `${at}.`) : value;
  }
  return merged;
}

function kindChanges(old: Tree, { kind }: Tree, fallback: unknown): boolean {
  return kind !== undefined && kind !== (old.kind ?? fallback);
}

function isTree(value: unknown): value is Tree {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function nest(key: string, value: unknown): Tree {
  return key.split('.').reduceRight<unknown>((inner, part) => ({ [part]: inner }), value) as Tree;
}

/** What takes any text (a path, a name) stays text, even where it looks like a number. */
function parseFlag(value: unknown, takes: readonly string[]): unknown {
  if (typeof value !== 'string') return value;
  const isText = takes.includes('text') && !(takes.includes('object') && value.startsWith('{'));
  if (isText) return value === 'null' ? null : value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

async function readTree(file: string): Promise<Tree> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new SipfError(
      'not-found',
      `Expected a configuration file at ${file}, got ${whyUnread(cause)}. Check the path.`,
      { cause },
    );
  }
  try {
    const tree = parseJsonText(text);
    // `$schema` is the editor's: it says where the words of each key are.
    if (isTree(tree)) return Object.fromEntries(Object.entries(tree).filter(([key]) => key !== '$schema'));
  } catch (cause) {
    throw new SipfError(
      'bad-config',
      `Expected JSON in ${file}, got text that is not JSON (${messageOf(cause)}). Fix the file.`,
      { cause },
    );
  }
  throw new SipfError(
    'bad-config',
    `Expected a JSON object in ${file}, got ${text.trim().slice(0, 40) || 'an empty file'}. Fix the file.`,
  );
}

function explain(issue: z.core.$ZodIssue, tree: unknown): string[] {
  const at = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const full = at === '' ? key : `${at}.${key}`;
      if (configKeys().includes(full))
        return `Expected a setting of ${at}.kind ${kindAt(issue.path, tree)}, got ${printable(full)}, which another kind has. Leave it out, or change the kind.`;
      return `Expected a known configuration key, got ${printable(full)}. Did you mean ${nearest(full, configKeys())}?`;
    });
  }
  if (issue.code === 'invalid_union') {
    const inner = issue.errors.flat().filter(({ code }) => code === 'unrecognized_keys');
    const nested = inner.length > 0 ? inner : ofOwnForm(issue);
    if (nested.length > 0)
      return nested.flatMap((found) => explain({ ...found, path: [...issue.path, ...found.path] }, tree));
  }
  const got = valueAt(issue.path, tree);
  // What a schema checks by a rule of its own it also says in its own words.
  const setting = issue.code === 'custom' ? undefined : configSettings().find(({ key }) => key === at);
  const takes = setting?.isSection ? sectionTakes(setting) : setting?.takes;
  return [
    `Expected a valid value for ${at === '' ? 'the configuration' : at} (${takes ?? issue.message}), got ${printable(JSON.stringify(got) ?? 'none', 80)}. Change that value.`,
  ];
}

/** Issues within the objects of the one alternative that has the value's own form: an object, or a list of them. */
function ofOwnForm({ errors }: z.core.$ZodIssueInvalidUnion): readonly z.core.$ZodIssue[] {
  const inside = errors.filter((issues) => issues.every(({ path }) => path.some((key) => typeof key === 'string')));
  return inside.length === 1 ? (inside[0] ?? []) : [];
}

/** `an object, such as {} or one with minRight, or null`. */
function sectionTakes({ key, fallback }: Setting): string {
  const [inner = ''] = configKeys().filter((one) => one.startsWith(`${key}.`));
  return `an object, such as {} or one with ${inner.slice(key.length + 1)}${fallback === null ? ', or null' : ''}`;
}

function valueAt(path: readonly PropertyKey[], tree: unknown): unknown {
  return path.reduce<unknown>(
    (inner, key) => (Array.isArray(inner) ? inner[Number(key)] : isTree(inner) ? inner[String(key)] : undefined),
    tree,
  );
}

function kindAt(path: readonly PropertyKey[], tree: unknown): unknown {
  return valueAt([...path, 'kind'], tree) ?? sectionsWithKinds(configSettings()).get(path.join('.'));
}
