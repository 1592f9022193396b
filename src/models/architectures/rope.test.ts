// RoPE settings of published models and of careless edits -> frequencies, or an error with the key.
import { describe, expect, it } from 'vitest';
import { inverseFrequencies } from './rope.ts';
import { llama3Factors } from './rope-factors.ts';

const LLAMA3 = { factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64 };
const { original_max_position_embeddings: _, ...WITHOUT_LENGTH } = LLAMA3;

const plain = [1, 0.1];
const ofLlama3 = [...inverseFrequencies({ rope_parameters: { rope_type: 'llama3', ...LLAMA3 } }, 12)];

describe('settings that are read', () => {
  it.each<[string, Record<string, unknown>, number[]]>([
    ['nothing at all', {}, [1, 0.01]],
    ['theta beside', { rope_theta: 100 }, plain],
    ['theta within', { rope_parameters: { rope_theta: 100 } }, plain],
    ['theta in both, that within wins', { rope_theta: 5, rope_parameters: { rope_theta: 100 } }, plain],
    ['null settings', { rope_theta: 100, rope_scaling: null, rope_parameters: null }, plain],
    ['a null type', { rope_theta: 100, rope_scaling: { rope_type: null } }, plain],
    ['the old name of the type', { rope_theta: 100, rope_scaling: { type: 'linear', factor: 4 } }, [0.25, 0.025]],
    ['the new one beside it wins', { rope_theta: 100, rope_scaling: { type: 'yarn', rope_type: 'default' } }, plain],
    ['linear', { rope_theta: 100, rope_parameters: { rope_type: 'linear', factor: 2 } }, [0.5, 0.05]],
    ['by layer type', { rope_parameters: { full_attention: { rope_theta: 100, rope_type: 'default' } } }, plain],
    [
      'by layer type, all alike',
      { rope_parameters: { full_attention: { rope_theta: 100 }, sliding_attention: { rope_theta: 100 } } },
      plain,
    ],
    ['a whole rotation', { rope_theta: 100, partial_rotary_factor: 1 }, plain],
    [
      'both places that agree',
      { rope_scaling: { factor: 2, type: 'linear' }, rope_parameters: { rope_theta: 100, factor: 2 } },
      [0.5, 0.05],
    ],
  ])('%s', (_name, config, expected) => {
    expect([...inverseFrequencies(config, 4)]).toEqual(expected.map(Math.fround));
  });

  it.each<[string, Record<string, unknown>]>([
    ['within rope_scaling', { rope_scaling: { rope_type: 'llama3', ...LLAMA3 } }],
    [
      'the length beside',
      { rope_parameters: { rope_type: 'llama3', ...WITHOUT_LENGTH }, original_max_position_embeddings: 64 },
    ],
    [
      'the length in both, that beside wins',
      {
        rope_parameters: { rope_type: 'llama3', ...LLAMA3, original_max_position_embeddings: 8192 },
        original_max_position_embeddings: 64,
      },
    ],
  ])('llama3, %s', (_name, config) => {
    expect([...inverseFrequencies(config, 12)]).toEqual(ofLlama3);
    expect(ofLlama3[5]).toBe(Math.fround(1e4 ** (-10 / 12) / (llama3Factors(1e4, 12, LLAMA3)[5] as number)));
  });
});

describe('settings that are refused', () => {
  it.each<[Record<string, unknown>, string]>([
    [
      { rope_parameters: { rope_type: 'llama3', ...WITHOUT_LENGTH } },
      'original_max_position_embeddings in rope_parameters of here/config.json',
    ],
    [{ rope_scaling: { type: 'linear' } }, 'factor in rope_scaling of here/config.json'],
    [{ rope_scaling: { type: 'linear', factor: null } }, 'factor'],
    [{ rope_scaling: { type: 'linear', factor: '2' } }, 'factor'],
    [{ rope_scaling: { type: 'linear', factor: 0 } }, 'factor'],
    [{ rope_scaling: { type: 'linear', factor: -2 } }, 'factor'],
    [{ rope_scaling: { type: 'linear', factor: 1e300 } }, 'factor'],
    [{ rope_scaling: { type: 'linear', factor: Number.NaN } }, 'got NaN'],
    [{ rope_scaling: { type: 'linear', factor: [2] } }, 'got [2]'],
    [{ rope_parameters: { rope_type: 'llama3', ...LLAMA3, low_freq_factor: undefined } }, 'low_freq_factor'],
    [{ rope_parameters: { rope_type: 'llama3', ...LLAMA3, high_freq_factor: null } }, 'high_freq_factor'],
    [{ rope_parameters: { rope_type: 'llama3', ...LLAMA3, high_freq_factor: 1 } }, 'more than low_freq_factor 1'],
    [{ rope_parameters: { rope_type: 'llama3', ...LLAMA3, low_freq_factor: 0 } }, 'low_freq_factor'],
    [{ rope_parameters: { rope_type: 'llama3', ...LLAMA3, original_max_position_embeddings: 0 } }, 'original_max'],
    [{ rope_theta: 0 }, 'rope_theta'],
    [{ rope_theta: -1 }, 'rope_theta'],
    [{ rope_theta: '10000' }, 'rope_theta'],
    [{ rope_theta: Number.POSITIVE_INFINITY }, 'rope_theta'],
    [{ rope_parameters: { rope_theta: 0.5 } }, 'rope_theta in rope_parameters'],
    [{ rope_scaling: 'linear' }, 'rope_scaling in here/config.json to be an object'],
    [{ rope_scaling: [] }, 'to be an object'],
    [{ rope_parameters: { full_attention: 5 } }, 'an object by layer type'],
    [{ rope_scaling: { type: 'linear', factor: 2 }, rope_parameters: { factor: 4 } }, 'got 4 and 2'],
    [
      { rope_scaling: { type: 'linear', factor: 2 }, rope_parameters: { rope_type: 'default' } },
      'one rope_type in rope_parameters and rope_scaling of here/config.json, got "default" and "linear"',
    ],
    [
      { rope_scaling: { type: 'longrope' }, rope_parameters: { rope_type: 'llama3', ...LLAMA3 } },
      'got "llama3" and "longrope"',
    ],
  ])('%j', (config, message) => {
    expect(() => inverseFrequencies(config, 4, 'here/config.json')).toThrow(
      expect.objectContaining({ code: 'bad-input', message: expect.stringContaining(message) }),
    );
  });

  it.each<[Record<string, unknown>, string]>([
    ...['dynamic', 'yarn', 'longrope', 'su', 'mrope', 'ntk', 'constructor', 5].map(
      (type): [Record<string, unknown>, string] => [
        { rope_scaling: { rope_type: type, factor: 4 } },
        `default, linear, llama3 in rope_scaling of here/config.json, got ${JSON.stringify(type)}`,
      ],
    ),
    [{ partial_rotary_factor: 0.5 }, 'partial_rotary_factor'],
    [{ rope_parameters: { partial_rotary_factor: 0.25 } }, 'partial_rotary_factor'],
    [
      { rope_parameters: { full_attention: { rope_theta: 5 }, sliding_attention: { rope_theta: 6 } } },
      'sliding_attention',
    ],
  ])('%j, as unsupported', (config, message) => {
    expect(() => inverseFrequencies(config, 4, 'here/config.json')).toThrow(
      expect.objectContaining({ code: 'unsupported', message: expect.stringContaining(message) }),
    );
  });
});
