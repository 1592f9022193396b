// The schema -> docs/settings.md and docs/config.schema.json, and words for every key.
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { PRESETS } from '../../src/config/presets.ts';
import { Config, configKeys, configSettings } from '../../src/config/schema.ts';
import { ARCHITECTURES } from '../../src/models/architectures/architectures.ts';
import { TASK_NAMES } from '../../src/tasks/index.ts';
import { configSchema, settingsDocument } from './settings-document.ts';

const settings = configSettings();
const elements = settings.flatMap(({ key, elements }) =>
  elements.map((field) => ({ ...field, key: `${key}[].${field.key}` })),
);

describe('words', () => {
  it.each([...settings, ...elements].map((setting) => [setting.key, setting] as const))(
    '%s has them',
    (_key, { words, takes }) => {
      expect(words).toMatch(/^.{10,}[.:]$/);
      expect(takes).not.toBe('');
      for (const sentence of words.split(/(?<=[.;:!?]) /)) expect(sentence.split(' ').length).toBeLessThanOrEqual(24);
    },
  );

  it.each([
    ['task.name', TASK_NAMES],
    ['model.init.model_type', ARCHITECTURES.map(({ modelType }) => modelType)],
  ])('of %s name every one there is', (key, names) => {
    const words = settings.find((setting) => setting.key === key)?.words ?? '';
    expect(names.filter((name) => !new RegExp(`\\b${name}[,; ]`).test(words.replaceAll('.', ' ')))).toEqual([]);
  });

  it('are there for each key that takes a value, with when to change it', () => {
    for (const key of configKeys()) {
      const words = settings.find((setting) => setting.key === key)?.words ?? '';
      expect(`${key}: ${words}`).toMatch(/\. \S|Change|Raise|Lower|Set|Take|Give|needs/);
    }
  });
});

it('docs/settings.md is up to date', async () => {
  const text = settingsDocument();
  for (const key of configKeys()) expect(text).toContain(`\`${key.slice(key.lastIndexOf('.') + 1)}\``);
  await expect(text).toMatchFileSnapshot('../../docs/settings.md');
});

describe('docs/config.schema.json', () => {
  const schema = configSchema();
  const checked = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);

  it('is up to date', async () => {
    await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot('../../docs/config.schema.json');
  });

  it.each(Object.entries(PRESETS))('accepts the preset %s', (_name, preset) => {
    expect(checked.safeParse({ $schema: './config.schema.json', ...preset }).success).toBe(true);
  });

  it.each([
    { sampling: { temprature: 1 } },
    { seed: 'one' },
    { labels: { K: 0 } },
    { method: 'sapa' },
    { pairs: { eta: -1 } },
    { evaluate: { sets: [{ splits: 'test' }] } },
  ])('refuses %o', (file) => {
    expect(checked.safeParse(file).success).toBe(false);
    expect(Config.safeParse(file).success).toBe(false);
  });
});
