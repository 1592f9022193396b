// Many units of work one after another -> memory and sessions stay as they are.
import { expect, it } from 'vitest';
import { Engine } from '../../src/engine/runtime/session.ts';
import { generate } from '../../src/inference/generate.ts';
import { completionLogps } from '../../src/inference/logps.ts';
import { memoryInUse } from '../memory-in-use.ts';
import { sized } from '../tier.ts';
import { openTiny } from '../tiny-model.ts';

const UNITS = sized(160, 400);
const MEBIBYTE = 2 ** 20;
/** Growth that allocator and compiler may make: 15 KiB a unit of 400. */
const BOUND_MB = 6;

it(`${UNITS} generations leave the resident memory flat and make no session`, async () => {
  const engine = new Engine({ provider: 'cpu', threads: 1 });
  await using tiny = await openTiny(engine, 'models/llama');
  const cache = tiny.cache(8);
  const unit = async (n: number) => {
    const requests = Array.from({ length: 6 }, (_, i) => ({
      id: `${i}`,
      context: [Array.from({ length: 5 + ((n * 7 + i * 13) % 60) }, (_, t) => 3 + ((t * 11 + n + i) % 500))],
      key: `${n}/${i}`,
      sampling: { temperature: 1, maxTokens: 10 },
    }));
    await generate({ ...tiny, cache }, requests, () => []);
    if (n % 10 === 0) await completionLogps(tiny, [{ context: [[5, 6]], completion: [7, 8, 9] }]);
  };
  /** Median of what is held over `UNITS` units from `first` on, in MiB. */
  const held = async (first: number) => {
    const samples: number[] = [];
    for (let n = 0; n < UNITS; n++) {
      await unit(first + n);
      if (n % 10 === 0) samples.push(memoryInUse() / MEBIBYTE);
    }
    return samples.sort((a, b) => a - b)[samples.length / 2] as number;
  };
  // Until every shape that occurs has been seen, the allocator and the compiler still grow.
  for (let n = 0; n < UNITS; n++) await unit(n);
  const { created } = engine.sessions;
  const before = await held(UNITS);
  const after = await held(2 * UNITS);
  expect(after - before).toBeLessThan(BOUND_MB);
  expect(engine.sessions.created).toBe(created);
});
