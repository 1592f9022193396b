// The configuration's schema and the presets -> docs/settings.md. `npm run docs` writes it.
import { z } from 'zod';
import { PRESET_WORDS } from '../../src/config/presets.ts';
import { Config, configSettings } from '../../src/config/schema.ts';
import { JSON_SCHEMA, type Setting } from '../../src/described.ts';

const HEAD = `# Settings

Made by \`npm run docs\` from the words in the schema (\`src/config/schema.ts\` and the options of each stage). Change them there.

A setting comes from, each over the one before: its default, the presets (\`--preset a+b\`), a JSON file (\`--config FILE\`), and \`--KEY VALUE\` on the
command line. Values are read as JSON where they are JSON: \`--pairs.perQuestion null\`, \`--sft.train.lora '{"rank": 8}'\`.

    sipf run --preset quickstart --sampling.temperature 0.9 --dry-run     what would run, and what it costs
    sipf run --help sampling.temperature                                   one setting, also: sipf help KEY
    sipf run --help align                                                  a section
    sipf presets                                                           the presets: model, task, needs, memory and cost of each
    sipf presets gsm8k-gemma-2b                                            one preset: every setting with the source of its value

[config.schema.json](config.schema.json) has the same words for editors. VS Code shows them while you write, where the file begins like this:

\`\`\`json
{ "$schema": "./node_modules/sipf/docs/config.schema.json", "sampling": { "temperature": 0.9 } }
\`\`\`

In a checkout the path is \`./docs/config.schema.json\`. The key itself is not a setting: \`--config\` reads past it.`;

const PRESETS_END = `\`paper\` and \`gpu\` go on top of another preset (\`gsm8k-qwen2.5-0.5b+gpu\`); the later one wins. A model that a preset names comes from the hub
([models.md](models.md)); \`--model\` takes another one. The presets of the paper's models cite a source for each value: the paper's abstract and algorithm as in
[method.md](method.md), the authors' repository (github.com/ChenKy23/SIPF) by file, a review, or sipf's own choice with its reason.
None of these four has been run here: they say what the paper did, and what it costs.

\`--dry-run\` of a preset whose model is not on this machine downloads nothing. It estimates from the model's known size and says so, without a time.`;

/** The JSON Schema of a configuration file, for editors. */
export function configSchema(): Record<string, unknown> {
  const { properties = {}, ...rest } = z.toJSONSchema(Config, JSON_SCHEMA);
  const own = { $schema: { type: 'string', description: 'Where an editor finds the words of each key.' } };
  return { ...rest, properties: { ...own, ...properties } };
}

/** The whole document. */
export function settingsDocument(): string {
  const presets = Object.entries(PRESET_WORDS).map(([name, words]) => [name, words]);
  const parts = [
    HEAD,
    '## Presets',
    table(
      ['preset', 'what it does'],
      presets.map(([name, words]) => [`\`${name}\``, words ?? '']),
    ),
    PRESETS_END,
  ];
  for (const { sections, settings } of groups(configSettings())) {
    const names = sections.map(({ key }) => (key === '' ? 'The whole run' : `\`${key}\``)).join(', ');
    const words = sections.map(({ words }) => words).filter((text) => text !== '');
    parts.push(`## ${names}`, ...(words.length === 0 ? [] : [words.join(' ')]));
    parts.push(table(['key', 'default', 'takes', 'meaning'], settings.flatMap(rows)));
  }
  return `${parts.join('\n\n')}\n`;
}

interface Group {
  readonly sections: readonly Pick<Setting, 'key' | 'words'>[];
  /** Keys are relative to the section. */
  readonly settings: readonly Setting[];
}

/** Sections with the settings that they hold themselves; sections that hold the same (how each stage trains) are one. */
function groups(all: readonly Setting[]): Group[] {
  const found = new Map<string, Group>();
  for (const section of [
    { key: '', words: '' },
    ...all.filter(({ key }) => all.some((other) => parentOf(other.key) === key)),
  ]) {
    const settings = all
      .filter(({ key }) => parentOf(key) === section.key)
      .map((setting) => ({ ...setting, key: setting.key.slice(setting.key.lastIndexOf('.') + 1) }))
      .filter(({ isSection, fallback }) => !isSection || fallback === null);
    const same = JSON.stringify(settings);
    if (settings.length > 0) found.set(same, { sections: [...(found.get(same)?.sections ?? []), section], settings });
  }
  return [...found.values()];
}

function parentOf(key: string): string {
  return key.slice(0, Math.max(0, key.lastIndexOf('.')));
}

function rows({ key, words, takes, fallback, elements }: Setting): string[][] {
  const shown = fallback === undefined || fallback === '' ? '' : `\`${JSON.stringify(fallback)}\``;
  return [
    [`\`${key}\``, shown, takes, words],
    ...elements.flatMap((field) => rows({ ...field, key: `${key}[].${field.key}` })),
  ];
}

/** A Markdown table. */
export function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...body.map(line)].join('\n');
}
