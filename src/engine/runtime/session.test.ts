// Programs on the CPU: what is refused, names, weights on disk, counts of sessions.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { interpret } from '../../../test/reference/reference.ts';
import { gradients } from '../backward.ts';
import { add, concat, gather, matmul, mul, reduceSum } from '../build.ts';
import { Graph, type Tensor } from '../graph.ts';
import { Engine, type Program, threadsFor } from './session.ts';

const engine = new Engine({ provider: 'cpu', threads: 1 });
const folder = mkdtempSync(join(tmpdir(), 'sipf-session-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const floats = (data: readonly number[], shape: readonly number[] = [data.length]) => ({
  data: Float32Array.from(data),
  shape,
});

describe('run', () => {
  it('names the input whose size does not fit, and the sizes', async () => {
    const graph = new Graph();
    const x = graph.input('x', 'float32', ['batch', 3]);
    const y = graph.input('y', 'float32', ['batch', 1]);
    await using program = await engine.compile(graph, { sum: add(x, y) }, { prepack: false });
    const good = { x: floats([1, 2, 3, 4, 5, 6], [2, 3]), y: floats([1, 2], [2, 1]) };
    expect((await program.run(good)).floats('sum')).toEqual(Float32Array.of(2, 3, 4, 6, 7, 8));
    await expect(program.run({ ...good, y: floats([1], [1, 1]) })).rejects.toThrow(
      'Input y: expected [batch, 1], got [1, 1] (batch is 2 here)',
    );
    await expect(program.run({ ...good, x: floats([1, 2], [2, 1]) })).rejects.toThrow(
      'Input x: expected [batch, 3], got [2, 1]',
    );
    await expect(program.run({ ...good, x: floats([1, 2], [2]) })).rejects.toThrow(
      'Input x: expected [batch, 3], got [2] (rank)',
    );
    await expect(program.run({ ...good, x: floats([1, 2], [2, 3]) })).rejects.toThrow(
      'Input x: expected [batch, 3], got [2, 3] (2 values)',
    );
    await expect(program.run({ x: good.x })).rejects.toThrow('Input y is missing');
    await expect(program.run({ ...good, y: { data: BigInt64Array.of(1n, 2n), shape: [2, 1] } })).rejects.toThrow(
      'Input y: expected float32 data, got int64',
    );
  });

  it('checks products and sums of names among inputs', async () => {
    const graph = new Graph();
    const inputs = [
      graph.input('a', 'float32', ['past']),
      graph.input('b', 'float32', ['seq']),
      graph.input('c', 'float32', ['(past+seq)']),
    ];
    const [a, b, c] = inputs as [Tensor, Tensor, Tensor];
    await using program = await engine.compile(graph, { y: add(concat([a, b], 0), c) }, { prepack: false });
    const feeds = { a: floats([1]), b: floats([2, 3]), c: floats([10, 20, 30]) };
    expect((await program.run(feeds)).floats('y')).toEqual(Float32Array.of(11, 22, 33));
    await expect(program.run({ ...feeds, c: floats([1, 2]) })).rejects.toThrow(
      'Input c: expected [(past+seq)], got [2] ((past+seq) is 3 here)',
    );
  });

  it('refuses a size of 0 where the runtime would return memory it never wrote', async () => {
    const graph = new Graph();
    const [a, b] = [graph.input('a', 'float32', [2, 'n']), graph.input('b', 'float32', [3, 'n'])];
    await using program = await engine.compile(graph, { y: matmul(a, b, { transB: true }) }, { prepack: false });
    await expect(program.run({ a: floats([], [2, 0]), b: floats([], [3, 0]) })).rejects.toThrow('Size n is 0');
  });

  it('runs with changing sizes, ignores feeds that nothing needs and needs no input that nothing uses', async () => {
    const graph = new Graph();
    const x = graph.input('x', 'float32', ['n']);
    graph.input('unused', 'float32', ['n']);
    await using program = await engine.compile(graph, { total: reduceSum(x) }, { prepack: false });
    for (const n of [1, 5, 0, 3]) {
      const result = await program.run({ x: floats(Array<number>(n).fill(2)), other: floats([1]) });
      expect(result.array('total')).toEqual({ data: Float32Array.of(2 * n), shape: [] });
    }
  });

  it('has outputs of any name, an input itself among them', async () => {
    const graph = new Graph();
    const x = graph.input('x', 'float32', [2]);
    const doubled = mul(x, 2);
    await using program = await engine.compile(graph, { x: doubled, mul: x, same: doubled }, { prepack: false });
    const found = await program.run({ x: floats([1, 2]) });
    expect(['x', 'mul', 'same'].map((name) => found.floats(name))).toEqual(
      [
        [2, 4],
        [1, 2],
        [2, 4],
      ].map((v) => Float32Array.from(v)),
    );
  });

  it('sums 1,000 updates of 10 rows exactly and the same each time', async () => {
    const graph = new Graph();
    const table = graph.input('table', 'float32', [10, 3]);
    const at = graph.input('at', 'int64', ['n']);
    const weights = graph.input('weights', 'float32', ['n', 3]);
    const [derivative] = gradients(reduceSum(mul(gather(table, at), weights)), [table]) as [Tensor];
    const rows = Array.from({ length: 1000 }, (_, n) => (n * n * 7 + 3 * n) % 10);
    const values = Array.from({ length: 3000 }, (_, n) => ((n * 37) % 201) - 100);
    const feeds = {
      table: floats(Array<number>(30).fill(0), [10, 3]),
      at: { data: BigInt64Array.from(rows, BigInt), shape: [1000] },
      weights: floats(values, [1000, 3]),
    };
    const expected = new Float64Array(30);
    values.forEach((value, n) => {
      const place = (rows[Math.floor(n / 3)] as number) * 3 + (n % 3);
      expected[place] = (expected[place] as number) + value;
    });
    await using program = await engine.compile(graph, { derivative }, { prepack: false });
    for (let repeat = 0; repeat < 5; repeat++) {
      const result = await program.run(feeds);
      expect(Float64Array.from(result.floats('derivative'))).toEqual(expected);
    }
  });
});

