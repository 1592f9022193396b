// One queue over slots -> the same texts whenever requests come and whatever is cancelled.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Completion, DrawnToken, GenerateRequest, SamplingOptions } from '../../src/backend.ts';
import { Engine } from '../../src/engine/runtime/session.ts';
import { generate } from '../../src/inference/generate.ts';
import type { KvCache } from '../../src/inference/kv-cache.ts';
import { Scheduler } from '../../src/inference/scheduler.ts';
import { openTiny, type TinyModel } from '../tiny-model.ts';

const engine = new Engine({ provider: 'cpu', threads: 1 });
let tiny: TinyModel;
beforeAll(async () => {
  tiny = await openTiny(engine, 'models/llama');
});
afterAll(async () => {
  await tiny[Symbol.asyncDispose]();
  await engine[Symbol.asyncDispose]();
  expect(engine.sessions.live).toBe(0);
});

const tokens = (seed: number, length: number) => Array.from({ length }, (_, i) => 3 + ((seed * 7919 + i * 31) % 500));

function request(id: string, length = 8, sampling: Partial<SamplingOptions> = {}): GenerateRequest {
  const context = [tokens(id.length + id.charCodeAt(0), length)];
  return { id, context, key: `key ${id}`, sampling: { temperature: 1, maxTokens: 12, ignoreEos: true, ...sampling } };
}

const requests = [...'abcdefgh'].map((id, n) =>
  request(id, 3 + 9 * n, { maxTokens: 4 + 3 * n, temperature: n % 3 === 0 ? 0 : 1 }),
);

/** Steps until nothing is left. */
async function drain(scheduler: Scheduler): Promise<Completion[]> {
  const finished: Completion[] = [];
  while (scheduler.busy) finished.push(...(await scheduler.step()));
  return finished;
}

const textsOf = (completions: readonly Completion[]) =>
  Object.fromEntries(completions.map(({ id, text }) => [id, text]).sort());

const lengthsOf = (cache: KvCache) => Array.from({ length: cache.slots }, (_, slot) => cache.length(slot));

/** Each request in a unit of its own. */
async function alone(some: readonly GenerateRequest[]): Promise<Record<string, string>> {
  const finished: Completion[] = [];
  for (const one of some) {
    await generate({ ...tiny, cache: tiny.cache(1) }, [one], (group) => {
      finished.push(...group);
      return [];
    });
  }
  return textsOf(finished);
}

describe('texts', () => {
  it('do not depend on when requests come', async () => {
    const expected = await alone(requests);
    using scheduler = new Scheduler({ ...tiny, cache: tiny.cache(3) });
    const finished: Completion[] = [];
    const waiting = [...requests].reverse();
    for (let step = 0; scheduler.busy || waiting.length > 0; step++) {
      // Every second request comes while a step is running.
      if (step % 2 === 0) scheduler.submit(waiting.splice(0, 1));
      const running = scheduler.step();
      if (step % 2 === 1) scheduler.submit(waiting.splice(0, 1));
      finished.push(...(await running));
    }
    expect(textsOf(finished)).toEqual(expected);
  });

  it('do not depend on what is cancelled, which frees its slot', async () => {
    const cache = tiny.cache(3);
    using scheduler = new Scheduler({ ...tiny, cache });
    const expected = await alone(requests.filter(({ id }) => !['b', 'c', 'h'].includes(id)));
    scheduler.submit(requests);
    await scheduler.step();
    // `b` is drawing, `h` waits, and `c` is cancelled while a step runs.
    expect(lengthsOf(cache).every((length) => length > 0)).toBe(true);
    scheduler.cancel('b');
    scheduler.cancel('h');
    const running = scheduler.step();
    scheduler.cancel('c');
    const finished = [...(await running), ...(await drain(scheduler))];
    expect(textsOf(finished)).toEqual(expected);
    expect(await scheduler.step()).toEqual([]);
    expect(lengthsOf(cache)).toEqual([0, 0, 0]);
  });

  it('stream token by token to those who asked, and none of a cancelled request after that', async () => {
    using scheduler = new Scheduler({ ...tiny, cache: tiny.cache(4) });
    const told = new Map<string, DrawnToken[]>();
    const onToken = (drawn: DrawnToken) => told.set(drawn.id, [...(told.get(drawn.id) ?? []), drawn]);
    scheduler.submit(requests.slice(0, 3), { onToken });
    scheduler.submit(requests.slice(3));
    await scheduler.step();
    scheduler.cancel('a');
    const finished = await drain(scheduler);
    expect([...told.keys()].sort()).toEqual(['a', 'b', 'c']);
    expect(told.get('a')?.length).toBe(1);
    for (const { id, text, tokenIds, logps } of finished.filter(({ id }) => told.has(id))) {
      const drawn = told.get(id) as DrawnToken[];
      expect(drawn.map(({ text }) => text).join('')).toBe(text);
      expect(drawn.map(({ token }) => token)).toEqual(tokenIds);
      expect(drawn.map(({ logp }) => logp)).toEqual(logps);
    }
  });
});

describe('callers', () => {
  it('share the slots evenly, and each keeps its order', async () => {
    using scheduler = new Scheduler({ ...tiny, cache: tiny.cache(4) });
    const of = (caller: string, count: number) =>
      Array.from({ length: count }, (_, n) => request(`${caller}${n}`, 6, { maxTokens: 5 }));
    scheduler.submit(of('x', 20), { caller: 'x' });
    const finished: string[] = [];
    for (let step = 0; step < 2; step++) finished.push(...(await scheduler.step()).map(({ id }) => id));
    // They come late, while `x` has every slot, and still end well before it.
    scheduler.submit(of('y', 4), { caller: 'y' });
    scheduler.submit(of('z', 2), { caller: 'z' });
    finished.push(...(await drain(scheduler)).map(({ id }) => id));
    const order = (caller: string) => finished.filter((id) => id.startsWith(caller));
    expect(order('x')).toEqual(of('x', 20).map(({ id }) => id));
    expect(order('y')).toEqual(of('y', 4).map(({ id }) => id));
    // The first four slots to come free go to y, z, then x and the one that has least.
    const firstTwelve = finished.slice(4, 12);
    expect(firstTwelve.filter((id) => id.startsWith('y')).length).toBeGreaterThanOrEqual(2);
    expect(order('z').every((id) => firstTwelve.includes(id))).toBe(true);
  });
});

it('refuses a bad request whole, and a step within a step', async () => {
  using scheduler = new Scheduler({ ...tiny, cache: tiny.cache(2) });
  expect(() => scheduler.submit([request('fine'), request('empty', 0)])).toThrow('request empty');
  expect(scheduler.busy).toBe(false);
  scheduler.submit([request('fine')]);
  const running = scheduler.step();
  await expect(scheduler.step()).rejects.toThrow('one after another');
  await running;
});

it('continues after a step that was stopped', async () => {
  using scheduler = new Scheduler({ ...tiny, cache: tiny.cache(2) });
  scheduler.submit(requests.slice(0, 4));
  await scheduler.step();
  scheduler.cancel('a');
  await expect(scheduler.step(AbortSignal.abort())).rejects.toMatchObject({ code: 'aborted' });
  expect(textsOf(await drain(scheduler))).toEqual(await alone(requests.slice(1, 4)));
});
