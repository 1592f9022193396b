// The PRM fixture -> transformers' step probabilities, hard and soft losses, and all gradients.
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { StepScorer } from '../../src/inference/step-scores.ts';
import { readSafetensors } from '../../src/models/files/safetensors.ts';
import type { TokenExample } from '../../src/training/examples.ts';
import { openTiny } from '../tiny-model.ts';
import { engine, fixtures, gradientsOf, readJson, relativeError, rowEach, tokenExample } from '../training-fixtures.ts';

interface Reference {
  step_end_positions: number[][];
  tallies_of_8: number[][];
  step_probabilities: number[];
  hard_loss: number;
  soft_loss: number;
}

test.each(['hard', 'soft'] as const)('%s targets', async (kind) => {
  const reference = readJson<Reference>('prm/reference.json');
  const tensors = await readSafetensors(join(fixtures, 'prm/reference.safetensors'));
  const [ids, mask] = [tensors.get('input_ids'), tensors.get('attention_mask')];
  if (!ids || !mask) throw new Error('incomplete fixture');
  const width = ids.shape[1] as number;
  const prompt = 5;
  const examples = reference.step_end_positions.map((ends, row): TokenExample => {
    const length = mask.data.subarray(row * width, (row + 1) * width).reduce((a, b) => a + b);
    const tokens = [...ids.data.subarray(row * width, row * width + length)];
    const stepEnds = ends.map((end, n) => {
      const share = (reference.tallies_of_8[row]?.[n] as number) / 8;
      return { at: end - prompt, target: kind === 'soft' ? share : Number(share > 0) };
    });
    return tokenExample(tokens.slice(0, prompt), [tokens.slice(prompt)], stepEnds, row);
  });
  await using model = await gradientsOf({ model: join(fixtures, 'prm'), objective: { kind: 'prm' } });
  const { loss, perPosition, gradients } = await model.run([rowEach(examples, width)]);
  expect(Math.abs(loss / reference[`${kind}_loss`] - 1)).toBeLessThan(1e-5);
  const probabilities = [...(perPosition[0] as Float32Array)].map((z) => 1 / (1 + Math.exp(-z)));
  expect(relativeError(probabilities, reference.step_probabilities)).toBeLessThan(1e-5);
  const expected = [...tensors].filter(([name]) => name.startsWith(`${kind}.`));
  expect(gradients.size).toBe(expected.length);
  const errors = expected.map(([name, { data }]) => {
    const gradient = gradients.get(name.slice(kind.length + 1));
    return [name, gradient ? relativeError(gradient, data) : Number.NaN] as const;
  });
  expect(errors.filter(([, error]) => !(error <= 1e-4))).toEqual([]);
});

test('scores steps as the token classifier does', async () => {
  await using tiny = await openTiny(engine, 'prm');
  await using scorer = new StepScorer(engine, tiny.weights);
  const reference = readJson<Reference>('prm/reference.json');
  const tensors = await readSafetensors(join(fixtures, 'prm', 'reference.safetensors'));
  const { shape, data } = tensors.get('input_ids') as { shape: readonly number[]; data: Float32Array };
  const width = shape[1] as number;
  const paths = reference.step_end_positions.map((ends, row) => {
    const ids = [...data.subarray(row * width, (row + 1) * width)];
    const cuts = [4, ...ends.map((end) => end + 1)];
    return { prompt: ids.slice(0, 4), steps: ends.map((_, n) => ids.slice(cuts[n], cuts[n + 1])) };
  });
  expect(relativeError((await scorer.score(paths)).flat(), reference.step_probabilities)).toBeLessThan(1e-4);
  // One path alone, and two that share a row, give the same.
  const [first] = paths as [(typeof paths)[0]];
  const twins = await scorer.score([first, { prompt: first.prompt, steps: first.steps.slice(0, 2) }, first]);
  for (const twin of twins)
    expect(relativeError(twin, reference.step_probabilities.slice(0, twin.length))).toBeLessThan(1e-4);
});
