// Many callers on one model -> the completions that each gets alone; stops and faults stay apart.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Completion, DrawnToken, GenerateRequest, SamplingOptions } from '../../src/backend.ts';
import { Engine } from '../../src/engine/runtime/session.ts';
import { generate } from '../../src/inference/generate.ts';
import { completionTokens } from '../../src/inference/logps.ts';
import { SharedDraws, type Turn } from '../../src/inference/shared-draws.ts';
import { openTiny, type TinyModel } from '../tiny-model.ts';

const engine = new Engine({ provider: 'cpu', threads: 1 });
let tiny: TinyModel;
beforeAll(async () => {
  tiny = await openTiny(engine, 'models/llama');
});
afterAll(async () => {
  await tiny[Symbol.asyncDispose]();
  await engine[Symbol.asyncDispose]();
});

function request(id: string, sampling: Partial<SamplingOptions> = {}): GenerateRequest {
  const context = [
    Array.from({ length: 4 + (id.charCodeAt(0) % 9) }, (_, i) => 3 + ((i * 31 + id.charCodeAt(0)) % 500)),
  ];
  return { id, context, key: id, sampling: { temperature: 1, maxTokens: 10, ignoreEos: true, ...sampling } };
}

async function alone(one: GenerateRequest): Promise<Completion> {
  const finished: Completion[] = [];
  await generate({ ...tiny, cache: tiny.cache(1) }, [one], (group) => {
    finished.push(...group);
    return [];
  });
  return finished[0]!;
}

/** A turn at once: nothing else uses the model. */
const atOnce: Turn = (work) => work();

const open = (slots: number, turn: Turn = atOnce) =>
  new SharedDraws(() => ({ ...tiny, cache: tiny.cache(slots) }), turn);

describe('calls at the same time', () => {
  it('have the completions that each has alone, in the order of its requests', async () => {
    using shared = open(3);
    const calls = ['abc', 'a', 'de', 'fgh'].map((ids) => [...ids].map((id) => request(id)));
    const drawn = await Promise.all(calls.map((requests) => shared.draw(requests)));
    const expected = await Promise.all(calls.flat().map(alone));
    const told = ({ id, tokenIds, text }: Completion) => ({ id, tokenIds, text });
    expect(drawn.flat().map(told)).toEqual(expected.map(told));
    expect(drawn.map((some) => some.length)).toEqual([3, 1, 2, 3]);
  });

  it('are told their tokens under their own names', async () => {
    using shared = open(4);
    const told: DrawnToken[][] = [[], []];
    const drawn = await Promise.all(
      told.map((tokens) => shared.draw([request('a'), request('b')], { onTokens: (some) => tokens.push(...some) })),
    );
    for (const [n, completions] of drawn.entries())
      for (const { id, text, tokenIds } of completions) {
        const own = told[n]!.filter((token) => token.id === id);
        expect(own.map(({ token }) => token)).toEqual(tokenIds);
        expect(own.map((token) => token.text).join('')).toBe(text);
      }
  });

  it('end alone: one that stops leaves the others', async () => {
    using shared = open(2);
    const controller = new AbortController();
    const stopped = shared.draw([request('a', { maxTokens: 60 }), request('b')], {
      signal: controller.signal,
      onTokens: () => controller.abort(),
    });
    const other = shared.draw([request('c')]);
    await expect(stopped).rejects.toMatchObject({ code: 'aborted' });
    expect((await other)[0]?.text).toBe((await alone(request('c'))).text);
    expect((await shared.draw([request('d')]))[0]?.text).toBe((await alone(request('d'))).text);
  });

  it('end at once without a request', async () => {
    using shared = open(2);
    expect(await shared.draw([])).toEqual([]);
  });

  it('refuse a bad request, and the others continue', async () => {
    using shared = open(2);
    const [good, bad] = await Promise.allSettled([
      shared.draw([request('a')]),
      shared.draw([request('b'), { ...request('c'), context: [] }]),
    ]);
    expect(good.status).toBe('fulfilled');
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'bad-input' } });
  });

  it('all end with a step that fails, and later ones work', async () => {
    let fails = true;
    using shared = open(2, async (work) => {
      if (fails) throw new Error('no power');
      return work();
    });
    const failed = await Promise.allSettled([shared.draw([request('a')]), shared.draw([request('b')])]);
    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    fails = false;
    expect((await shared.draw([request('a')]))[0]?.text).toBe((await alone(request('a'))).text);
  });
});

describe('the likeliest tokens', () => {
  it('of drawn tokens are those that reading the text finds, and the greedy token is the best', async () => {
    using shared = open(2);
    const [greedy, free] = await shared.draw([
      request('a', { temperature: 0, likeliest: 3 }),
      request('b', { likeliest: 5 }),
    ]);
    expect(greedy?.likeliest?.map(([best]) => best?.token)).toEqual(greedy?.tokenIds);
    expect(greedy?.likeliest?.map(([best]) => best?.logp)).toEqual(greedy?.logps);
    const items = [greedy!, free!].map(({ id, tokenIds }) => ({
      context: request(id).context,
      completion: tokenIds!,
    }));
    const read = await completionTokens(tiny, items, { likeliest: 5 });
    for (const [n, completion] of [greedy!, free!].entries())
      for (const [place, likeliest] of completion.likeliest!.entries())
        for (const [rank, { token, logp }] of likeliest.entries()) {
          expect(read[n]?.[place]?.likeliest[rank]?.token).toBe(token);
          expect(read[n]?.[place]?.likeliest[rank]?.logp).toBeCloseTo(logp, 4);
        }
  });

  it('come best first, and agree with the log-probability of each', async () => {
    const items = [3, 4, 5].map((id) => ({ context: [[7, 8, 9]], completion: [id] }));
    const read = await completionTokens(tiny, items, { likeliest: 20 });
    const { likeliest } = read[0]![0]!;
    const each = likeliest.map(({ token }) => ({ context: [[7, 8, 9]], completion: [token] }));
    const known = await completionTokens(tiny, each, { likeliest: 0 });
    for (const [n, { logp }] of likeliest.entries()) expect(known[n]![0]!.logp).toBeCloseTo(logp, 4);
    expect([...likeliest].sort((a, b) => b.logp - a.logp)).toEqual(likeliest);
  });
});
