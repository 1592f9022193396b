// A quantised model in half precision on a device -> what float32 gives on the CPU; or the refusal.
// SIPF_TEST_PROVIDER=webgpu: SwiftShader has no half precision, Mesa's lavapipe (from version 24 on) has.
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import type { Completion } from '../../src/backend.ts';
import { openBackend } from '../../src/backends/index.ts';
import { openInProcessPolicy } from '../../src/backends/local/in-process-policy.ts';
import { Engine, type Provider } from '../../src/engine/runtime/session.ts';
import { makeModelFolder } from '../model-folder.ts';
import { cache, fixtures, relativeError, scratch } from '../training-fixtures.ts';

const provider = (process.env['SIPF_TEST_PROVIDER'] ?? 'cpu') as Provider;
const gemma = 'architectures/gemma';
const source = {
  model: await makeModelFolder(scratch, { from: gemma }),
  adapter: join(fixtures, gemma, 'adapter'),
};
/** 11 bits, and sums in it. */
const TOLERANCE = 1e-2;
const reference = new Engine({ provider: 'cpu', threads: 1 });
afterAll(() => reference[Symbol.asyncDispose]());

async function drawn(engine: Engine): Promise<{ ids: (readonly number[] | null)[]; logps: number[] }> {
  await using policy = await openInProcessPolicy(engine, source, { cache, slots: 2, quantisation: 'int4' });
  const completions: Completion[] = [];
  const requests = ['one two', 'Tom has 3 apples.'].map((context, n) => ({
    id: `${n}`,
    context: [context],
    key: `${n}`,
    sampling: { temperature: 0, maxTokens: 8, ignoreEos: true },
  }));
  await policy.generate(requests, (group) => {
    completions.push(...group);
    return [];
  });
  completions.sort((a, b) => a.id.localeCompare(b.id));
  const logps = completions.flatMap((each) => (each.logps ?? []).map(Number));
  return { ids: completions.map(({ tokenIds }) => tokenIds), logps };
}

it.runIf(provider === 'cpu')('is refused on the CPU', async () => {
  const refusal = { code: 'unsupported', message: expect.stringContaining('engine.precision float32') };
  expect(() => new Engine({ provider, precision: 'float16' })).toThrow(expect.objectContaining(refusal));
  await expect(openBackend({ provider, precision: 'float16' })).rejects.toMatchObject(refusal);
});

it.runIf(provider !== 'cpu')('draws what float32 draws, with a cache of half the size; or is refused', async () => {
  await using engine = new Engine({ provider, precision: 'float16', threads: 1 });
  const found = await drawn(engine).catch((thrown: unknown) => thrown);
  if (found instanceof Error) {
    expect(found).toMatchObject({ code: 'unsupported', message: expect.stringContaining('shader-f16') });
    return;
  }
  const expected = await drawn(reference);
  expect(found).toMatchObject({ ids: expected.ids });
  const { logps } = found as typeof expected;
  expect(relativeError(logps, expected.logps)).toBeLessThan(TOLERANCE);
  // The numbers are not those of float32, so that this did compare two precisions.
  expect(relativeError(logps, expected.logps)).toBeGreaterThan(1e-6);
});
