// One unit of work on a tiny model -> the same completions in any slots, padding and cache.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Completion, GenerateRequest, GenerateStats, SamplingOptions } from '../../src/backend.ts';
import { Engine } from '../../src/engine/runtime/session.ts';
import { type GenerateOptions, generate } from '../../src/inference/generate.ts';
import { completionLogps } from '../../src/inference/logps.ts';
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
  expect(engine.sessions.created).toBeLessThanOrEqual(20);
});

const warm: SamplingOptions = { temperature: 1, maxTokens: 24 };

/** Ids that look random and depend on `seed` alone. */
const tokens = (seed: number, length: number) =>
  Array.from({ length }, (_, i) => 3 + ((seed * 7919 + i * i * 31 + i * 17) % 500));

function request(id: string, context: readonly number[], sampling: Partial<SamplingOptions> = {}): GenerateRequest {
  return { id, context: [context], key: `key ${id}`, sampling: { ...warm, ...sampling } };
}

async function complete(
  requests: readonly GenerateRequest[],
  slots: number,
  options: GenerateOptions = {},
): Promise<{ byId: Map<string, Completion>; stats: GenerateStats; groups: string[][] }> {
  const byId = new Map<string, Completion>();
  const groups: string[][] = [];
  const collect = (finished: readonly Completion[]) => {
    groups.push(finished.map(({ id }) => id));
    for (const completion of finished) byId.set(completion.id, completion);
    return [];
  };
  const stats = await generate({ ...tiny, cache: tiny.cache(slots) }, requests, collect, options);
  return { byId, stats, groups };
}

function expectSame(actual: Completion | undefined, expected: Completion | undefined): void {
  expect(actual?.tokenIds).toEqual(expected?.tokenIds);
  expect(actual?.text).toBe(expected?.text);
  expect(actual?.finishReason).toBe(expected?.finishReason);
  const differences = (actual?.logps ?? []).map((logp, n) =>
    Math.abs((logp as number) - (expected?.logps?.[n] as number)),
  );
  expect(Math.max(...differences)).toBeLessThan(1e-4);
}

/** Contexts of many lengths, some sharing beginnings, some equal. */
const mixed: GenerateRequest[] = [
  request('a', tokens(1, 9)),
  request('b', tokens(1, 9)),
  request('c', tokens(1, 40)),
  request('d', tokens(2, 1)),
  request('e', tokens(3, 70), { temperature: 0.5 }),
  request('f', [...tokens(1, 20), ...tokens(4, 13)], { temperature: 0 }),
  request('g', tokens(5, 90), { maxTokens: 3 }),
  request('h', tokens(1, 5), { temperature: 1.3, ignoreEos: true, maxTokens: 60 }),
  request('i', tokens(6, 30), { topK: 5 }),
  request('j', tokens(7, 30), { topP: 0.6, temperature: 1.5 }),
];

describe('a completion does not depend on', () => {
  it('slots, neighbours, their order, and what is shared', async () => {
    const alone = new Map<string, Completion>();
    for (const one of mixed) alone.set(one.id, (await complete([one], 1)).byId.get(one.id) as Completion);
    const runs = [
      await complete(mixed, 1),
      await complete(mixed, 3),
      await complete(mixed, 32),
      await complete([...mixed].reverse(), 4, { tokensPerPass: 16 }),
      await complete(mixed, 4, { prefixBytes: 0 }),
    ];
    for (const { byId } of runs) for (const { id } of mixed) expectSame(byId.get(id), alone.get(id));
    expect(new Set([...alone.values()].map(({ tokenIds }) => tokenIds?.join())).size).toBe(mixed.length);
  });

  it('the cache: every token has the log-probability of a pass over the whole text', async () => {
    const { byId } = await complete(mixed, 4);
    const items = mixed.map(({ id, context }) => ({ context, completion: byId.get(id)?.tokenIds ?? [] }));
    for (const options of [{}, { tokensPerRow: 1, tokensPerPass: 1 }, { tokensPerRow: 400 }]) {
      const logps = await completionLogps(tiny, items, options);
      mixed.forEach(({ id }, n) => {
        const completion = byId.get(id) as Completion;
        expectSame({ ...completion, logps: logps[n] ?? [] }, completion);
      });
    }
  });

  it('where its prefix was forked: at every length of a cached path', async () => {
    const path = tokens(8, 24);
    const forks = path.map((_, n) => request(`fork ${n}`, path.slice(0, n + 1), { maxTokens: 6 }));
    const longestFirst = await complete([...forks].reverse(), 4);
    const shortestFirst = await complete(forks, 4);
    expect(longestFirst.stats.promptTokens).toBe(path.length - 1);
    expect(shortestFirst.stats.promptTokens).toBe(path.length - 1);
    for (const fork of forks) {
      const fresh = (await complete([fork], 1)).byId.get(fork.id);
      expectSame(longestFirst.byId.get(fork.id), fresh);
      expectSame(shortestFirst.byId.get(fork.id), fresh);
    }
  });
});

