// config.json of published models -> the sizes, tables and layers that transformers reads there.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { declaredWeights } from '../weights/declared-weights.ts';
import type { ModelConfig } from './architecture.ts';
import { architectureOf } from './architectures.ts';
import { decoderOf } from './form.ts';

/** What transformers says of a model (test/fixtures/make_fixtures.py, make_published). */
interface Published {
  readonly parameters: number;
  readonly tied: boolean;
  readonly head_dim: number;
  readonly epsilon: number;
  readonly scale: number;
  readonly softcap: number | null;
  readonly windows: readonly (number | null)[];
  readonly layers_without_rope: readonly number[];
  readonly inverse_frequencies: readonly Record<'count' | 'first' | 'last' | 'sum', number>[];
}

const read = <T>(name: string): Record<string, T> =>
  JSON.parse(readFileSync(join(import.meta.dirname, '../../../test/fixtures/published', name), 'utf8'));
const configs = read<ModelConfig>('configs.json');
const references = read<Published>('reference.json');

it('every configuration has a reference', () => expect(Object.keys(references)).toEqual(Object.keys(configs)));

it.each(Object.entries(references))('%s', (name, expected) => {
  const config = configs[name] as ModelConfig;
  const decoder = decoderOf(architectureOf(config), config);
  const { headDim, epsilon, tied, ropes } = decoder.config;
  expect({ head_dim: headDim, epsilon, tied }).toEqual({
    head_dim: expected.head_dim,
    epsilon: expected.epsilon,
    tied: expected.tied,
  });
  const sizes = [...declaredWeights(decoder).shapes.values()].map((shape) => shape.reduce((a, b) => a * b, 1));
  expect(sizes.reduce((a, b) => a + b, 0)).toBe(expected.parameters);
  expect(decoder.attention.map(({ window = null }) => window)).toEqual(expected.windows);
  expect(decoder.attention.flatMap(({ rope }, n) => (rope === null ? [n] : []))).toEqual(expected.layers_without_rope);
  for (const { scale = headDim ** -0.5, softcap = null } of decoder.attention) {
    expect(scale).toBeCloseTo(expected.scale, 12);
    expect(softcap).toBe(expected.softcap);
  }
  const tables = ropes.map((table) => ({
    count: table.length,
    first: table[0] ?? 0,
    last: table.at(-1) ?? 0,
    sum: table.reduce((a, b) => a + b, 0),
  }));
  expect(tables.map(({ count }) => count)).toEqual(expected.inverse_frequencies.map(({ count }) => count));
  for (const [n, table] of tables.entries())
    for (const key of ['first', 'last', 'sum'] as const)
      expect(table[key] / (expected.inverse_frequencies[n]?.[key] ?? 0)).toBeCloseTo(1, 5);
});
