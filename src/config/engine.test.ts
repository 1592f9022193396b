// Configurations with a server -> the engine that they name, or why there is none.
import { expect, it } from 'vitest';
import { engineOf } from './engine.ts';
import { parseConfig } from './load.ts';
import type { ConfigInput } from './schema.ts';

const given = (serves: 'model' | 'simulator', more: ConfigInput = {}): ConfigInput => ({
  model: './small',
  engine: { sampler: { kind: 'openai', url: 'http://localhost:8000/v1', model: 'served', serves } },
  ...more,
});

const on = { calculator: true };

it.each<[string, ConfigInput]>([
  ['sampling.calculator', given('model', { sampling: on })],
  ['labels.calculator', given('model', { labels: on })],
  ['evaluate.calculator', given('model', { evaluate: on })],
  ['labels.calculator', given('simulator', { simulator: './large', labels: on })],
  ['sampling.keepLogps', given('model', { sampling: { keepLogps: true } })],
])('refuses %s where a server draws', (setting, config) => {
  expect(() => engineOf(parseConfig(config))).toThrow(`Expected ${setting} false for a server`);
});

it.each<[string, ConfigInput]>([
  [
    'a calculator for rollouts of another model than the server has',
    given('model', { simulator: './large', labels: on }),
  ],
  [
    'a calculator for samples and answers where the server rolls out',
    given('simulator', { simulator: './large', sampling: on, evaluate: on }),
  ],
  [
    'tokens of samples that are drawn here',
    given('simulator', { simulator: './large', sampling: { keepLogps: true } }),
  ],
  ['no calculator', given('model', { sampling: { calculator: false } })],
])('takes %s', (_, config) => {
  expect(engineOf(parseConfig(config)).sampler).toEqual([expect.objectContaining({ kind: 'openai' })]);
});

it('takes several servers, each with a model of its own', () => {
  const server = { kind: 'openai', url: 'http://localhost:8000/v1', model: 'served' } as const;
  const sampler = [server, { ...server, model: 'large', serves: 'simulator' } as const];
  const config = parseConfig({ model: './small', simulator: { model: './large' }, engine: { sampler } });
  expect(engineOf(config).sampler).toMatchObject([
    { model: 'served', serves: { model: './small' } },
    { model: 'large', serves: { model: './large' } },
  ]);
  expect(() => parseConfig({ engine: { sampler: [{ ...server, modle: 'm' }] } as never })).toThrow(
    /engine\.sampler\.0\.modle\. Did you mean engine\.sampler\.model\?/,
  );
  expect(() => parseConfig({ engine: { sampler: [{ ...server, dialect: 'tgi' }] } as never })).toThrow(
    /engine\.sampler\.0\.dialect/,
  );
});

it('has the base alone at a server that loads adapters', () => {
  const servedBy = (others: 'adapter' | 'local') => {
    const sampler = { kind: 'openai', url: 'http://localhost:8000/v1', model: 'served', others } as const;
    return engineOf(parseConfig({ model: './small', adapter: './tuned', engine: { sampler } })).sampler;
  };
  expect(servedBy('local')).toMatchObject([{ serves: { model: './small', adapter: './tuned' } }]);
  expect(servedBy('adapter')).toMatchObject([{ serves: { model: './small', adapter: undefined } }]);
});

it('a setting at its default leaves no trace', () => {
  const config = parseConfig({
    sampling: { calculator: false },
    labels: { calculator: false },
    evaluate: { calculator: false },
    sft: { calculatorLoss: true },
  });
  expect(JSON.stringify(config)).toBe(JSON.stringify(parseConfig({})));
  expect(JSON.stringify(config)).not.toContain('calculator');
});
