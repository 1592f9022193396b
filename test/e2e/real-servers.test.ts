// Servers of others that sipf starts -> they draw what we draw, as far as each tells it.
// Only with SIPF_TEST_TRANSFORMERS (the program transformers, with its part `serving`) and SIPF_TEST_LLAMA_SERVER (llama-server).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend, Completion, Policy } from '../../src/backend.ts';
import { createInProcessBackend } from '../../src/backends/local/in-process.ts';
import { LaunchedServer } from '../../src/remote/launched-server.ts';
import { openSampler, type SamplerOptions } from '../../src/samplers/samplers.ts';
import type { ServingSampler } from '../../src/samplers/serving-sampler.ts';
import { makeModelFolder } from '../model-folder.ts';
import { buildCli, root } from './run-cli.ts';

const transformers = process.env['SIPF_TEST_TRANSFORMERS'] ?? '';
const llamaServer = process.env['SIPF_TEST_LLAMA_SERVER'] ?? '';
const PROMPTS = ['Tom has 3 bags.\n', 'How many are left?\n', '3*4=12 apples.\n'];
const SLOW = 900_000;

const scratch = mkdtempSync(join(tmpdir(), 'sipf-servers-'));
const logged: string[] = [];
let backend: Backend;
let model = '';
beforeAll(async () => {
  await buildCli();
  backend = createInProcessBackend({ provider: 'cpu', threads: 1, cache: join(scratch, 'cache') });
  model = await makeModelFolder(scratch, { from: 'models/llama' });
});
afterAll(async () => {
  await backend[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true });
});

const wait = (ms: number, signal: AbortSignal) => setTimeout(ms, undefined, { signal });

interface Launched extends AsyncDisposable {
  readonly sampler: ServingSampler;
}

/** A server, and what draws from it. */
async function launched(command: readonly string[], options: Partial<SamplerOptions> = {}): Promise<Launched> {
  const log = (message: string) => void logged.push(message);
  const keeper = pathToFileURL(join(root, 'dist', 'remote', 'keeper.js'));
  const setting = 'engine.sampler.launch';
  const server = new LaunchedServer(
    { setting, command, places: { model, name: model }, startTimeout: 300, keeper },
    { log, wait },
  );
  const url = await server.url(new AbortController().signal);
  const parts = { local: backend, log, env: {}, random: Math.random, wait, now: Date.now };
  const sampler = openSampler({ kind: 'openai', url, model, serves: { model }, concurrency: 2, ...options }, parts);
  return {
    sampler,
    async [Symbol.asyncDispose]() {
      await sampler[Symbol.asyncDispose]();
      await server.stop();
    },
  };
}

async function drawn(policy: Policy, temperature: number, seeds: readonly string[]): Promise<Completion[]> {
  const all: Completion[] = [];
  const sampling = { temperature, maxTokens: 12, stopStrings: ['\n'] };
  const requests = PROMPTS.flatMap((prompt) =>
    seeds.map((seed) => ({ id: prompt + seed, context: [prompt], key: prompt + seed, sampling })),
  );
  await policy.generate(requests, (finished) => {
    all.push(...finished);
    return [];
  });
  return requests.map(({ id }) => all.find((one) => one.id === id)!);
}

/** Greedy texts are ours; those of two seeds differ, and a seed gives its text again. */
async function expectSame(sampler: ServingSampler): Promise<Completion[]> {
  await using here = await backend.openPolicy({ model });
  await using there = await sampler.openPolicy({ model });
  const texts = (completions: readonly Completion[]) => completions.map(({ text }) => text);
  const [ours, theirs] = [await drawn(here, 0, ['0']), await drawn(there, 0, ['0'])];
  expect(texts(theirs)).toEqual(texts(ours));
  expect(theirs.map(({ finishReason }) => finishReason)).toEqual(ours.map(({ finishReason }) => finishReason));
  const sampled = texts(await drawn(there, 1, ['1', '2']));
  expect(sampled.some((text, n) => n % 2 === 0 && text !== sampled[n + 1])).toBe(true);
  expect(sampled.join('')).not.toContain('\n');
  return theirs;
}

const tableOf = async (sampler: ServingSampler, name: string) =>
  (await sampler.table()).find((fact) => fact.name === name)?.value;

describe.skipIf(transformers === '')('transformers serve (SIPF_TEST_TRANSFORMERS)', () => {
  it('draws as we do, and samples though its model says greedy', { timeout: SLOW }, async () => {
    const launch = [transformers, 'serve', '{model}', '--port', '{port}', '--device', 'cpu', '--dtype', 'float32'];
    await using server = await launched(launch, { prompts: 'text' });
    await expectSame(server.sampler);
    expect(await tableOf(server.sampler, 'server')).toMatch(/asked as transformers, prompts as text/);
  });
});

describe.skipIf(llamaServer === '')('llama-server (SIPF_TEST_LLAMA_SERVER)', () => {
  it('draws as we do from our GGUF file, and tells ids and log-probabilities', { timeout: SLOW }, async () => {
    const gguf = join(scratch, 'model.gguf');
    await backend.exportModel({ model }, { to: 'gguf', out: gguf, dtype: 'f32', card: '' });
    const launch = [
      llamaServer,
      '-m',
      gguf,
      '--port',
      '{port}',
      '-c',
      '512',
      '-np',
      '2',
      '--no-webui',
      '-ctk',
      'f32',
      '-ctv',
      'f32',
    ];
    await using server = await launched(launch);
    const theirs = await expectSame(server.sampler);
    // It leaves out tokens that are a part of a character: such a completion has neither.
    const told = theirs.filter(({ text, tokenIds }) => tokenIds !== null || !text.includes('\ufffd'));
    expect(told.length).toBeGreaterThan(0);
    await using here = await backend.openPolicy({ model });
    const read = await here.logps(
      told.map(({ id, tokenIds }) => ({ context: [id.slice(0, -1)], completion: tokenIds! })),
    );
    for (const [n, { logps }] of told.entries()) {
      expect(logps).toHaveLength(read[n]!.length);
      for (const [i, logp] of logps!.entries()) expect(Math.abs(logp! - read[n]![i]!)).toBeLessThan(2e-3);
    }
    expect(await tableOf(server.sampler, 'server')).toMatch(/asked as llama.cpp/);
  });
});
