// A word after --help or `sipf help` -> what that setting, section or preset means, for a person. Leaves the words to the schema and the presets.
import { Command, CommanderError } from 'commander';
import { configSettings } from '../config.ts';
import { SipfError, sipfCommand } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { PRESET_WORDS, PRESETS } from '../presets.ts';
import type { Setting } from '../settings.ts';
import { wrap } from './show-steps.ts';

/** Makes `--help KEY` print what a setting means; `--help` alone prints the command's help as ever. */
export function withSettingHelp(command: Command): Command {
  return command
    .helpOption(false)
    .option('-h, --help [key]', 'this text, or what a setting, a section of settings or a preset means')
    .on('option:help', (key: string | null) => {
      if (key === null) command.help();
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
      write(
        program,
        helpOn(
          name,
          program.commands.map((candidate) => candidate.name()),
        ),
      );
    });
}

/** Each preset with what it does. */
export function presetLines(width: number): string[] {
  return Object.entries(PRESET_WORDS).flatMap(([name, words]) => [name, ...indented(words, width)]);
}

/** What `topic` means, as lines. `others`: further names there are. Throws 'bad-input' with the nearest name where there is no such topic. */
export function helpOn(topic: string, others: readonly string[] = [], width = 98): string[] {
  if (topic === 'presets' || topic === 'preset') return presetLines(width);
  if (isPreset(topic)) {
    return [topic, ...indented(PRESET_WORDS[topic], width), '', ...JSON.stringify(PRESETS[topic], null, 2).split('\n')];
  }
  const all = configSettings();
  const exact = all.filter(({ key }) => key === topic);
  const found = exact.length > 0 ? exact : all.filter(({ key }) => key.endsWith(`.${topic}`));
  if (found.length > 0)
    return found.flatMap((setting, index) => [...(index > 0 ? [''] : []), ...linesOf(setting, all, width)]);
  const names = [...all.map(({ key }) => key), ...Object.keys(PRESET_WORDS), 'presets', ...others];
  throw new SipfError(
    'bad-input',
    `Expected a setting, a section or a preset, got ${topic}. Did you mean ${nearest(topic, names)}?`,
  );
}

function isPreset(name: string): name is keyof typeof PRESET_WORDS {
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
  return example.replace(/(^|[|$] )sipf (?=[a-z])/g, (_all, before: string) => `${before}${sipfCommand('')}`);
}
