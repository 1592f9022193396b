// Commands, code and records in README.md and docs/ -> known, run on this Node.js, parsed.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildProgram } from '../../src/cli/program.ts';
import { openTerminal } from '../../src/cli/terminal.ts';
import { PRESETS } from '../../src/config/presets.ts';
import { configSettings } from '../../src/config/schema.ts';
import { buildCli } from '../e2e/run-cli.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const files = [
  'README.md',
  'experiments/README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];
const texts = files.map((file) => ({ file, text: readFileSync(join(root, file), 'utf8') }));

interface Block {
  readonly place: string;
  readonly language: string;
  readonly code: string;
}

const blocks: Block[] = texts.flatMap(({ file, text }) =>
  [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map((match) => ({
    place: `${file}:${text.slice(0, match.index).split('\n').length}`,
    language: match[1] ?? '',
    code: match[2] ?? '',
  })),
);

/** `sipf ...` and `npm run -s sipf -- ...`, in blocks and between backticks; continued lines are one. */
const commands = texts.flatMap(({ file, text }) =>
  [...text.replace(/\\\n\s*/g, '').matchAll(/(?:^(?: {4})?|`)(?:npm run -s sipf --|sipf) (?<words>[a-z][^`\n]*)/gm)]
    .map((match) => ({ file, words: (match.groups?.words ?? '').replace(/ {2,}.*$|\s[#|].*$/, '').trim() }))
    .filter(({ words }) => words !== ''),
);

const program = buildProgram(openTerminal(new AbortController().signal));
const names = program.commands.map((command) => command.name());
const keys = configSettings().map(({ key }) => key);

describe('commands', () => {
  it('are there', () => {
    expect(commands.length).toBeGreaterThan(10);
  });

  it.each(commands)('$file: sipf $words', ({ words }) => {
    const [name = '', ...rest] = words.split(' ');
    const command = program.commands.find((candidate) => candidate.name() === name);
    expect(names).toContain(name);
    const takesSettings = command?.usage().includes('[--KEY VALUE') === true;
    const own = command?.options.map(({ long }) => long) ?? [];
    for (const [, option = ''] of rest.join(' ').matchAll(/(?:^| )--([A-Za-z][\w.-]*)/g)) {
      if (option === 'KEY') continue;
      const known = own.includes(`--${option}`) || option === 'help' || (takesSettings && keys.includes(option));
      expect(known, `sipf ${name} has no --${option}`).toBe(true);
    }
    const preset = /--preset (\S+)/.exec(words)?.[1];
    if (preset !== undefined && preset !== 'a+b')
      for (const one of preset.split('+')) expect(Object.keys(PRESETS)).toContain(one);
  });
});

describe('blocks', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sipf-examples-'));
  beforeAll(buildCli);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('are in languages that are checked here', () => {
    for (const { language, place } of blocks)
      expect(['js', 'json', 'jsonl', 'sh', 'python', ''], place).toContain(language);
    expect(blocks.filter(({ language }) => language === 'js').length).toBeGreaterThan(0);
  });

  it.each(blocks.filter(({ language }) => language === 'json' || language === 'jsonl'))(
    '$place parses',
    ({ language, code }) => {
      for (const text of language === 'json' ? [code] : code.trim().split('\n'))
        expect(() => JSON.parse(text)).not.toThrow();
    },
  );

  it.each(blocks.filter(({ language }) => language === 'js'))('$place runs on Node.js as it is', ({ code, place }) => {
    const file = join(folder, `${place.replace(/\W+/g, '-')}.mjs`);
    const library = pathToFileURL(join(root, 'dist')).href;
    writeFileSync(file, code.replaceAll(/from 'sipf((?:\/\w+)?)'/g, `from '${library}$1/index.js'`));
    const done = spawnSync(process.execPath, [file], { encoding: 'utf8', cwd: folder, timeout: 120_000 });
    expect({ status: done.status, stderr: done.stderr }).toEqual({ status: 0, stderr: '' });
  });
});

it('links between documents lead somewhere', () => {
  for (const { file, text } of texts) {
    for (const [, target = ''] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      expect(() => readFileSync(join(root, dirname(file), target)), `${file} -> ${target}`).not.toThrow();
    }
  }
});
