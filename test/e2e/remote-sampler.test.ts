// sipf serve on a tiny model -> what a run draws and reads from it is what it has here.
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend, Completion, LogpsItem, Policy, Sampler } from '../../src/backend.ts';
import { createInProcessBackend } from '../../src/backends/local/in-process.ts';
import { hash32 } from '../../src/random.ts';
import { ServerRequests } from '../../src/remote/server-requests.ts';
import { ServedAdapters } from '../../src/samplers/adapters.ts';
import { openSampler, type SamplerOptions } from '../../src/samplers/samplers.ts';
import { type ModelServer, serve } from '../../src/server/serve.ts';
import { request, TINY } from '../contract/backend-suite.ts';
import { makeModelFolder } from '../model-folder.ts';
import { fixtures } from '../tiny-model.ts';

const folder = mkdtempSync(join(tmpdir(), 'sipf-remote-'));
const model = join(folder, 'model');
const adapter = join(folder, 'runs', 'iteration-1', '6-policy');
let base = '';
let backend: Backend;
let server: ModelServer;
beforeAll(async () => {
  backend = createInProcessBackend({ provider: 'cpu', threads: 1, cache: join(folder, 'cache') });
  await backend.initModel(model, TINY);
  base = await makeModelFolder(folder, { from: 'models/llama' });
  cpSync(join(fixtures, 'models/llama/adapter'), adapter, { recursive: true });
  server = await serve(backend, { model, port: 0 });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await backend[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const logged: string[] = [];

function remote(options: Partial<SamplerOptions> = {}): Sampler {
  const url = `${server.url}/v1`;
  return openSampler(
    { kind: 'openai', url, model, serves: { model }, retries: 0, ...options },
    {
      local: backend,
      log: (message) => void logged.push(message),
      env: {},
      random: () => 0.5,
      wait: () => new Promise(() => {}),
      now: () => 0,
    },
  );
}

async function drawn(policy: Policy, keys: readonly string[]): Promise<Completion[]> {
  const all: Completion[] = [];
  const requests = keys.map((key) => ({ ...request(key, { stopStrings: ['\n'] }), id: key }));
  await policy.generate(requests, (finished) => {
    all.push(...finished);
    return [];
  });
  return keys.map((key) => all.find(({ id }) => id === key)!);
}

describe('a policy that sipf serve draws', () => {
  it('has the tokens of the same model here, and its log-probabilities', async () => {
    await using there = await remote().openPolicy({ model });
    await using here = await backend.openPolicy({ model });
    const keys = ['a', 'b', 'c', 'd'];
    const own = keys.map((key) => `generate/${hash32(key) >>> 1}/0`);
    const [served, known] = [await drawn(there, keys), await drawn(here, own)];
    expect(served.map(({ text, tokenIds }) => [text, tokenIds])).toEqual(
      known.map(({ text, tokenIds }) => [text, tokenIds]),
    );
    for (const [n, { logps }] of served.entries())
      for (const [place, logp] of logps!.entries()) expect(logp).toBeCloseTo(known[n]!.logps![place]!, 4);
  });

  it('has the log-probabilities of given texts that it has here', async () => {
    await using there = await remote().openPolicy({ model });
    await using here = await backend.openPolicy({ model });
    const items: LogpsItem[] = [
      { context: ['one plus one'], completion: ' is two\n', ended: true },
      { context: ['Q: 3*4?\n', [40, 41]], completion: ['3*4=<<3*4=12>>12\n', 'The answer is 12'], calculator: true },
      { context: ['x'], completion: [50, 51, 52] },
    ];
    const [served, known] = [await there.logps(items), await here.logps(items)];
    expect(served.map((logps) => logps.length)).toEqual(known.map((logps) => logps.length));
    for (const [n, logps] of known.entries())
      for (const [place, logp] of logps.entries()) {
        const told = served[n]?.[place];
        if (logp === null) expect(told).toBeNull();
        else expect(told).toBeCloseTo(logp, 4);
      }
    expect(known[1]).toContain(null);
    expect(logged).toEqual([]);
  });

  it.each<[string, LogpsItem, RegExp]>([
    ['without a context', { context: [], completion: 'x' }, /in item 0, got 0 \+ /],
    [
      'longer than the context',
      { context: ['x'], completion: Array(128).fill(50) },
      /at most 128 tokens .*got 1 \+ 128/,
    ],
  ])('refuses a given text %s', async (_name, item, message) => {
    await using there = await remote().openPolicy({ model });
    await expect(there.logps([item])).rejects.toMatchObject({
      code: 'bad-input',
      message: expect.stringMatching(message),
    });
  });
});

describe('adapters of each round', () => {
  const names = async ({ url }: ModelServer): Promise<string[]> => {
    const { data } = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string }[] };
    return data.map(({ id }) => id);
  };
  const serveBase = (port = 0, adapterRoot: string | null = join(folder, 'runs')) =>
    serve(backend, { model: base, port, adapterRoot });
  const options = (url: string, more: Partial<SamplerOptions> = {}): Partial<SamplerOptions> => ({
    url: `${url}/v1`,
    model: base,
    serves: { model: base },
    others: 'adapter',
    ...more,
  });

  it('are loaded under a name of their content, drawn from, and unloaded', async () => {
    await using served = await serveBase();
    await using sampler = remote(options(served.url));
    await using here = await backend.openPolicy({ model: base, adapter });
    const own = ['a', 'b'].map((key) => `generate/${hash32(key) >>> 1}/0`);
    const known = (await drawn(here, own)).map(({ text }) => text);
    const name = `sipf-${here.hash.slice(0, 16)}`;
    {
      await using there = await sampler.openPolicy({ model: base, adapter });
      await using again = await sampler.openPolicy({ model: base, adapter });
      expect(await names(served)).toEqual([base, name]);
      expect((await drawn(there, ['a', 'b'])).map(({ text }) => text)).toEqual(known);
      const items = [{ context: ['x'], completion: 'one two' }];
      const [[told = []], [read = []]] = [await again.logps(items), await here.logps(items)];
      for (const [place, logp] of read.entries()) expect(told[place]).toBeCloseTo(logp!, 4);
    }
    expect(await names(served)).toEqual([base]);
  });

  it('are loaded at each of several servers', async () => {
    await using first = await serveBase();
    await using second = await serveBase();
    await using sampler = remote(options(first.url, { url: [`${first.url}/v1`, `${second.url}/v1`], concurrency: 1 }));
    await using here = await backend.openPolicy({ model: base, adapter });
    const own = ['a', 'b'].map((key) => `generate/${hash32(key) >>> 1}/0`);
    const known = (await drawn(here, own)).map(({ text }) => text);
    {
      await using there = await sampler.openPolicy({ model: base, adapter });
      expect([await names(first), await names(second)].map((all) => all.length)).toEqual([2, 2]);
      expect((await drawn(there, ['a', 'b'])).map(({ text }) => text)).toEqual(known);
    }
    expect([await names(first), await names(second)]).toEqual([[base], [base]]);
  });

  it('that a killed process has left are unloaded by the next start', async () => {
    await using served = await serveBase();
    await using killed = remote(options(served.url));
    await killed.openPolicy({ model: base, adapter });
    expect(await names(served)).toHaveLength(2);
    await using next = remote(options(served.url));
    await using _policy = await next.openPolicy({ model: base });
    expect(await names(served)).toEqual([base]);
  });

  it('are loaded again where the server was restarted, once for all requests', async () => {
    const first = await serveBase();
    await using sampler = remote(options(first.url, { retries: 2 }));
    await using there = await sampler.openPolicy({ model: base, adapter });
    const before = await drawn(there, ['a', 'b', 'c']);
    await first[Symbol.asyncDispose]();
    await using second = await serveBase(Number(new URL(first.url).port));
    expect(await drawn(there, ['a', 'b', 'c'])).toEqual(before);
    expect(await names(second)).toHaveLength(2);
  });

  it('are found where the server has another path for them', async () => {
    const elsewhere = join(folder, 'elsewhere');
    cpSync(join(folder, 'runs'), elsewhere, { recursive: true });
    await using served = await serveBase(0, elsewhere);
    const paths = { from: join(folder, 'runs'), to: elsewhere };
    await using sampler = remote(options(served.url, { paths }));
    await using there = await sampler.openPolicy({ model: base, adapter });
    expect(await drawn(there, ['a'])).toHaveLength(1);
    await using unmapped = remote(options(served.url));
    await expect(unmapped.openPolicy({ model: base, adapter })).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringMatching(/status 404 for the adapter .*6-policy of rank \d+: .*engine\.sampler\.paths/),
    });
  });

  it('are refused before anything is drawn where the server loads none', async () => {
    await using served = await serveBase(0, null);
    await using sampler = remote(options(served.url));
    await expect(sampler.openPolicy({ model: base })).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringMatching(/got status 403.*--enable-lora/),
    });
  });

  it('start no server that is ended for now', async () => {
    await using served = await serveBase();
    let located = 0;
    let isEnded = false;
    const locate = async () => {
      located += 1;
      return `${served.url}/v1`;
    };
    const parts = { apiKey: null, random: () => 0, now: () => 0, wait: () => new Promise(() => {}) };
    const requests = new ServerRequests({ setting: 'engine.sampler', locate, retries: 0, timeout: 9 }, parts);
    const own = { requests, model: base, paths: null, log: () => {}, isEnded: () => isEnded };
    const loaded = await new ServedAdapters(own).open(adapter, 'a'.repeat(64), new AbortController().signal);
    const before = located;
    isEnded = true;
    await loaded[Symbol.asyncDispose]();
    expect(located).toBe(before);
    expect(await names(served)).toHaveLength(2);
  });

  it('of another base are refused', async () => {
    await using served = await serveBase();
    await using sampler = remote(options(served.url));
    await expect(sampler.openPolicy({ model, adapter })).rejects.toThrow(/Set engine\.sampler\.others adapter/);
  });
});
