// --preset, --config and dotted flags such as `--labels.K 4` -> the checked configuration. Leaves the keys' meaning to config.ts.
import type { Command } from 'commander';
import { type Config, configKeys, loadConfig, nearest, parseConfig } from '../config.ts';
import { SipfError } from '../errors.ts';
import { integer, repeated } from './options.ts';
import { wrap } from './show-steps.ts';

export interface SettingsOptions {
  readonly preset?: readonly string[];
  readonly config?: string;
  readonly seed?: number;
}

/** Adds --preset, --config, --seed and the dotted keys of `sections` (all where none is named), which the help lists with their defaults. */
export function withSettings(command: Command, sections?: readonly string[]): Command {
  return command
    .option('--preset <name>', 'start from a preset; several: a+b', repeated)
    .option('--config <file>', 'settings from a JSON file, over the preset')
    .option('--seed <n>', 'random seed', integer({ min: 0 }))
    .usage('[options] [--KEY VALUE ...]')
    .allowUnknownOption()
    .allowExcessArguments()
    .addHelpText('after', () => `\n${listKeys(sections)}`);
}

/**
 * Defaults < presets < file < `base` (another run's whole configuration, or a command's own defaults) < dotted flags < `own`, the command's own options by configuration
 * key (undefined: not given). Throws SipfError 'bad-config' for an unknown key with the nearest one.
 */
export function readSettings(
  command: Command,
  options: SettingsOptions,
  own: Readonly<Record<string, unknown>> = {},
  base: Readonly<Record<string, unknown>> | null = null,
): Promise<Config> {
  const given = Object.entries({ ...own, seed: options.seed }).filter(([, value]) => value !== undefined);
  const flags = { ...base, ...dottedFlags(command), ...Object.fromEntries(given) };
  return loadConfig({ preset: options.preset, file: options.config, flags });
}

/** `--a.b value` and `--a.b=value` among what the command's own options (and `skip` arguments) left over. */
export function dottedFlags(command: Command, skip = 0): Record<string, string> {
  const flags: Record<string, string> = {};
  const words = command.args.slice(skip);
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const match = /^--([^=]+)(?:=(.*))?$/s.exec(word);
    if (match === null) {
      throw new SipfError(
        'bad-input',
        `Expected an option such as --seed 1, got '${word}'. See sipf ${command.name()} --help.`,
      );
    }
    const key = checkKey(match[1]!, command);
    const value = match[2] ?? (words[0]?.startsWith('--') ? undefined : words.shift());
    if (value === undefined) throw new SipfError('bad-input', `Expected a value after --${key}, got none. Add one.`);
    flags[key] = value;
  }
  return flags;
}

function checkKey(key: string, command: Command): string {
  const keys = configKeys();
  if (keys.some((known) => known === key || known.startsWith(`${key}.`))) return key;
  const own = command.options.flatMap(({ long }) => (long ? [long.slice(2)] : []));
  throw new SipfError(
    'bad-config',
    `Expected an option of sipf ${command.name()}, got --${key}. Did you mean --${nearest(key, [...own, ...keys])}?`,
  );
}

/** The keys below `sections` with their defaults, as paragraphs of words. */
function listKeys(sections: readonly string[] | undefined): string {
  const defaults: unknown = parseConfig({});
  const shown = configKeys().filter(
    (key) => sections === undefined || sections.some((name) => key.startsWith(`${name}.`)),
  );
  const groups = new Map<string, string[]>();
  for (const key of shown) {
    const group = key.includes('.') ? key.slice(0, key.indexOf('.')) : '';
    const words = groups.get(group) ?? [];
    words.push(`--${key} (${describeDefault(valueAt(defaults, key))})`);
    groups.set(group, words);
  }
  const paragraphs = [...groups.values()].map((words) =>
    wrapWords(words, 98)
      .map((line) => `  ${line}`)
      .join('\n'),
  );
  return `Settings (default in brackets), also as keys of the JSON that --config names:\n${paragraphs.join('\n')}`;
}

/** Keeps each key beside its default. */
function wrapWords(words: readonly string[], width: number): string[] {
  return wrap(words.map((word) => word.replaceAll(' ', '\u00a0')).join('  '), width).map((line) =>
    line.replaceAll('\u00a0', ' '),
  );
}

function valueAt(tree: unknown, key: string): unknown {
  return key
    .split('.')
    .reduce<unknown>((inner, part) => (inner as Record<string, unknown> | null | undefined)?.[part], tree);
}

function describeDefault(value: unknown): string {
  if (value === undefined || value === null || value === '') return 'none';
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
