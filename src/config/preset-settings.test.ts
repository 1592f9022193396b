// Presets -> every setting with its source; those that follow the paper cite one for each value.
import { describe, expect, it } from 'vitest';
import { leavesOf, presetSettings } from './preset-settings.ts';
import { sourceFor } from './presets/preset.ts';
import { PRESET_LIST } from './presets.ts';
import { configKeys } from './schema.ts';

const cited = Object.entries(PRESET_LIST).flatMap(([name, { config, sources }]) =>
  sources === undefined ? [] : [{ name, sources, set: leavesOf(config, '').map(([key]) => key) }],
);

describe('presets that follow the paper', () => {
  it('are the layer and the four models', () => {
    expect(cited.map(({ name }) => name)).toEqual([
      'paper',
      'gsm8k-gemma-2b',
      'gsm8k-tinyllama',
      'gsm8k-phi-1.5',
      'mbpp-gemma-2b',
    ]);
  });

  it.each(cited)('$name has a source for each value that it sets', ({ sources, set }) => {
    for (const key of set)
      expect(sourceFor(key, sources), key).toMatch(/^(repository|paper|abstract|ours|inferred|a review|MBPP)/);
    // `method` and settings that stay at their default are cited, too; a name that is no setting is a mistake.
    const known = [...configKeys(), ...set];
    for (const key of Object.keys(sources))
      expect(
        known.some((one) => one === key || one.startsWith(`${key}.`)),
        key,
      ).toBe(true);
  });

  it('are what the repository trains with', async () => {
    const { config } = await presetSettings('gsm8k-gemma-2b');
    const lora = { rank: 256, alpha: 128, targets: 'all-linear' };
    const train = { schedule: 'linear', warmup: 0.1, clip: 0.3, epochs: 8, tokens: null };
    expect(config).toMatchObject({
      model: 'google/gemma-2b',
      engine: { quantisation: 'nf4-double' },
      sft: { train: { ...train, lora: { ...lora, dropout: 0.05 }, learningRate: 2e-4 } },
      align: { start: 'base', loss: { lambda: 0.1 }, train: { ...train, lora, learningRate: 8e-5, batchSize: 20 } },
      prm: { train: { lora: { rank: 16, alpha: 32 }, learningRate: 5e-5, epochs: 10, batchSize: 40 } },
      labels: { K: 8, delta: 0, closure: 'none' },
    });
    expect((await presetSettings('mbpp-gemma-2b')).config.labels.K).toBe(6);
  });
});

describe('presetSettings', () => {
  const find = async (name: string, key: string) =>
    (await presetSettings(name)).settings.find((setting) => setting.key === key);

  it('says which preset sets a value, the last one that does', async () => {
    expect(await find('gsm8k-smollm2+paper', 'labels.K')).toMatchObject({ value: 8, preset: 'paper' });
    expect(await find('gsm8k-smollm2+paper', 'labels.unit')).toMatchObject({ preset: 'gsm8k-smollm2', source: null });
    expect(await find('gsm8k-smollm2+paper', 'seed')).toMatchObject({ value: 0, preset: null, source: null });
  });

  it.each(Object.keys(PRESET_LIST))('%s: each setting once', async (name) => {
    const { config, settings } = await presetSettings(name);
    const keys = settings.map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
    expect(leavesOf(config, '')).toEqual(settings.map(({ key, value }) => [key, value]));
  });

  it('names the nearest preset', async () => {
    await expect(presetSettings('gsm8k-gema-2b')).rejects.toThrow(/Did you mean gsm8k-gemma-2b\?/);
    await expect(presetSettings('smoke+papr')).rejects.toThrow(/Did you mean paper\?/);
    await expect(presetSettings('__proto__')).rejects.toMatchObject({ code: 'bad-config' });
    await expect(presetSettings('')).rejects.toMatchObject({ code: 'bad-config' });
  });
});
