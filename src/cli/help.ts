// A word after --help or `sipf help` -> what that setting, section or preset means.
import { Command, CommanderError } from 'commander';
import { PRESET_WORDS, PRESETS } from '../config/presets.ts';
import { configSettings } from '../config/schema.ts';
import type { Setting } from '../described.ts';
import { SipfError, sipfCommand } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { wrap } from './commands/show-steps.ts';

/** Makes `--help KEY` print what a setting means; `--help` alone prints the command's help as ever. */
export function withSettingHelp(command: Command): Command {
  return command
    .helpOption(false)
    .option('-h, --help [key]', 'this text, or what a setting, a section of settings or a preset means')
    .on('option:help', (key: string | null) => {
      if (key === null || key.trim() === '') command.help();
      const own = command.options.find(({ long }) => long === `--${key}`);
      const isSetting = configSettings().some((setting) => setting.key === key);
      if (own === undefined || isSetting || key === 'preset') write(command, helpOn(key));
      else write(command, [own.flags, ...indented(own.description, 98)]);
      throw new CommanderError(0, 'commander.helpDisplayed', '(setting)');
    });
}

/** `sipf help NAME`: a command, a setting, a section, a preset, or `presets`. */
export function helpCommand(program: Command): Command {
  return new Command('help')
    .description('What a command, a setting, a section of settings or a preset means.')
    .argument('[name]', 'such as run, sampling.temperature, align, quickstart or presets')
    .addHelpText('after', inThisPlace('\nExamples:\n  $ sipf help sampling.temperature\n  $ sipf help presets'))
    .action((name: string | undefined) => {
      if (name === undefined) program.help();
      const command = program.commands.find((candidate) => candidate.name() === name);
      if (command !== undefined) command.help();
      const names = program.commands.map((candidate) => candidate.name());
      write(program, helpOn(name, names));
    });
}

/** Each preset with what it does. */
export function presetLines(width: number): string[] {
  return Object.entries(PRESET_WORDS).flatMap(([name, words]) => [name, ...indented(words, width)]);
}

/**
 * What `topic` means, as lines. `others`: further names there are.
 * @throws SipfError 'bad-input' with the nearest name where there is no such topic.
 */
export function helpOn(topic: string, others: readonly string[] = [], width = 98): string[] {
  const name = topic.trim();
  if (name === 'presets' || name === 'preset') return presetLines(width);
  const parts = name.split('+');
  if (parts.every(isPreset)) return parts.flatMap((part) => presetInFull(part, width));
  const all = configSettings();
  const found = settingsNamed(name, all);
  if (found.length > 0) return found.flatMap((setting) => ['', ...linesOf(setting, all, width)]).slice(1);
  const names = [...all.map(({ key }) => key), ...Object.keys(PRESET_WORDS), 'presets', ...others];
  const shown = name.slice(0, 80);
  throw new SipfError(
    'bad-input',
    `Expected a setting, a section or a preset, got '${shown}'. Did you mean ${nearest(shown, names)}?`,
  );
}

/** The setting with that key, or the list whose elements have it, or every setting whose last part it is. */
function settingsNamed(name: string, all: readonly Setting[]): Setting[] {
  const key = name.replaceAll('[]', '');
  const exact = all.find((one) => one.key === key || one.elements.some((field) => `${one.key}.${field.key}` === key));
  return exact === undefined ? all.filter((one) => one.key.endsWith(`.${key}`)) : [exact];
}

function presetInFull(name: string, width: number): string[] {
  return [
    name,
    ...indented(PRESET_WORDS[name] ?? '', width),
    '',
    ...JSON.stringify(PRESETS[name], null, 2).split('\n'),
  ];
}

function isPreset(name: string): boolean {
  return Object.hasOwn(PRESET_WORDS, name);
}

function linesOf(setting: Setting, all: readonly Setting[], width: number): string[] {
  const inner = all.filter(({ key, isSection }) => !isSection && key.startsWith(`${setting.key}.`));
  const own = setting.isSection ? [setting.key, ...indented(setting.words, width)] : settingLines(setting, width);
  return [...own, ...inner.flatMap((one) => ['', ...settingLines(one, width)])];
}

function settingLines({ key, words, takes, fallback, elements }: Setting, width: number): string[] {
  const fields = elements.flatMap((field) => indented(`${field.key}: ${field.words} ${valuesOf(field)}`, width));
  return [`--${key}`, ...indented(words, width), ...indented(valuesOf({ takes, fallback }), width), ...fields];
}

function valuesOf({ takes, fallback }: Pick<Setting, 'takes' | 'fallback'>): string {
  return `Takes: ${takes}. Default: ${describeDefault(fallback)}.`;
}

/** A default as a person reads it; text that is too long for a list is cut at `limit` characters. */
export function describeDefault(value: unknown, limit = Number.POSITIVE_INFINITY): string {
  if (value === undefined || value === '') return 'none';
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return text.length > limit ? `${text.slice(0, limit)}…` : text;
}

function indented(text: string, width: number): string[] {
  return wrap(text, width - 4).map((line) => `    ${line}`);
}

function write(command: Command, lines: readonly string[]): void {
  command.configureOutput().writeOut?.(`${lines.join('\n')}\n`);
}

/** An example as it works here: from a checkout the program has another name. */
export function inThisPlace(example: string): string {
  return example.replace(/(^|[|$] )sipf (?=[a-z])/g, (_all, before: string) => `${before}${sipfCommand()} `);
}
