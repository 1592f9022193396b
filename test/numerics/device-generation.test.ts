// Generation with weights and cache on the device -> equal completions, and what crosses.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Completion, GenerateRequest } from '../../src/backend.ts';
import { Engine, type Provider } from '../../src/engine/runtime/session.ts';
import { generate } from '../../src/inference/generate.ts';
import type { KvCache } from '../../src/inference/kv-cache.ts';
import { DeviceKvCache } from '../../src/inference/kv-caches/device.ts';
import { completionLogps } from '../../src/inference/logps.ts';
import { Scheduler } from '../../src/inference/scheduler.ts';
import { openTiny, type TinyModel } from '../tiny-model.ts';

const provider = (process.env['SIPF_TEST_PROVIDER'] ?? 'cpu') as Provider;
const reference = new Engine({ provider: 'cpu', threads: 1 });
const engine = new Engine({ provider, threads: 1 });
let host: TinyModel;
let tiny: TinyModel;
beforeAll(async () => {
  host = await openTiny(reference, 'models/llama');
  tiny = await openTiny(engine, 'models/llama');
});
afterAll(async () => {
  for (const model of [host, tiny]) await model[Symbol.asyncDispose]();
  expect([engine.liveArrays, reference.liveArrays]).toEqual([0, 0]);
  for (const each of [engine, reference]) await each[Symbol.asyncDispose]();
  expect(engine.sessions.live).toBe(0);
});

const deviceCache = (slots: number) => new DeviceKvCache(engine, tiny.model.config, slots);

const tokens = (seed: number, length: number) =>
  Array.from({ length }, (_, i) => 3 + ((seed * 7919 + i * i * 31) % 500));

/** Shared and unshared contexts of many lengths. */
const requests: GenerateRequest[] = Array.from({ length: 6 }, (_, n) => ({
  id: `${n}`,
  context: [[...tokens(n % 2, 12), ...tokens(n, 1 + 7 * (n % 4))]],
  key: `key ${n}`,
  sampling: { temperature: n % 3, maxTokens: 2 + n, ignoreEos: true },
}));

async function complete(model: TinyModel, cache: KvCache): Promise<Completion[]> {
  const completions: Completion[] = [];
  let continued = false;
  await generate({ ...model, cache }, requests, (finished) => {
    completions.push(...finished);
    if (continued) return [];
    continued = true;
    // They continue what a slot has computed.
    return finished.map(({ id, tokenIds }) => {
      const request = requests[Number(id)] as GenerateRequest;
      return { ...request, id: `${id}+`, key: `${id}+`, context: [...request.context, tokenIds ?? []] };
    });
  });
  return completions.sort((a, b) => a.id.localeCompare(b.id));
}

describe(`with the cache on the device, on ${provider}`, () => {
  it('completions are those of the cache in main memory', async () => {
    using own = host.cache(3);
    using cache = deviceCache(3);
    const expected = await complete(host, own);
    const found = await complete(tiny, cache);
    expect(found.map(({ id, tokenIds, text }) => [id, tokenIds, text])).toEqual(
      expected.map(({ id, tokenIds, text }) => [id, tokenIds, text]),
    );
    for (const [n, { logps }] of found.entries()) {
      for (const [i, logp] of (logps ?? []).entries())
        expect(Math.abs((logp as number) - (expected[n]?.logps?.[i] as number))).toBeLessThan(1e-4);
    }
    const items = found.map(({ id, tokenIds }) => ({
      context: requests[Number.parseInt(id, 10)]?.context ?? [],
      completion: tokenIds ?? [],
    }));
    const [first] = await completionLogps(tiny, items);
    for (const [i, logp] of (first ?? []).entries())
      expect(Math.abs((logp as number) - (found[0]?.logps?.[i] as number))).toBeLessThan(1e-4);
  });

  it('token ids, places and uniforms go to it in a decode step, and token ids and log-probabilities come from it', async () => {
    const SLOTS = 4;
    using cache = deviceCache(SLOTS);
    using scheduler = new Scheduler({ ...tiny, cache });
    scheduler.submit(requests.slice(1, 4).map((each) => ({ ...each, sampling: { ...each.sampling, maxTokens: 9 } })));
    await scheduler.step();
    for (let step = 0; step < 3; step++) {
      const before = engine.traffic;
      await scheduler.step();
      const { toDevice, fromDevice } = engine.traffic;
      // int64: id, position. float32: temperature, uniform, suppress, and where the cache takes the new row.
      expect(toDevice - before.toDevice).toBe(SLOTS * (8 + 8 + 4 * 4));
      // int64: id. float32: log-probability.
      expect(fromDevice - before.fromDevice).toBe(SLOTS * (8 + 4));
    }
  });
});
