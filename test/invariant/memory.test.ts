// Many training and generation runs of changing shapes -> the process's memory stays where it was.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Engine, type HostArray, type Program } from '../../src/engine/runtime/session.ts';
import { memoryInUse } from '../memory-in-use.ts';
import { sized } from '../tier.ts';
import {
  generationFeeds,
  generationGraph,
  layOut,
  SMALL,
  trainingFeeds,
  trainingGraph,
  writeWeights,
} from './small-decoder.ts';

const folder = mkdtempSync(join(tmpdir(), 'sipf-memory-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const slices = layOut(SMALL, join(folder, 'weights.bin'));
writeWeights(slices);

const RUNS = sized(400, 1000);
const CYCLES = sized(75, 150);
/** Growth over the last two thirds that the allocator's moods may make: 12 KB a run of 1,000. */
const BOUND_MB = 8;

/** Least-squares growth of what is held over the last two thirds of the runs, in MB. */
function growth(samples: readonly number[]): number {
  const late = samples.slice(Math.floor(samples.length / 3));
  const [meanX, meanY] = [(late.length - 1) / 2, late.reduce((a, b) => a + b, 0) / late.length];
  const [top, bottom] = late.reduce(
    ([t, b], y, x) => [t + (x - meanX) * (y - meanY), b + (x - meanX) ** 2],
    [0, 0],
  ) as [number, number];
  return ((top / bottom) * late.length) / 2 ** 20;
}

async function measure(program: Program, feeds: readonly Record<string, HostArray>[]): Promise<number> {
  const samples: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    await program.run(feeds[run % feeds.length] as Record<string, HostArray>);
    if (run % 10 === 0) samples.push(memoryInUse());
  }
  return growth(samples);
}

describe('resident memory', () => {
  const engine = new Engine({ provider: 'cpu', threads: 1 });

  it(`is flat over ${RUNS} forward and backward runs`, async () => {
    const built = trainingGraph(SMALL, slices, 4);
    await using program = await engine.compile(built.graph, built.outputs, { prepack: false });
    expect(await measure(program, [trainingFeeds(SMALL, built, 64)])).toBeLessThan(BOUND_MB);
  });

  it(`is flat over ${RUNS} generation runs of 20 shapes`, async () => {
    const { graph, outputs } = generationGraph(SMALL, slices);
    await using program = await engine.compile(graph, outputs, { prepack: true });
    const feeds = [1, 3, 8, 17, 32].flatMap((batch) =>
      [0, 16, 64, 192].map((past) => generationFeeds(SMALL, batch, past)),
    );
    expect(await measure(program, feeds)).toBeLessThan(BOUND_MB);
    expect(engine.sessions.created).toBe(2);
  });

  it('settles over sessions that are made and released, pre-packed and mapped', async () => {
    const before = engine.sessions.created;
    for (const prepack of [false, true]) {
      const samples: number[] = [];
      for (let cycle = 0; cycle < CYCLES; cycle++) {
        const { graph, outputs } = generationGraph(SMALL, slices);
        await using program = await engine.compile(graph, outputs, { prepack });
        await program.run(generationFeeds(SMALL, 3, 16));
        samples.push(memoryInUse());
      }
      expect(growth(samples)).toBeLessThan(BOUND_MB);
    }
    expect(engine.sessions).toEqual({ live: 0, created: before + 2 * CYCLES });
  });

  it('would show a leak, and not what is taken once', () => {
    const runs = Array.from({ length: RUNS }, (_, run) => run);
    expect(growth(runs.map((run) => 2e8 + run * (15e6 / RUNS)))).toBeGreaterThan(BOUND_MB);
    expect(growth(runs.map((run) => 2e8 + Math.min(run, 0.3 * RUNS) * 1e5))).toBeLessThan(1);
  });
});
