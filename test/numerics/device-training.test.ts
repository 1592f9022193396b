// Training state on the device -> the values of that in main memory, and what a step crosses.
import { afterAll, describe, expect, it } from 'vitest';
import type { HostArray, Traffic } from '../../src/engine/runtime/session.ts';
import { openBase, openModel } from '../../src/models/open-model.ts';
import { createRandom } from '../../src/random.ts';
import { FlatLayout, type FlatState } from '../../src/training/flat-weights.ts';
import { loraTrainee } from '../../src/training/lora-weights.ts';
import { placeStep } from '../../src/training/placed.ts';
import { TrainingProgram } from '../../src/training/program.ts';
import type { TrainingState } from '../../src/training/state.ts';
import { DeviceState } from '../../src/training/states/device.ts';
import { HostState } from '../../src/training/states/host.ts';
import {
  cache,
  engine,
  lossOf,
  modelWithTokenizer,
  OPTIONS,
  relativeError,
  rowEach,
  tokenExample,
} from '../training-fixtures.ts';

afterAll(async () => {
  expect(engine.liveArrays).toBe(0);
  await engine[Symbol.asyncDispose]();
});

const random = createRandom('device training');
const values = (length: number) => Float32Array.from({ length }, () => 2 * random.next() - 1);

/** Random parameters; what is between tensors is nobody's. */
function startOf(layout: FlatLayout): FlatState {
  const start = { params: layout.zeros(), m: layout.zeros(), v: layout.zeros() };
  for (const { offset, length } of layout.tensors) start.params.set(values(length), offset);
  return start;
}

const copyOf = ({ params, m, v }: FlatState): FlatState => ({ params: params.slice(), m: m.slice(), v: v.slice() });

/** What `body` brings across. */
async function crossing(body: () => Promise<unknown>): Promise<Traffic> {
  const before = engine.traffic;
  await body();
  const { toDevice, fromDevice } = engine.traffic;
  return { toDevice: toDevice - before.toDevice, fromDevice: fromDevice - before.fromDevice };
}

describe(`training state on the device, on ${engine.provider}`, () => {
  const layout = new FlatLayout(
    new Map([
      ['norm', [70]],
      ['matrix', [110, 100]],
      ['other', [3, 5]],
    ]),
  );
  const options = { betas: [0.9, 0.95] as const, eps: 1e-6, weightDecay: 0.1 };

  it('has the norms and the values of the state in main memory, step after step', async () => {
    const start = startOf(layout);
    const states: TrainingState[] = [
      await HostState.open({ engine, layout, options, start: copyOf(start) }),
      await DeviceState.open({ engine, layout, options, start }),
    ];
    for (const update of [1, 2, 3]) {
      const passes = [0, 1].map(() =>
        layout.tensors.map(({ shape, length }): HostArray => ({ data: values(length), shape })),
      );
      const norms: number[] = [];
      for (const state of states) {
        for (const [n, gradients] of passes.entries()) {
          const placed = await Promise.all(
            gradients.map(({ data, shape }) => engine.place({ data: data.slice(), shape })),
          );
          await state.gather(placed, n === 0);
        }
        norms.push(await state.norm());
        await state.step({ update, learningRate: 0.01, gradientScale: 0.3 });
      }
      expect((norms[1] as number) / (norms[0] as number)).toBeCloseTo(1, 5);
    }
    const [host, device] = (await Promise.all(states.map((state) => state.read()))) as [FlatState, FlatState];
    for (const kind of ['params', 'm', 'v'] as const) {
      expect(relativeError(device[kind], host[kind]), kind).toBeLessThan(engine.provider === 'cpu' ? 1e-7 : 1e-6);
    }
    for (const state of states) await state[Symbol.asyncDispose]();
    expect(engine.liveArrays).toBe(0);
  });

  it('stays there: scalars go in, one number a tensor comes out', async () => {
    await using state = await DeviceState.open({ engine, layout, options, start: startOf(layout) });
    const gradients = await Promise.all(
      layout.tensors.map(({ shape, length }) => engine.place({ data: values(length), shape })),
    );
    const crossed = await crossing(async () => {
      await state.gather(gradients, true);
      await state.norm();
      await state.step({ update: 1, learningRate: 0.01, gradientScale: 1 });
    });
    expect(crossed).toEqual({ toDevice: 9 * 4, fromDevice: 3 * 4 });
  });
});

describe(`a training step on ${engine.provider}`, () => {
  const lora = { rank: 4, alpha: 8, dropout: 0, targets: 'all-linear' } as const;

  it('sends tokens and weights of the loss, and brings the loss, its figures and the norm', async () => {
    const model = await openModel({ model: modelWithTokenizer('models/llama') }, { cache });
    const objective = { kind: 'sft', scope: 'completion' } as const;
    const traineeArgs = { engine, model, objective, options: { lora, seed: 1 } };
    await using trainee = loraTrainee(traineeArgs, lora, await openBase(engine, model, { cache }));
    const limits = { dropout: false, maxPositions: 1e6, maxActivationBytes: 1e12 };
    const args = { engine, decoder: model.decoder, trainee, loss: lossOf(objective), ...limits };
    await using program = await TrainingProgram.compile(args);
    const { layout } = program;
    const start = { params: layout.zeros(), m: layout.zeros(), v: layout.zeros() };
    for (const { name, shape, offset } of layout.tensors) start.params.set(await trainee.initial(name, shape), offset);
    const states = [
      await HostState.open({ engine, layout, options: OPTIONS, start: copyOf(start) }),
      await DeviceState.open({ engine, layout, options: OPTIONS, start }),
    ] as const;
    const examples = [7, 8, 9].map((first, n) => tokenExample([first, 5, 6], [[10, 11, 12 + n]], [], n));
    const passes = placeStep([rowEach(examples, 32), rowEach(examples.slice(1), 32)]);
    const losses: number[][] = [];
    const crossed = [];
    for (const state of states) {
      const step = async (update: number) => {
        const found: number[] = [];
        for (const [n, of] of passes.entries()) {
          found.push((await program.run(of, state, { first: n === 0, dropoutKey: '' })).loss);
        }
        found.push(await state.norm());
        await state.step({ update, learningRate: 0.01, gradientScale: 1 });
        losses.push(found);
      };
      await step(1);
      crossed.push(await crossing(() => step(2)));
    }
    const [inMemory, stayed] = crossed as [Traffic, Traffic];
    const [first, second, onDevice, onDeviceAgain] = losses as [number[], number[], number[], number[]];
    expect(relativeError(onDevice, first)).toBeLessThan(1e-5);
    expect(relativeError(onDeviceAgain, second)).toBeLessThan(1e-4);
    expect(second[0]).toBeLessThan(first[0] as number);
    // Ids, positions and the mask of each token of 3 + 2 rows of 32; row, target and weight of each of 9 + 6 predictions; the optimizer's scalars.
    const tokens = 5 * 32 * (8 + 8 + 32 * 4);
    expect(stayed.toDevice).toBe(tokens + 15 * (8 + 8 + 4) + 9 * 4);
    const figures = 2 * 4;
    expect(stayed.fromDevice).toBeLessThanOrEqual(2 * (4 + figures) + layout.tensors.length * 4);
    // In main memory the trained weights go in and their gradients come out, twice.
    const trained = layout.tensors.reduce((sum, { length }) => sum + 4 * length, 0);
    expect(inMemory.fromDevice).toBeGreaterThanOrEqual(2 * trained);
    for (const state of states) await state[Symbol.asyncDispose]();
  });
});
