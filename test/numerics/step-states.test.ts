// Hidden states at step ends -> transformers' logits; below the last layer, those of cut models.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StepStates } from '../../src/inference/step-states.ts';
import { readSafetensors, type Tensor } from '../../src/models/files/safetensors.ts';
import { type Row, readReference, rowOf } from '../architecture-fixture.ts';
import { makeModelFolder } from '../model-folder.ts';
import { openTiny } from '../tiny-model.ts';
import { engine, fixtures, relativeError } from '../training-fixtures.ts';

const [HIDDEN, LAYERS, EPSILON] = [48, 4, 1e-6];
let root = '';
let weights: Map<string, Tensor>;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sipf-states-'));
  weights = await readSafetensors(join(fixtures, 'models/llama/model.safetensors'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const PATHS = [
  { prompt: [1, 5, 9], steps: [[7, 8, 11], [4], [30, 31]] },
  {
    prompt: [1, 5, 9],
    steps: [
      [7, 8],
      [12, 13, 14, 15],
    ],
  },
  { prompt: [1, 100], steps: [[40, 41, 42, 43, 44]] },
];

/** The norm before the head, by hand. */
function normed(state: Float32Array): number[] {
  const { data } = weights.get('model.norm.weight') as Tensor;
  const size = Math.sqrt(state.reduce((sum, x) => sum + x * x, 0) / HIDDEN + EPSILON);
  return Array.from(state, (x, i) => (x / size) * data[i]!);
}

/** The same model with its first layers alone. */
function cutAfter(layers: number): Promise<string> {
  return makeModelFolder(root, {
    config: { num_hidden_layers: layers },
    weights: (all) => {
      for (const name of all.keys()) if (Number(/layers\.(\d+)\./.exec(name)?.[1]) >= layers) all.delete(name);
    },
  });
}

describe('hidden states at step ends', () => {
  it('of the last layer give the logits that transformers gives', async () => {
    const llama = 'architectures/llama';
    const { tensors, rows } = await readReference('llama');
    const [{ ids }] = rows as [Row];
    const { data } = (await readSafetensors(join(fixtures, llama, 'model.safetensors'))).get(
      'lm_head.weight',
    ) as Tensor;
    const logits = rowOf(tensors.get('logits') as Tensor, 0);
    const vocab = logits.length / ids.length;
    await using tiny = await openTiny(engine, llama);
    await using states = new StepStates(engine, tiny.weights);
    const steps = [ids.slice(4, 9), ids.slice(9, 10), ids.slice(10, 25)];
    const [read = []] = await states.read([{ prompt: ids.slice(0, 4), steps }], [LAYERS], {});
    expect(read).toHaveLength(3);
    for (const [j, at] of [8, 9, 24].entries()) {
      const state = read[j] as Float32Array;
      const own = Array.from({ length: vocab }, (_, token) =>
        state.reduce((sum, x, i) => sum + x * (data[token * state.length + i] as number), 0),
      );
      expect(relativeError(own, logits.subarray(at * vocab, (at + 1) * vocab))).toBeLessThan(1e-4);
    }
  });

  it('of a lower layer are, behind the norm, those of the model that ends there', async () => {
    await using whole = await openTiny(engine, 'models/llama');
    await using states = new StepStates(engine, whole.weights);
    for (const layer of [1, 2, 3]) {
      const read = await states.read(PATHS, [layer], {});
      await using cut = await openTiny(engine, relative(fixtures, await cutAfter(layer)));
      await using ofCut = new StepStates(engine, cut.weights);
      const expected = await ofCut.read(PATHS, [layer], {});
      for (const [i, steps] of read.entries())
        for (const [j, state] of steps.entries())
          expect(relativeError(normed(state), expected[i]![j]!)).toBeLessThan(1e-4);
    }
  });

  it('come in the order of the layers out of one pass, the same in any company', async () => {
    await using tiny = await openTiny(engine, 'models/llama');
    await using states = new StepStates(engine, tiny.weights);
    const together = await states.read(PATHS, [3, 1], {});
    expect(together.map((steps) => steps.map(({ length }) => length))).toEqual(
      PATHS.map(({ steps }) => steps.map(() => 2 * HIDDEN)),
    );
    for (const [place, layer] of [3, 1].entries())
      for (const [i, path] of PATHS.entries()) {
        const [alone = []] = await states.read([path], [layer], {});
        for (const [j, state] of alone.entries()) {
          const own = together[i]![j]!.subarray(place * HIDDEN, (place + 1) * HIDDEN);
          expect(relativeError(own, state)).toBeLessThan(1e-4);
        }
      }
  });

  it('are refused of layers that are not there, and of paths that are too long', async () => {
    await using tiny = await openTiny(engine, 'models/llama');
    await using states = new StepStates(engine, tiny.weights);
    for (const layers of [[], [0], [LAYERS + 1], [1.5]])
      await expect(states.read(PATHS, layers, {})).rejects.toThrow(`Expected layers from 1 to ${LAYERS}`);
    const long = { prompt: [1], steps: [Array.from({ length: 128 }, () => 7)] };
    await expect(states.read([...PATHS, long], [1], {})).rejects.toThrow('path 3');
  });
});
