// Sizes that make no sense -> refused by name in every section; every preset is within them.
import { describe, expect, it } from 'vitest';
import { openBackend } from './backends/index.ts';
import { loadConfig, parseConfig } from './config/load.ts';
import { PRESETS } from './config/presets.ts';
import { configKeys } from './config/schema.ts';
import { checkCount, MOST_THREADS } from './limits.ts';
import { createPyodideSandbox } from './sandboxes/embedded.ts';

/** Filters of what is there, and numbers that no size depends on. */
const FREE =
  /(?:seed|temperature|topP|topK|delta|eta|lambda|maxLogp|beta|nllWeight|learningRate|warmup|weightDecay|clip|eps|alpha|dropout|rows|paths|questions|total|perQuestion|heldOut|tokens|maxSteps|checkpointEverySteps|activationsGiB|maxGoldSteps|solutions|gold|logpPairs|rope_theta|rms_norm_eps|initializer_range)$|quota/;

const numbers = configKeys().filter((key) => {
  const words =
    /(?:limit|shots|samples|K|unit|batchSize|epochs|tokensPerPass|maxLength|maxTokens|gradeRetries|lookahead|timeout|iterations|rank|hidden_size|intermediate_size|num_hidden_layers|num_attention_heads|num_key_value_heads|max_position_embeddings)$/;
  return words.test(key) && !FREE.test(key);
});

describe('a configuration', () => {
  it.each(numbers)('%s of 1e15 is refused by name', async (key) => {
    const lora = { rank: 8, alpha: 16, dropout: 0, targets: 'all-linear' };
    const section = key.slice(0, key.indexOf('.lora'));
    const base = key.includes('.lora.') ? { [`${section}.lora`]: lora } : {};
    const [, part] = /^(engine\.(?:sampler|scorer))\./.exec(key) ?? [];
    const kind = part === undefined ? {} : { [`${part}.kind`]: 'openai' };
    const made = key.startsWith('model.') ? { model: { init: {} } } : { model: 'm' };
    await expect(loadConfig({ flags: { ...made, ...base, ...kind, [key]: '1000000000000000' } })).rejects.toThrow(
      new RegExp(`Expected (?:a valid value for )?${key.replaceAll('.', '\\.')}`),
    );
  });

  it('names the first of many wrong keys, and how many more there are', () => {
    const wrong = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`key${i}`, i]));
    expect(() => parseConfig(wrong)).toThrow(/^(?:Expected a known .*\n){8}And 32 more\.$/);
  });

  it('knows enough keys to be worth it', () => expect(numbers.length).toBeGreaterThan(30));

  it.each(Object.keys(PRESETS))('preset %s is within them', (name) => {
    expect(() => parseConfig(PRESETS[name])).not.toThrow();
  });
});

describe('the engine and the sandbox', () => {
  it.each([0, -1, 1.5, Number.NaN, MOST_THREADS + 1, 100_000, 1e15])('refuse %d threads', async (threads) => {
    await expect(openBackend({ provider: 'cpu', threads })).rejects.toThrow(/^Expected threads from 1 to \d+, got/);
  });

  it.each([0, 1e9])('refuse %d slots', async (slots) => {
    await expect(openBackend({ provider: 'cpu', slots })).rejects.toThrow(/^Expected slots from 1 to 4096, got/);
  });

  it('refuse a million workers, and a program of a million years', () => {
    expect(() => createPyodideSandbox({ workers: 1e6 })).toThrow(/workers of the sandbox/);
    expect(() => createPyodideSandbox({ timeoutMs: 1e15 })).toThrow(/timeoutMs of the sandbox/);
  });

  it('take what is there', () => {
    expect(() => checkCount('threads', MOST_THREADS, MOST_THREADS)).not.toThrow();
    expect(() => checkCount('threads', undefined, MOST_THREADS)).not.toThrow();
  });
});
