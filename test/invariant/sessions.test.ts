// Whole smoke runs on the engine -> few sessions, and nothing is left when the backend goes.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createInProcessBackend } from '../../src/backends/local/in-process.ts';
import { loadConfig } from '../../src/config/load.ts';
import { Engine } from '../../src/engine/runtime/session.ts';
import { runLoop } from '../../src/pipeline/run-loop.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-sessions-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Sessions that a run of the smoke preset makes. */
async function sessionsOf(name: string, flags: Record<string, unknown>): Promise<number> {
  const engine = new Engine({ provider: 'cpu', threads: 1 });
  const backend = createInProcessBackend({ provider: 'cpu', cache: join(folder, 'cache') }, engine);
  const config = await loadConfig({ preset: 'smoke', flags });
  await runLoop({ config, out: join(folder, name), backend });
  const { created } = engine.sessions;
  await backend[Symbol.asyncDispose]();
  expect(engine.sessions).toEqual({ live: 0, created });
  expect(engine.liveArrays).toBe(0);
  return created;
}

it('as many in three rounds as in two, and few', async () => {
  const two = await sessionsOf('two', { iterations: 2 });
  expect(two).toBeLessThanOrEqual(20);
  expect(await sessionsOf('three', { iterations: 3 })).toBe(two);
});

it('few with adapters, truncated sampling, other optimizers and the control', async () => {
  const lora = { rank: 2, alpha: 4, dropout: 0.1, targets: 'all-linear' };
  const created = await sessionsOf('many', {
    sampling: { topP: 0.9 },
    labels: { topK: 5 },
    prm: { train: { lora, betas: [0.9, 0.95] } },
    align: { train: { lora, betas: [0.9, 0.98], learningRate: 3e-3 } },
    evaluate: { control: 'continued-sft' },
  });
  expect(created).toBeLessThanOrEqual(20);
});
