// Every op and its gradient on the provider (SIPF_TEST_PROVIDER) -> the float64 reference.
// SIPF_TEST_PROVIDER and SIPF_TEST_PRECISION: other than cpu and float32; SIPF_TEST_PART: some cases.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { cast } from '../../src/engine/build.ts';
import { Graph } from '../../src/engine/graph.ts';
import { Engine, type HostArray, type Precision, type Provider } from '../../src/engine/runtime/session.ts';
import {
  type Built,
  generationFeeds,
  generationGraph,
  layOut,
  SMALL,
  trainingFeeds,
  trainingGraph,
  writeWeights,
} from '../invariant/small-decoder.ts';
import { interpret } from '../reference/reference.ts';
import { CASES } from './engine-cases.ts';
import { assemble, relativeError, titleOf } from './engine-suite.ts';

const provider = (process.env['SIPF_TEST_PROVIDER'] ?? 'cpu') as Provider;
const precision = (process.env['SIPF_TEST_PRECISION'] ?? 'float32') as Precision;
/** WGSL promises 2^-11 for sines; only dropout's hash uses them. */
const TOLERANCE: Readonly<Record<Provider, (op: string) => number>> = {
  cpu: () => 1e-5,
  webgpu: (op) => (op === 'sin' ? 1e-3 : 1e-4),
};
/** What the provider cannot do is refused before it runs. */
const REFUSED: Readonly<Record<Provider, Readonly<Record<string, string>>>> = {
  cpu: {},
  webgpu: { 'matmul: no inner size': 'Size past is 0' },
};

/** Of products in half precision: 11 bits, and sums in it. */
const HALF_TOLERANCE = 1e-2;

const toleranceOf = (op: string): number =>
  op === 'quantisedMatmul' && precision === 'float16' ? HALF_TOLERANCE : TOLERANCE[provider](op);

/** Whether the device computes in half precision; SwiftShader does not, Mesa's lavapipe does. */
async function hasHalves(engine: Engine): Promise<boolean> {
  const graph = new Graph();
  const x = graph.input('x', 'float32', ['n']);
  const y = cast(cast(x, 'float16'), 'float32');
  await using program = await engine.compile(graph, { y }, { prepack: false });
  const run = program.run({ x: { data: Float32Array.of(1), shape: [1] } });
  return await run.then(
    () => true,
    () => false,
  );
}

/** `1/4`: the first of four parts. */
const [part, parts] = (process.env['SIPF_TEST_PART'] ?? '1/1').split('/').map(Number) as [number, number];
const cases = CASES.filter((_, n) => n % parts === part - 1);

describe(`ops on ${provider}`, () => {
  const engine = new Engine({ provider, precision, threads: 1 });

  it.each(cases.map((each) => [titleOf(each), each] as const))('%s', async (title, each) => {
    const { graph, outputs, feeds } = assemble(each);
    const expected = interpret(graph, outputs, feeds);
    await using program = await engine.compile(graph, outputs, { prepack: false });
    const lacksHalves = title.startsWith('quantisedMatmul: float16') && !(await hasHalves(engine));
    const refusal = lacksHalves ? 'got one that does not' : REFUSED[provider][title];
    if (refusal) return await expect(program.run(feeds)).rejects.toThrow(refusal);
    const found = await program.run(feeds);
    for (const [name, { data, shape }] of Object.entries(expected)) {
      expect(found.array(name).shape, name).toEqual(shape);
      const result = found.array(name).data;
      if (data instanceof Float64Array) {
        expect(result).toBeInstanceOf(Float32Array);
        // The loss is a sum of terms of both signs: its error is against their size.
        expect(
          relativeError(result, data, name === 'loss' ? 1 : 1e-3),
          `${name}: ${result} against ${data}`,
        ).toBeLessThan(toleranceOf(each.op));
      } else {
        expect(result, name).toEqual(data);
      }
    }
  });
});

describe.runIf(part === 1)(`a decoder on ${provider}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'sipf-engine-provider-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const slices = layOut(SMALL, join(folder, 'weights.bin'));
  writeWeights(slices);
  const engine = new Engine({ provider, threads: 1 });

  async function compare({ graph, outputs }: Built, feeds: Record<string, HostArray>): Promise<void> {
    await using program = await engine.compile(graph, outputs, { prepack: false });
    const found = await program.run(feeds);
    const expected = interpret(graph, outputs, feeds);
    for (const [name, { data, shape }] of Object.entries(expected)) {
      expect(found.array(name).shape, name).toEqual(shape);
      expect(relativeError(found.floats(name), data as Float64Array), name).toBeLessThan(1e-4);
    }
  }

  it('has the reference’s loss and LoRA gradients', async () => {
    const built = trainingGraph(SMALL, slices, 4);
    await compare(built, trainingFeeds(SMALL, built, 12));
  });

  it('has the reference’s next-token logits after a cache', async () => {
    await compare(generationGraph(SMALL, slices), generationFeeds(SMALL, 3, 7));
  });
});