describe('weights', () => {
  const file = join(folder, 'weights.bin');
  writeFileSync(file, Buffer.concat([Buffer.alloc(12), Buffer.from(Float32Array.of(1, 2, 3, 4, 5, 6).buffer)]));

  it.each([true, false])(
    'are read from a slice of their file (prepacked: %s), and nothing stays beside them',
    async (prepack) => {
      const graph = new Graph();
      const x = graph.input('x', 'float32', [1, 2]);
      const w = graph.weight('w', { file, offset: 12, length: 24, shape: [3, 2] });
      expect(graph.weight('w', { file, offset: 12, length: 24, shape: [3, 2] })).toBe(w);
      const outputs = { y: matmul(x, w, { transB: true }) };
      const feeds = { x: floats([1, 10], [1, 2]) };
      await using program = await engine.compile(graph, outputs, { prepack });
      const found = (await program.run(feeds)).array('y');
      expect(found).toEqual({ data: Float32Array.of(21, 43, 65), shape: [1, 3] });
      expect(interpret(graph, outputs, feeds)['y']?.data).toEqual(Float64Array.of(21, 43, 65));
      expect(readdirSync(folder)).toEqual(['weights.bin']);
    },
  );

  it('must have as many bytes as their shape needs', () => {
    const slice = { file, offset: 0, length: 20, shape: [3, 2] };
    expect(() => new Graph().weight('w', slice)).toThrow(
      /Weight w \[3,2\]: 24 bytes, but its slice of .*weights.bin has 20/,
    );
  });

  it('that end before their slice does are an error that names the file', async () => {
    const graph = new Graph();
    const outputs = { y: mul(graph.weight('w', { file, offset: 16, length: 24, shape: [3, 2] }), 1) };
    await expect(engine.compile(graph, outputs, { prepack: false })).rejects.toThrow(
      `Expected weight w at bytes 16 to 40 of ${file}, got a file of 36 bytes`,
    );
    expect(() => interpret(graph, outputs, {})).toThrow(/weights.bin: expected 24 bytes at 16, got 20/);
    expect(readdirSync(folder)).toEqual(['weights.bin']);
  });
});

