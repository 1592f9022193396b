// --preset, --config and dotted flags such as `--labels.K 4` -> the checked configuration.
import type { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import { PRESETS } from '../config/presets.ts';
import { type Config, configKeys, configSettings } from '../config/schema.ts';
import { SipfError, sipfCommand } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { wrap } from './commands/show-steps.ts';
import { describeDefault, presetLines, withSettingHelp } from './help.ts';
import { type ExecutionOptions, integer, repeated } from './options.ts';

export interface SettingsOptions {
  readonly preset?: readonly string[];
  readonly config?: string;
  readonly seed?: number;
}

/** What a command's settings are read from. */
type Given = {
  readonly [K in keyof (SettingsOptions & ExecutionOptions)]: (SettingsOptions & ExecutionOptions)[K] | undefined;
};

/** Adds --preset, --config, --seed and the dotted keys of `sections` (all where none is named), which the help lists with their defaults. */
export function withSettings(command: Command, sections?: readonly string[]): Command {
  return withSettingHelp(command)
    .option('--preset <name>', 'start from a preset; several: a+b', repeated)
    .option('--config <file>', 'settings from a JSON file, over the preset')
    .option('--seed <n>', 'random seed', integer({ min: 0 }))
    .usage('[options] [--KEY VALUE ...]')
    .allowUnknownOption()
    .allowExcessArguments()
    .addHelpText('after', () => `\n${listPresets(sections)}\n\n${listKeys(sections)}`);
}

/**
 * Defaults < presets < `base` (another run's whole configuration, or a command's own defaults) < file < dotted flags < `own`, the command's own options by
 * configuration key (undefined: not given).
 * @throws SipfError 'bad-config' for an unknown key with the nearest one.
 */
export function readSettings(
  command: Command,
  { preset, config: file, seed, provider, threads, slots }: Given,
  own: Readonly<Record<string, unknown>> = {},
  base: Readonly<Record<string, unknown>> | null = null,
  sections?: readonly string[],
): Promise<Config> {
  const all = { ...own, seed, 'engine.provider': provider, 'engine.threads': threads, 'engine.slots': slots };
  const given = Object.entries(all).filter(([, value]) => value !== undefined);
  const flags = { ...dottedFlags(command, 0, sections), ...Object.fromEntries(given) };
  return loadConfig({ preset, base: base ?? undefined, file, flags });
}

/**
 * `--a.b value` and `--a.b=value` (of `sections`, where they are named) among what the command's own options (and `skip` arguments) left over.
 * @throws SipfError 'bad-input' for a word that is no option, and for an option without a value.
 */
export function dottedFlags(command: Command, skip = 0, sections?: readonly string[]): Record<string, string> {
  const flags: Record<string, string> = {};
  const isTaken = (key: string) => sections === undefined || sections.some((name) => key.startsWith(`${name}.`));
  const keys = configKeys().filter(isTaken);
  const words = command.args.slice(skip);
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const match = /^--([^=]+)(?:=(.*))?$/s.exec(word);
    if (match === null) {
      throw new SipfError(
        'bad-input',
        `Expected an option such as --seed 1, got '${word}'. See ${sipfCommand(command.name(), '--help')}.`,
      );
    }
    const key = checkKey(match[1]!, keys, command);
    const value = match[2] ?? (words[0]?.startsWith('--') ? undefined : words.shift());
    if (value === undefined) throw new SipfError('bad-input', `Expected a value after --${key}, got none. Add one.`);
    flags[key] = value;
  }
  return flags;
}

function checkKey(key: string, keys: readonly string[], command: Command): string {
  if (keys.some((known) => known === key || known.startsWith(`${key}.`))) return key;
  const own = command.options.flatMap(({ long }) => (long ? [long.slice(2)] : []));
  throw new SipfError(
    'bad-config',
    `Expected an option of sipf ${command.name()}, got --${key}. Did you mean --${nearest(key, [...own, ...keys])}?`,
  );
}

/** In full where a command takes all settings, else by name. */
function listPresets(sections: readonly string[] | undefined): string {
  if (sections !== undefined) return `Presets (--help presets says what each does): ${Object.keys(PRESETS).join(', ')}`;
  return ['Presets:', ...presetLines(94).map((line) => `  ${line}`)].join('\n');
}

/** The keys below `sections` with their defaults, as paragraphs of words. */
function listKeys(sections: readonly string[] | undefined): string {
  const groups = new Map<string, string[]>();
  for (const { key, isSection, fallback } of configSettings()) {
    if (sections !== undefined && !sections.some((name) => key.startsWith(`${name}.`))) continue;
    // A section that is off by default takes `null` or an object.
    if (isSection && fallback !== null) continue;
    const group = key.includes('.') ? key.slice(0, key.indexOf('.')) : '';
    groups.set(group, [...(groups.get(group) ?? []), `--${key} (${describeDefault(fallback, 40)})`]);
  }
  const paragraphs = [...groups.values()].map((words) =>
    wrapWords(words, 98)
      .map((line) => `  ${line}`)
      .join('\n'),
  );
  return `Settings (default in brackets), also as keys of the JSON that --config names. --help KEY says what one means:\n${paragraphs.join('\n')}`;
}

/** Keeps each key beside its default. */
function wrapWords(words: readonly string[], width: number): string[] {
  return wrap(words.map((word) => word.replaceAll(' ', '\u00a0')).join('  '), width).map((line) =>
    line.replaceAll('\u00a0', ' '),
  );
}
