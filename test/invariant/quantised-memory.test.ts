// Many quantised products, forward and backward -> memory of one unpacked matrix, not of all.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { gradients } from '../../src/engine/backward.ts';
import { mul, quantisedMatmul, reduceSum, tanh } from '../../src/engine/build.ts';
import { Graph, type Tensor } from '../../src/engine/graph.ts';
import { PACKINGS, type Packing } from '../../src/engine/ops/quantised.ts';
import { Engine } from '../../src/engine/runtime/session.ts';
import { memoryInUse } from '../memory-in-use.ts';

const folder = mkdtempSync(join(tmpdir(), 'sipf-quantised-memory-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const [LAYERS, WIDTH] = [48, 1024];
/** Of all matrices. */
const FLOAT32_BYTES = LAYERS * WIDTH * WIDTH * 4;

/** A matrix in a file of its own, as the runtime takes equal weights for one. */
function matrixIn(graph: Graph, packing: Packing, layer: number) {
  const { dtype, packed: bytesOf, scales: scalesOf } = PACKINGS[packing];
  const [shape, units] = [bytesOf(WIDTH, WIDTH), Number(scalesOf(WIDTH, WIDTH)[0])];
  const bytes = shape.reduce((product, n) => product * n, dtype === 'float16' ? 2 : 1);
  const file = join(folder, `${packing}-${layer}.bin`);
  writeFileSync(
    file,
    Buffer.concat([
      Buffer.from(new Float32Array(units).fill(1e-3 / (layer + 1)).buffer),
      Buffer.alloc(bytes, layer + 1),
    ]),
  );
  const packed = { file, offset: 4 * units, length: bytes, shape };
  return {
    packing,
    shape: [WIDTH, WIDTH],
    packed: graph.weight(`packed${layer}`, packed, dtype),
    scales: graph.weight(`scales${layer}`, { file, offset: 0, length: 4 * units, shape: [units] }),
  } as const;
}

it.each(Object.keys(PACKINGS) as Packing[])('%s', async (packing) => {
  const graph = new Graph();
  const x = graph.input('x', 'float32', ['rows', WIDTH]);
  let y: Tensor = x;
  for (let layer = 0; layer < LAYERS; layer++) {
    const matrix = matrixIn(graph, packing, layer);
    y = graph.recompute(() => tanh(quantisedMatmul(y, matrix, { transB: true })));
  }
  const loss = reduceSum(mul(y, y));
  const [dx] = gradients(loss, [x]);
  await using engine = new Engine({ provider: 'cpu', threads: 1 });
  const before = memoryInUse();
  await using program = await engine.compile(graph, { loss, dx: dx as Tensor }, { prepack: false });
  const rows = { data: new Float32Array(4 * WIDTH).fill(0.1), shape: [4, WIDTH] };
  for (let run = 0; run < 2; run++) await program.run({ x: rows });
  // The runtime keeps what its largest run took.
  expect(memoryInUse() - before).toBeLessThan(0.7 * FLOAT32_BYTES);
});
