// A quantised base with LoRA beside it -> what the same weights give, restored to float32 first.
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Completion } from '../../src/backend.ts';
import { openInProcessPolicy } from '../../src/backends/local/in-process-policy.ts';
import { quantisedMatmul } from '../../src/engine/build.ts';
import { Graph } from '../../src/engine/graph.ts';
import {
  readSafetensorsHeader,
  readTensor,
  type TensorEntry,
  writeSafetensors,
} from '../../src/models/files/safetensors.ts';
import { QUANTISERS, type Quantisation } from '../../src/models/weights/quantisers/quantisers.ts';
import { makeModelFolder } from '../model-folder.ts';
import { restoredModel } from '../quantised-model.ts';
import {
  cache,
  engine,
  fixtures,
  gradientsOf,
  modelWithTokenizer,
  relativeError,
  rowEach,
  scratch,
  tokenExample,
} from '../training-fixtures.ts';

afterAll(async () => {
  expect(engine.liveArrays).toBe(0);
  await engine[Symbol.asyncDispose]();
});

/** Of half precision: 11 bits, and sums in it. */
const TOLERANCE = engine.precision === 'float32' ? 1e-4 : 2e-2;
const QUANTISATIONS = Object.keys(QUANTISERS) as Quantisation[];
const model = await makeModelFolder(scratch, { from: 'architectures/gemma' });
const adapter = join(fixtures, 'architectures/gemma/adapter');
const lora = { rank: 2, alpha: 4, dropout: 0, targets: 'all-linear' } as const;
const objective = { kind: 'orpo', lambda: 0.1, nllScope: 'completion', normalise: 'step', maxLogp: null } as const;
const pass = rowEach(
  [
    tokenExample(
      [7, 5, 6, 9],
      [
        [10, 11, 12],
        [13, 14],
      ],
    ),
    tokenExample(
      [3, 2],
      [
        [20, 21],
        [22, 4, 1],
      ],
      [],
      1,
    ),
  ],
  16,
);

it.each([
  ['nf4', 'wide', [160, 128]],
  ['int8', 'whole', [12, 16]],
] as const)('%s: a product with one is the matrix that bitsandbytes restores', async (packing, name, shape) => {
  const stored = await readSafetensorsHeader(join(fixtures, 'bitsandbytes/quantised.safetensors'));
  const floats = async (name: string) => (await readTensor(name, stored.get(name) as TensorEntry)).data;
  const scales =
    packing === 'nf4' ? await floats('wide.nf4.absmax') : (await floats('whole.int8.scb')).map((scb) => scb / 127);
  const file = join(scratch, `${packing}-scales.safetensors`);
  await writeSafetensors(file, [{ name: 'scales', shape: [scales.length], data: scales }]);
  const graph = new Graph();
  const packed = stored.get(`${name}.${packing}.packed`) as TensorEntry;
  const matrix = {
    packing,
    shape,
    packed: graph.weight('packed', packed, packing === 'nf4' ? 'uint8' : 'int8'),
    scales: graph.weight('scales', (await readSafetensorsHeader(file)).get('scales') as TensorEntry),
  } as const;
  const one = graph.input('one', 'float32', ['rows', shape[0]]);
  const data = Float32Array.from({ length: shape[0] ** 2 }, (_, i) => (i % (shape[0] + 1) === 0 ? 1 : 0));
  await using program = await engine.compile(
    graph,
    { y: quantisedMatmul(one, matrix, { transB: false }) },
    { prepack: false },
  );
  const found = (await program.run({ one: { data, shape: [shape[0], shape[0]] } })).floats('y');
  expect(relativeError(found, await floats(`${name}.${packing}.restored`))).toBeLessThan(1e-6);
});

describe.each(QUANTISATIONS)('%s', (quantisation) => {
  it.each([
    ['kept activations', 1e12],
    ['recomputed layers', 0],
  ])('loss and LoRA gradients on an adapter below, %s', async (_, maxActivationBytes) => {
    const plain = await restoredModel(model, quantisation, cache);
    // Blocks of int4 fit the rows of o_proj alone: the others stay as they are.
    expect(plain.matrices).toHaveLength(4 * (quantisation === 'int4' ? 1 : 7));
    const common = { adapter, lora, objective, maxActivationBytes };
    await using expected = await gradientsOf({ ...common, model: plain.folder, feeding: 'mapped' });
    await using found = await gradientsOf({ ...common, model, quantisation });
    // B starts at zero, where A has no gradient.
    const params = found.params.map((value, i) => value + 0.02 * Math.sin(i));
    const [a, b] = [await found.run([pass], params), await expected.run([pass], params)];
    expect(relativeError([a.loss], [b.loss])).toBeLessThan(TOLERANCE);
    expect(a.gradients.size).toBe(2 * 4 * 7);
    for (const [name, gradient] of b.gradients)
      expect(relativeError(a.gradients.get(name) as Float32Array, gradient), name).toBeLessThan(TOLERANCE);
  });

  it('gradients are those of finite differences', async () => {
    await using found = await gradientsOf({ model, adapter, lora, objective, quantisation });
    const params = found.params.map((value, i) => value + 0.02 * Math.sin(i));
    const { gradients } = await found.run([pass], params);
    const direction = found.layout.zeros();
    for (const { name, offset } of found.layout.tensors) direction.set(gradients.get(name) as Float32Array, offset);
    const slope = direction.reduce((sum, value) => sum + value * value, 0);
    const step = 0.005 / Math.sqrt(slope);
    const at = async (way: number) =>
      (
        await found.run(
          [pass],
          params.map((value, i) => value + way * step * (direction[i] as number)),
        )
      ).loss;
    expect(((await at(1)) - (await at(-1))) / (2 * step) / slope).toBeCloseTo(1, 2);
  });

  it('draws and log-probabilities with the adapter beside the base', async () => {
    const plain = await restoredModel(model, quantisation, cache);
    const read = async (source: string, own: Quantisation | null) => {
      await using policy = await openInProcessPolicy(
        engine,
        { model: source, adapter },
        { cache, slots: 4, quantisation: own },
      );
      const drawn: Completion[] = [];
      const requests = ['one two', 'Tom has 3 apples.'].map((context, n) => ({
        id: `${n}`,
        context: [context],
        key: `${n}`,
        sampling: { temperature: 0, maxTokens: 12 },
      }));
      await policy.generate(requests, (group) => {
        drawn.push(...group);
        return [];
      });
      const logps = await policy.logps([{ context: ['Tom has 3 apples.\n'], completion: 'He eats one.' }]);
      return {
        hash: policy.hash,
        ids: drawn.map(({ tokenIds }) => tokenIds),
        logps: [...drawn.flatMap((each) => each.logps ?? []), ...logps.flat()].map(Number),
      };
    };
    const [found, expected, whole] = [
      await read(model, quantisation),
      await read(plain.folder, null),
      await read(model, null),
    ];
    expect(found.ids).toEqual(expected.ids);
    expect(relativeError(found.logps, expected.logps)).toBeLessThan(TOLERANCE);
    // It is another model than the one that it was made from.
    expect(relativeError(found.logps, whole.logps)).toBeGreaterThan(quantisation === 'float16' ? 1e-6 : 1e-3);
    expect(found.hash).not.toBe(whole.hash);
  });
});

it('a model whose matrices fit no block is refused', async () => {
  const narrow = modelWithTokenizer('models/llama');
  await expect(gradientsOf({ model: narrow, lora, objective, quantisation: 'int4' })).rejects.toMatchObject({
    code: 'unsupported',
    message: expect.stringMatching(/linear layer that int4 can store .*nf4/),
  });
});