describe('weights', () => {
  it('that are fed, or mapped from disk and pre-packed, give the same completions', async () => {
    const { byId } = await complete(mixed, 4);
    for (const feeding of ['fed', 'mapped'] as const) {
      const own = new Engine({ provider: 'cpu', threads: 1 });
      {
        await using other = await openTiny(own, 'models/llama', { feeding });
        for (const copies of [1, 2]) {
          const requests = Array.from({ length: copies }, (_, n) =>
            mixed.map((one) => ({ ...one, id: `${one.id}/${n}` })),
          );
          const found = new Map<string, Completion>();
          await generate({ ...other, cache: other.cache(32) }, requests.flat(), (finished) => {
            for (const completion of finished) found.set(completion.id, completion);
            return [];
          });
          for (const [id, completion] of found) expectSame(completion, byId.get(id.split('/')[0] as string));
          expect(found.size).toBe(copies * mixed.length);
        }
      }
      // Prefill and decode; kept ones stay until the engine goes.
      expect(own.sessions).toEqual({ live: feeding === 'fed' ? 2 : 0, created: 2 });
      await own[Symbol.asyncDispose]();
      expect(own.sessions.live).toBe(0);
    }
  });
});

describe('random numbers', () => {
  it('come from the key alone', async () => {
    const context = tokens(9, 12);
    const same = [0, 1, 2].map((n) => ({ ...request(`same ${n}`, context), key: 'one key' }));
    const others = [0, 1, 2].map((n) => request(`other ${n}`, context));
    const { byId } = await complete([...same, ...others], 6);
    const texts = (requests: readonly GenerateRequest[]) =>
      new Set(requests.map(({ id }) => byId.get(id)?.tokenIds?.join()));
    expect(texts(same).size).toBe(1);
    expect(texts([...same, ...others]).size).toBe(4);
  });
});

