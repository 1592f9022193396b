// Graphs of 2B shapes: built, serialised and opened on a sparse file, never fed.
import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { serialise } from '../../src/engine/runtime/onnx.ts';
import { Engine } from '../../src/engine/runtime/session.ts';
import { layOut, llamaOf, trainingGraph } from '../invariant/small-decoder.ts';

/** Gemma-2B's sizes; its embedding table alone is 2.1 GB in float32. */
const GEMMA_2B = llamaOf({ vocab: 256_000, hidden: 2048, intermediate: 16_384, layers: 18, heads: 8, kvHeads: 1 });

describe('a LoRA training graph of 2B shapes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sipf-large-shapes-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'weights.bin');
  const slices = layOut(GEMMA_2B, file);
  const bytes = [...slices.values()].reduce((end, { offset, length }) => Math.max(end, offset + length), 0);
  const built = trainingGraph(GEMMA_2B, slices, 16);

  it('is a small model file beside 10 GB of weights', () => {
    expect(bytes).toBeGreaterThan(9.9e9);
    const serialised = serialise(built.graph, built.outputs, { provider: 'cpu', locate: () => 'weights' });
    expect(serialised.bytes.length).toBeLessThan(4 << 20);
    expect(serialised.inputs).toHaveLength(built.graph.inputs.length);
  });

  it('opens over weights that are mapped, not read', async () => {
    writeFileSync(file, '');
    truncateSync(file, bytes);
    const before = process.memoryUsage.rss();
    const engine = new Engine({ provider: 'cpu', threads: 1 });
    await using program = await engine.compile(built.graph, built.outputs, { prepack: false });
    expect(program).toBeDefined();
    expect(process.memoryUsage.rss() - before).toBeLessThan(512 << 20);
    expect(statSync(file).blocks * 512).toBeLessThan(1 << 20);
  });
});
