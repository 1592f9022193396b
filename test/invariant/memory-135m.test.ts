// LoRA steps at the sizes of SmolLM2-135M, random weights -> memory is flat and below a bound.
// In `npm run test:all` alone: about a minute, 5 GB.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Engine } from '../../src/engine/runtime/session.ts';
import { isFull } from '../tier.ts';
import { layOut, llamaOf, trainingFeeds, trainingGraph, writeWeights } from './small-decoder.ts';

const config = llamaOf({ vocab: 49_152, hidden: 576, intermediate: 1536, layers: 30, heads: 9, kvHeads: 3 });
const TOKENS = 1024;
const STEPS = 6;

describe.skipIf(!isFull)('135M shapes, LoRA of rank 16, 1,024 tokens a step', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sipf-memory-135m-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('hold their memory from the second step on', { timeout: 600_000 }, async () => {
    const slices = layOut(config, join(folder, 'weights.bin'));
    writeWeights(slices);
    const built = trainingGraph(config, slices, 16);
    const engine = new Engine({ provider: 'cpu' });
    const started = performance.now();
    await using program = await engine.compile(built.graph, built.outputs, { prepack: false });
    console.log(`${built.graph.nodes.length} nodes, session in ${Math.round(performance.now() - started)} ms`);
    const feeds = trainingFeeds(config, built, TOKENS);
    const resident: number[] = [];
    for (let step = 0; step < STEPS; step++) {
      const before = performance.now();
      const loss = (await program.run(feeds)).floats('loss')[0] as number;
      const seconds = (performance.now() - before) / 1000;
      resident.push(process.memoryUsage.rss() / 2 ** 20);
      console.log(
        `step ${step}: loss ${loss.toFixed(4)}, ${Math.round(TOKENS / seconds)} tok/s, RSS ${Math.round(resident.at(-1) as number)} MB`,
      );
      expect(Number.isFinite(loss)).toBe(true);
    }
    expect(Math.abs((resident.at(-1) as number) - (resident[1] as number))).toBeLessThan(64);
    expect(Math.max(...resident)).toBeLessThan(6 * 1024);
  });
});
