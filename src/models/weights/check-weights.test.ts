// Shapes of weight files against what config.json asks for: too few, too many, of another size.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { architectureOf } from '../architectures/architectures.ts';
import { decoderOf } from '../architectures/form.ts';
import { openModelFiles } from '../files/model-files.ts';
import { checkWeights } from './check-weights.ts';

const fixtures = join(import.meta.dirname, '../../../test/fixtures');

async function check(
  folder: string,
  change: Record<string, unknown> = {},
  weights: (shapes: Map<string, readonly number[]>) => void = () => {},
): Promise<void> {
  const files = await openModelFiles(join(fixtures, folder));
  const architecture = architectureOf(files.config);
  const shapes = new Map(files.shapes);
  weights(shapes);
  checkWeights(decoderOf(architecture, { ...files.config, ...change }), { ...files, shapes });
}

test.each(['models/llama', 'models/llama-tied', 'architectures/llama-3.2', 'prm'])(
  '%s fits its config.json',
  (folder) => check(folder),
);

test('what other tools leave in weight files does no harm', () =>
  check('models/llama-tied', {}, (shapes) => {
    shapes.set('lm_head.weight', [512, 48]);
    shapes.set('model.layers.0.self_attn.rotary_emb.inv_freq', [6]);
  }));

test('a file of more layers than config.json has', () =>
  expect(check('models/llama', { num_hidden_layers: 2 })).rejects.toMatchObject({
    code: 'bad-input',
    message: expect.stringMatching(/model\.layers\.2\..*num_hidden_layers/),
  }));

test('weights that the architecture does not read', () =>
  expect(
    check('models/llama', {}, (shapes) => shapes.set('model.layers.0.self_attn.q_norm.weight', [12])),
  ).rejects.toThrow('q_norm'));

test('a file of fewer layers, or of other sizes', async () => {
  await expect(check('models/llama', { num_hidden_layers: 5 })).rejects.toThrow('model.layers.4.');
  await expect(check('models/llama', { intermediate_size: 96 })).rejects.toThrow('[96, 48]');
  await expect(check('models/llama', { vocab_size: 600 })).rejects.toThrow('[600, 48]');
});

test.each(['module.', '_orig_mod.', 'base_model.model.'])(
  'names that begin with %s: no word of the output projection',
  (prefix) =>
    expect(
      check('models/llama', {}, (shapes) => {
        const all = [...shapes];
        shapes.clear();
        for (const [name, shape] of all) shapes.set(prefix + name, shape);
      }),
    ).rejects.toThrow('Expected a weight model.embed_tokens.weight'),
);

test('no output projection', () =>
  expect(check('models/llama', {}, (shapes) => shapes.delete('lm_head.weight'))).rejects.toThrow('lm_head.weight'));