describe('sessions', () => {
  it('are counted, alive and made, and released once', async () => {
    const counted = new Engine({ provider: 'cpu', threads: 1 });
    const graph = new Graph();
    const y = mul(graph.input('x', 'float32', [2]), 2);
    const first = await counted.compile(graph, { y }, { prepack: false });
    const second = await counted.compile(graph, { y }, { prepack: false });
    expect(counted.sessions).toEqual({ live: 2, created: 2 });
    await first[Symbol.asyncDispose]();
    await first[Symbol.asyncDispose]();
    expect(counted.sessions).toEqual({ live: 1, created: 2 });
    await second[Symbol.asyncDispose]();
    expect(counted.sessions).toEqual({ live: 0, created: 2 });
  });
});

describe('kept sessions', () => {
  const doubled = (factor = 2) => {
    const graph = new Graph();
    return { graph, outputs: { y: mul(graph.input('x', 'float32', ['n']), factor) } };
  };
  const options = { prepack: false, keep: true };
  const run = async (program: Program, x: number) => {
    const result = await program.run({ x: { data: Float32Array.of(x), shape: [1] } });
    return result.floats('y')[0];
  };

  it('serve all that ask for the same graph, until the engine goes', async () => {
    const kept = new Engine({ provider: 'cpu', threads: 1 });
    const [a, b] = [doubled(), doubled()];
    const [first, second] = await Promise.all([
      kept.compile(a.graph, a.outputs, options),
      kept.compile(b.graph, b.outputs, options),
    ]);
    await first[Symbol.asyncDispose]();
    expect(await run(second, 3)).toBe(6);
    await second[Symbol.asyncDispose]();
    const c = doubled();
    expect(await run(await kept.compile(c.graph, c.outputs, options), 4)).toBe(8);
    const d = doubled(5);
    expect(await run(await kept.compile(d.graph, d.outputs, options), 4)).toBe(20);
    expect(kept.sessions).toEqual({ live: 2, created: 2 });
    await kept[Symbol.asyncDispose]();
    expect(kept.sessions).toEqual({ live: 0, created: 2 });
  });

  it('hold no frozen weights', async () => {
    const graph = new Graph();
    const outputs = { y: mul(graph.weight('w', { file: '-', offset: 0, length: 8, shape: [2] }), 1) };
    await expect(engine.compile(graph, outputs, options)).rejects.toThrow('frozen');
  });
});

describe('threadsFor', () => {
  const chain = (size: number, fed: boolean): Graph => {
    const graph = new Graph();
    const w = fed
      ? graph.input('w', 'float32', [size, size])
      : graph.weight('w', { file: '-', offset: 0, length: 4 * size * size, shape: [size, size] });
    let x = graph.input('x', 'float32', ['rows', size]);
    for (let n = 0; n < 10; n++) x = mul(matmul(x, w), 2);
    return graph;
  };

  it('gives a model of small operators one thread, whether its weights are frozen or trained', () => {
    expect([threadsFor(chain(96, false)), threadsFor(chain(96, true))]).toEqual([1, 1]);
  });

  it('leaves larger models, and graphs without weights, to the runtime', () => {
    expect([threadsFor(chain(576, false)), threadsFor(chain(576, true))]).toEqual([undefined, undefined]);
    const graph = new Graph();
    mul(graph.input('x', 'float32', ['size']), 2);
    expect(threadsFor(graph)).toBeUndefined();
  });
});
