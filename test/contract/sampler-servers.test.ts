// Several servers of one model, busy, slow, away and back -> the texts of one that is sound.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import type { Completion, Policy, Sampler } from '../../src/backend.ts';
import { createScriptedBackend, type ScriptedOptions } from '../../src/backends/scripted.ts';
import { openSampler, type SamplerOptions } from '../../src/samplers/samplers.ts';
import { type CompletionServer, openCompletionServer, type ServerSettings } from '../completion-server.ts';
import { request } from './backend-suite.ts';

const letters: ScriptedOptions['write'] = ({ random }) =>
  Array.from({ length: 20 }, () => String.fromCharCode(97 + random.int(0, 25))).join('');
const source = { model: 'base' };
const local = createScriptedBackend({ write: letters });

interface Opened extends AsyncDisposable {
  readonly servers: readonly CompletionServer[];
  readonly sampler: Sampler;
  readonly policy: Policy;
}

interface Opening {
  /** What differs of each server. */
  readonly servers: readonly Omit<Partial<ServerSettings>, 'policy'>[];
  readonly options?: Partial<SamplerOptions>;
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

async function open({ servers: own, options, wait = waitShortly }: Opening): Promise<Opened> {
  const here = await local.openPolicy(source);
  const servers = await Promise.all(own.map((settings) => openCompletionServer({ ...settings, policy: here })));
  const url = servers.map((server) => server.url);
  const sampler = samplerOf({ url, ...options }, wait);
  const policy = await sampler.openPolicy(source);
  return {
    servers,
    sampler,
    policy,
    async [Symbol.asyncDispose]() {
      await policy[Symbol.asyncDispose]();
      await sampler[Symbol.asyncDispose]();
      for (const server of servers) await server[Symbol.asyncDispose]();
    },
  };
}

/** A hundredth of each wait. */
const waitShortly = (ms: number, signal: AbortSignal) => sleep(ms / 100, undefined, { signal });

function samplerOf(options: Partial<SamplerOptions>, wait: Opening['wait'] = waitShortly): Sampler {
  const parts = { local, env: {}, random: () => 0.5, now: () => 100 * performance.now(), log: () => {}, wait };
  return openSampler({ kind: 'openai', model: 'served', serves: source, concurrency: 4, ...options }, parts);
}

const requests = (count: number) => Array.from({ length: count }, (_, n) => request(`${n}`));

async function draw(policy: Policy, count: number, signal?: AbortSignal): Promise<Completion[]> {
  const drawn: Completion[] = [];
  const take = (finished: readonly Completion[]) => {
    drawn.push(...finished);
    return [];
  };
  await policy.generate(requests(count), take, { signal });
  return drawn;
}

/** What one sound server draws. */
async function known(count: number): Promise<Completion[]> {
  await using one = await open({ servers: [{}] });
  return await draw(one.policy, count);
}

const asked = ({ servers }: Opened) => servers.map((server) => server.asked.length);

describe('a busy server', () => {
  it('is left alone by all requests until its pause has passed, then tried by one', async () => {
    const waits: { readonly ms: number; readonly pass: () => void }[] = [];
    const wait = (ms: number) => new Promise<void>((pass) => waits.push({ ms, pass }));
    let time = 0;
    const parts = { local, env: {}, random: () => 0, now: () => time, log: () => {}, wait };
    const busy = { status: 429, headers: { 'retry-after': '60' } };
    const policy = await local.openPolicy(source);
    /** How many were answered when each was asked. */
    const answered: number[] = [];
    const faultOf = (n: number) => {
      answered.push(server.answered.length - server.probed.length);
      return n === 1 ? busy : null;
    };
    await using server: CompletionServer = await openCompletionServer({ policy, delay: 20, faultOf });
    const own = { kind: 'openai', url: server.url, model: 'served', serves: source, concurrency: 4 } as const;
    await using sampler = openSampler(own, parts);
    const drawing = draw(await sampler.openPolicy(source), 16);
    const pause = await vi.waitUntil(() => waits.find(({ ms }) => ms === 60_000));
    const sent = server.asked.length;
    await sleep(100);
    // What was on its way has ended, and nothing has followed.
    expect(server.asked).toHaveLength(sent);
    time += 60_000;
    pause.pass();
    expect(await drawing).toHaveLength(16);
    expect(answered.slice(sent, sent + 2)).toEqual([sent - 1, sent]);
    expect(server.most).toBe(4);
  });

  it('is stopped waiting for', async () => {
    const stop = new AbortController();
    const busy = { status: 503, headers: { 'retry-after': '3000' } };
    await using opened = await open({ servers: [{ faultOf: () => busy }] });
    const drawing = draw(opened.policy, 8, stop.signal);
    setTimeout(() => stop.abort(), 50);
    await expect(drawing).rejects.toMatchObject({ code: 'aborted' });
  });
});

describe('several servers of one model', () => {
  it('draw what one draws, each as many at a time as it may', async () => {
    await using opened = await open({ servers: [{ delay: 5 }, { delay: 5 }, { delay: 5 }] });
    expect(await draw(opened.policy, 60)).toEqual(await known(60));
    const most = opened.servers.map((server) => server.most);
    expect(Math.max(...most)).toBeLessThanOrEqual(4);
    expect(Math.min(...most)).toBeGreaterThan(0);
    expect(opened.policy.room).toEqual({ servers: 3, completions: 4 });
  });

  it('begin each unit of work at a server of its own, where there is room', async () => {
    await using opened = await open({ servers: [{ delay: 5 }, { delay: 5 }], options: { concurrency: 8 } });
    await Promise.all([draw(opened.policy, 8), draw(opened.policy, 8)]);
    expect(asked(opened)).toEqual([8, 8]);
  });

  it('may be many, with as many units of work: nothing takes them for a leak', async () => {
    const warnings: Error[] = [];
    const hear = (warning: Error) => void warnings.push(warning);
    process.on('warning', hear);
    const stop = new AbortController();
    await using opened = await open({ servers: Array.from({ length: 12 }, () => ({ delay: 5 })) });
    const units = await Promise.all(opened.servers.map(() => draw(opened.policy, 2, stop.signal)));
    // Warnings are told a tick later.
    await sleep(0);
    process.off('warning', hear);
    expect({ units: units.length, warnings }).toEqual({ units: 12, warnings: [] });
  });

  it('do not wait for a slow one', async () => {
    await using opened = await open({ servers: [{ delay: 1500 }, { delay: 2 }, { delay: 2 }] });
    await draw(opened.policy, 100);
    const [slow = 0, ...others] = asked(opened);
    expect(slow).toBeLessThan(Math.min(...others));
  });

  it('draw again what failed at one', async () => {
    const servers = [{ faultOf: (n: number) => (n % 4 === 0 ? ('cut' as const) : null) }, {}];
    await using opened = await open({ servers });
    expect(await draw(opened.policy, 40)).toEqual(await known(40));
  });

  it('draw what a busy one does not, and it comes back', async () => {
    let isBusy = true;
    await using opened = await open({ servers: [{ faultOf: () => (isBusy ? { status: 503 } : null) }, { delay: 5 }] });
    expect(await draw(opened.policy, 40)).toEqual(await known(40));
    const before = asked(opened)[0]!;
    // The first requests, and one after each pause.
    expect(before).toBeLessThan(12);
    isBusy = false;
    await sleep(350);
    await draw(opened.policy, 40);
    expect(asked(opened)[0]! - before).toBeGreaterThan(8);
  });

  it('draw what one does not that has ended, also where a stage begins without it', async () => {
    await using opened = await open({ servers: [{}, {}] });
    await opened.servers[0]![Symbol.asyncDispose]();
    expect(await draw(opened.policy, 30)).toEqual(await known(30));
    await using later = await opened.sampler.openPolicy(source);
    expect(await draw(later, 30)).toEqual(await known(30));
  });

  it('are an error where none is left', async () => {
    await using opened = await open({ servers: [{}, {}], options: { retries: 2 } });
    for (const server of opened.servers) await server[Symbol.asyncDispose]();
    await expect(draw(opened.policy, 30)).rejects.toMatchObject({ code: 'unreachable' });
  });

  it('are all there at the start', async () => {
    await using server = await openCompletionServer({ policy: await local.openPolicy(source) });
    await using sampler = samplerOf({ url: [server.url, 'http://127.0.0.1:9/v1'], retries: 1 });
    await expect(sampler.openPolicy(source)).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('http://127.0.0.1:9/v1'),
    });
  });
});