describe('a unit of work', () => {
  it('computes no prefix twice, whenever its requests come', async () => {
    const prompt = tokens(10, 30);
    const branches = [11, 12, 13].map((seed) => [...prompt, ...tokens(seed, 20)]);
    const first = [0, 1, 2, 3].map((n) => request(`sample ${n}`, prompt, { maxTokens: 4, ignoreEos: true }));
    const later = branches.flatMap((branch, b) =>
      [50, 45, 40].map((length) => request(`rollout ${b}/${length}`, branch.slice(0, length), { maxTokens: 2 })),
    );
    const continued: GenerateRequest[] = [];
    const seen: string[] = [];
    const stats = await generate({ ...tiny, cache: tiny.cache(4) }, first, (finished) => {
      seen.push(...finished.map(({ id }) => id));
      const done = finished.find(({ id }) => id === 'sample 0');
      if (!done) return [];
      continued.push(request('continued', [...prompt, ...(done.tokenIds ?? [])], { maxTokens: 2 }));
      return [...later, ...continued];
    });
    expect(seen.sort()).toEqual([...first, ...later, ...continued].map(({ id }) => id).sort());
    // 29 of the prompt, then three branches of 19. Its last token and the continued text are what the samples' own steps computed.
    expect(stats.promptTokens).toBe(29 + 3 * 19);
  });

  it('hands over groups in slot order, once a step', async () => {
    const requests = [5, 3, 3, 5, 1].map((maxTokens, n) =>
      request(`${n}`, tokens(20 + n, 8), { maxTokens, ignoreEos: true, temperature: 0 }),
    );
    const { groups, stats } = await complete(requests, 3);
    // Slots 0 1 2 hold requests 0 1 2; 3 and 4 follow into slots 1 and 2; 4 ends first.
    expect(groups).toEqual([['1', '2'], ['4'], ['0'], ['3']]);
    expect(stats.generatedTokens).toBe(17);
  });

  it('waits for the answer and continues with it', async () => {
    let running = false;
    const seen: string[] = [];
    const unit = generate({ ...tiny, cache: tiny.cache(2) }, [request('0', tokens(30, 4))], async (finished) => {
      expect(running).toBe(false);
      running = true;
      await new Promise((resolve) => setTimeout(resolve, 5));
      running = false;
      seen.push(...finished.map(({ id }) => id));
      return seen.length < 4 ? [request(`${seen.length}`, tokens(30 + seen.length, 4))] : [];
    });
    await unit;
    expect(seen).toEqual(['0', '1', '2', '3']);
  });

  it('gives the same numbers again, bit by bit', async () => {
    const [one, two] = [await complete(mixed, 4), await complete(mixed, 4)];
    expect(two).toEqual(one);
  });

  it('stops between steps, and leaves the slots empty', async () => {
    const cache = tiny.cache(2);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 20);
    const endless = [request('endless', tokens(40, 4), { maxTokens: 120, ignoreEos: true })];
    const unit = generate({ ...tiny, cache }, endless, () => endless, { signal: controller.signal });
    await expect(unit).rejects.toMatchObject({ code: 'aborted' });
    expect([cache.length(0), cache.length(1)]).toEqual([0, 0]);
  });
});

describe('ends', () => {
  it('at the context length, and refuses contexts that fill it', async () => {
    const limit = tiny.model.config.contextLength;
    const { byId } = await complete([request('long', tokens(50, limit - 3), { ignoreEos: true })], 1);
    expect(byId.get('long')).toMatchObject({ finishReason: 'length' });
    expect(byId.get('long')?.tokens).toBe(3);
    await expect(complete([request('full', tokens(50, limit))], 1)).rejects.toThrow(
      `fewer than ${limit} tokens (the model's context length) in request full, got ${limit}`,
    );
    await expect(complete([request('empty', [])], 1)).rejects.toThrow('request empty');
    await expect(complete([request('odd', [9999])], 1)).rejects.toThrow('got 9999');
  });

  it('before a stop string, with the tokens that were drawn', async () => {
    const free = (await complete([request('x', tokens(60, 8), { ignoreEos: true, maxTokens: 40 })], 1)).byId.get('x');
    const text = free?.text ?? '';
    const stop = text.slice(12, 15);
    const place = text.indexOf(stop);
    const stopping = request('x', tokens(60, 8), { ignoreEos: true, maxTokens: 40, stopStrings: ['never', stop] });
    const stopped = (await complete([stopping], 1)).byId.get('x');
    expect(stopped?.text).toBe(text.slice(0, place));
    expect(stopped?.finishReason).toBe('stop');
    expect(free?.tokenIds?.slice(0, stopped?.tokens)).toEqual(stopped?.tokenIds);
    expect(stopped?.logps?.length).toBe(stopped?.tokens);
  });

  it('at an end token, which is kept in the ids and not in the text', async () => {
    const requests = Array.from({ length: 60 }, (_, n) =>
      request(`${n}`, tokens(n, 6), { temperature: 2, maxTokens: 60 }),
    );
    const { byId } = await complete(requests, 16);
    const ended = [...byId.values()].filter(({ finishReason }) => finishReason === 'stop');
    expect(ended.length).toBeGreaterThan(0);
    for (const { tokenIds, text } of ended) {
      expect(tokenIds?.indexOf(2)).toBe((tokenIds?.length ?? 0) - 1);
      expect(text).not.toContain('</s>');
    }
  });

  it('refuses options out of range by name', async () => {
    for (const sampling of [{ temperature: -1 }, { topP: 0 }, { topK: 1.5 }, { maxTokens: 0 }]) {
      await expect(complete([request('r', [5], sampling)], 1)).rejects.toThrow('of request r, got');
    }
  });
});
