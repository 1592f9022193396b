// An engine -> the best rate of a large float32 matrix product: the yardstick of speed figures.
import { matmul, reduceMax } from '#sipf/engine/build.js';
import { Graph } from '#sipf/engine/graph.js';
import type { Engine } from '#sipf/engine/runtime/session.js';
import { throwIfAborted } from '#sipf/errors.js';

const SIZE = 1024;
/** Products after each other in one run, so that calling the runtime costs nothing beside them. */
const CHAIN = 8;
const RUNS = 12;

/** GFLOPS of the fastest of several runs of chained 1,024 x 1,024 products. */
export async function measureGemmPeak(engine: Engine, signal?: AbortSignal): Promise<number> {
  const graph = new Graph();
  const a = graph.input('a', 'float32', ['size', SIZE]);
  const b = graph.input('b', 'float32', [SIZE, SIZE]);
  let product = a;
  for (let n = 0; n < CHAIN; n++) product = matmul(product, b);
  await using program = await engine.compile(graph, { largest: reduceMax(product) }, { prepack: true });
  const data = new Float32Array(SIZE * SIZE).fill(1 / SIZE);
  const feeds = { a: { data, shape: [SIZE, SIZE] }, b: { data, shape: [SIZE, SIZE] } };
  await program.run(feeds);
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < RUNS; run++) {
    throwIfAborted(signal);
    const start = performance.now();
    await program.run(feeds);
    best = Math.min(best, performance.now() - start);
  }
  return (CHAIN * 2 * SIZE ** 3) / (best * 1e6);
}
