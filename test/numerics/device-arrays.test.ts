// Arrays that stay where a provider computes: fed back, counted, read, disposed once.
import { afterAll, describe, expect, it } from 'vitest';
import { add, mul, reduceSum } from '../../src/engine/build.ts';
import { Graph } from '../../src/engine/graph.ts';
import { Engine, type HostArray, type Provider } from '../../src/engine/runtime/session.ts';

const provider = (process.env['SIPF_TEST_PROVIDER'] ?? 'cpu') as Provider;
const engine = new Engine({ provider, threads: 1 });
afterAll(async () => {
  expect(engine.liveArrays).toBe(0);
  await engine[Symbol.asyncDispose]();
  expect(engine.sessions.live).toBe(0);
});

const floats = (data: readonly number[], shape: readonly number[]): HostArray => ({
  data: Float32Array.from(data),
  shape,
});

/** next = state + x, which stays, and the sum of x, which does not. */
function counter() {
  const graph = new Graph();
  const [state, x] = [graph.input('state', 'float32', ['n', 2]), graph.input('x', 'float32', ['n', 2])];
  return engine.compile(graph, { next: add(state, x), sum: reduceSum(x) }, { prepack: false, stay: ['next'] });
}

describe(`device arrays on ${provider}`, () => {
  it('are fed back without being copied, and only then', async () => {
    await using program = await counter();
    const before = engine.traffic;
    let state = await engine.place(floats([1, 2, 3, 4], [2, 2]));
    for (let step = 0; step < 5; step++) {
      const result = await program.run({ state, x: floats([1, 1, 2, 2], [2, 2]) });
      expect(result.floats('sum')).toEqual(Float32Array.of(6));
      state[Symbol.dispose]();
      state = result.device('next');
    }
    expect(state.shape).toEqual([2, 2]);
    expect(await engine.read(state)).toEqual(floats([6, 7, 13, 14], [2, 2]));
    state[Symbol.dispose]();
    const { toDevice, fromDevice } = engine.traffic;
    // The start and five times x; five sums and the end.
    expect([toDevice - before.toDevice, fromDevice - before.fromDevice]).toEqual([16 + 5 * 16, 5 * 4 + 16]);
  });

  it('serve several programs, and outlive the one that made them', async () => {
    const first = await counter();
    using placed = await engine.place(floats([1, 1], [1, 2]));
    using next = (await first.run({ state: placed, x: placed })).device('next');
    await first[Symbol.asyncDispose]();
    const graph = new Graph();
    const x = graph.input('x', 'float32', ['n', 2]);
    await using second = await engine.compile(graph, { y: mul(x, 10) }, { prepack: false });
    expect((await second.run({ x: next })).floats('y')).toEqual(Float32Array.of(20, 20));
  });

  it('are of any type and rank', async () => {
    const integers = { data: BigInt64Array.of(5n, -6n, 2n ** 40n), shape: [1, 3, 1] };
    for (const array of [floats([7], []), floats([1, 2], [2]), integers]) {
      using placed = await engine.place(array);
      expect(await engine.read(placed)).toEqual(array);
    }
  });

  it('refuse what they are not: another type or size, disposed, of another engine', async () => {
    await using program = await counter();
    const placed = await engine.place(floats([1, 2, 3, 4], [2, 2]));
    const x = floats([1, 2], [1, 2]);
    await expect(program.run({ state: placed, x })).rejects.toThrow(
      'Input x: expected [n, 2], got [1, 2] (n is 2 here)',
    );
    using integers = await engine.place({ data: BigInt64Array.of(1n, 2n), shape: [1, 2] });
    await expect(program.run({ state: integers, x })).rejects.toThrow('Input state: expected float32 data, got int64');
    const result = await program.run({ state: placed, x: placed });
    expect(() => result.array('next')).toThrow('Output next is on the device');
    expect(() => result.device('sum')).toThrow('Output sum is not on the device');
    expect(() => result.floats('other')).toThrow('Output other is missing');
    result.device('next')[Symbol.dispose]();
    placed[Symbol.dispose]();
    expect(() => placed[Symbol.dispose]()).toThrow('[2,2] is used after it was disposed');
    await expect(program.run({ state: placed, x: placed })).rejects.toThrow('after it was disposed');
    await using other = new Engine({ provider, threads: 1 });
    await expect(other.read(integers)).rejects.toThrow('in another engine');
  });
});
