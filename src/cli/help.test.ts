// What --help KEY and `sipf help NAME` say, from the schema's words.
import { describe, expect, it } from 'vitest';
import { PRESETS } from '../config/presets.ts';
import { configKeys, configSettings } from '../config/schema.ts';
import { helpOn, inThisPlace } from './help.ts';

const text = (topic: string) => helpOn(topic).join('\n');

describe('helpOn', () => {
  it.each(configKeys())('%s: its words, values and default', (key) => {
    const setting = configSettings().find((one) => one.key === key);
    const flat = text(key).replace(/\s+/g, ' ');
    expect(flat).toContain(`--${key} `);
    expect(flat).toContain(setting?.words);
    expect(flat).toContain(`Takes: ${setting?.takes}. Default: `);
  });

  it('a section with all that it holds', () => {
    for (const key of configKeys().filter((name) => name.startsWith('align.')))
      expect(text('align')).toContain(`--${key}\n`);
  });

  it('every setting of a name', () => {
    expect(text('temperature')).toMatch(/--sampling\.temperature[\s\S]*--labels\.temperature/);
  });

  it('fields of the objects in a list', () => {
    expect(text('evaluate.sets')).toMatch(/split: .*Takes: train, valid, test\. Default: valid\./);
    expect(text('evaluate.sets[].split')).toBe(text('evaluate.sets'));
    expect(text('evaluate.final.limit')).toBe(text('evaluate.final'));
  });

  it.each(Object.keys(PRESETS))('the preset %s', (name) => {
    expect(text('presets')).toContain(`${name}\n    `);
    expect(text(name)).toContain('"train": {');
  });

  it.each([
    ['sampling.temprature', 'sampling.temperature'],
    ['lamda', 'align.loss.lambda'],
    ['smok', 'smoke'],
    ['Align', 'align'],
    ['labels.k', 'labels.K'],
    ['SAMPLING', 'sampling'],
    ['sampling.', 'sampling'],
    ['labels.K=4', 'labels.K'],
    ['__proto__', 'prompt'],
  ])('%s is refused with the nearest name', (topic, meant) => {
    expect(() => helpOn(topic)).toThrow(`Did you mean ${meant}?`);
  });
});

it('examples keep their program where the package is installed', () => {
  const example = "echo '{}' | sipf grade --task gsm8k --in -";
  expect(inThisPlace(example)).toBe(example);
});
