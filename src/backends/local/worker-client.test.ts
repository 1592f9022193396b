// The engine's thread, as built: calls, news, errors with their codes, cancellation, a crash.
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Backend, TrainJob, TrainStep } from '../../backend.ts';
import { SipfError } from '../../errors.ts';
import { createWorkerBackend } from './worker-client.ts';

const root = join(import.meta.dirname, '../../..');
const entry = join(root, 'dist/backends/local/worker.js');
const scratch = mkdtempSync(join(tmpdir(), 'sipf-worker-'));
const init = {
  config: {
    hidden_size: 32,
    intermediate_size: 48,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    max_position_embeddings: 64,
    tie_word_embeddings: true,
  },
  tokenizer: JSON.parse(readFileSync(join(root, 'test/fixtures/tokenizer/tokenizer.json'), 'utf8')) as object,
  seed: 1,
};
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const open = (file = entry): Backend =>
  createWorkerBackend({ provider: 'cpu', threads: 1, cache: join(scratch, 'cache') }, pathToFileURL(file));

const job = (out: string, steps: number): TrainJob => ({
  source: { model: join(scratch, 'model') },
  examples: [{ kind: 'sft', prompt: 'one plus one is', completion: [' two'] }],
  out: join(scratch, out),
  options: {
    objective: { kind: 'sft', scope: 'completion' },
    lora: null,
    learningRate: 1e-3,
    schedule: 'constant',
    warmup: 0,
    weightDecay: 0,
    clip: 1,
    betas: [0.9, 0.999],
    eps: 1e-8,
    batchSize: 1,
    epochs: 1,
    maxSteps: steps,
    tokensPerPass: 64,
    maxLength: 64,
    seed: 1,
    shuffle: false,
    checkpointEverySteps: 1000,
  },
});

beforeAll(() => {
  if (!existsSync(entry)) throw new Error('Run `npm run build` first: the thread is started from dist/.');
});

describe('the thread', () => {
  let backend: Backend;
  beforeAll(() => {
    backend = open();
  });
  afterAll(() => backend[Symbol.asyncDispose]());

  test('makes a model, tells its facts, trains it with news of every step, and generates with questions back', async () => {
    const facts = await backend.initModel(join(scratch, 'model'), init);
    expect(facts).toMatchObject({ architecture: 'llama', contextLength: 64, hasChatTemplate: false });
    expect(await backend.facts({ model: join(scratch, 'model') })).toEqual(facts);
    const news: TrainStep[] = [];
    const result = await backend.train(job('trained', 3), (step) => news.push(step));
    expect(news).toEqual(result.steps);
    expect(news.length).toBe(3);
    await using policy = await backend.openPolicy(result.source);
    expect(policy.hash).toBe(result.hash);
    const request = (id: string) => ({
      id,
      context: ['one plus'],
      key: id,
      sampling: { temperature: 1, maxTokens: 4, ignoreEos: true },
    });
    const seen: string[] = [];
    await policy.generate([request('a')], (finished) => {
      seen.push(...finished.map(({ id }) => id));
      return seen.length === 1 ? [request('b')] : [];
    });
    expect(seen).toEqual(['a', 'b']);
  });

  test('errors keep their code and message', async () => {
    const failure = await backend.facts({ model: join(scratch, 'nowhere') }).catch((thrown: unknown) => thrown);
    expect(failure).toBeInstanceOf(SipfError);
    expect(failure).toMatchObject({ code: 'not-found', message: expect.stringContaining('nowhere') });
  });

  test("what the caller's own code throws comes back as it was", async () => {
    const own = new Error('mine');
    const failing = backend.train(job('thrown', 50), () => {
      throw own;
    });
    await expect(failing).rejects.toBe(own);
  });

  test('cancelling stops a training between passes', async () => {
    const controller = new AbortController();
    const running = backend.train(job('cancelled', 100_000), ({ step }) => step === 3 && controller.abort(), {
      signal: controller.signal,
    });
    await expect(running).rejects.toMatchObject({ code: 'aborted' });
    expect(existsSync(join(scratch, 'cancelled/checkpoint/progress.json'))).toBe(true);
  });
});

test('a thread that dies fails what waits for it, and everything after', async () => {
  const file = join(scratch, 'dying.mjs');
  writeFileSync(
    file,
    "import { parentPort } from 'node:worker_threads';\nparentPort.on('message', () => process.exit(3));\n",
  );
  const backend = open(file);
  await expect(backend.facts({ model: 'x' })).rejects.toThrow(/code 3/);
  await expect(backend.facts({ model: 'x' })).rejects.toThrow(/code 3/);
  await backend[Symbol.asyncDispose]();
});

test('a thread that throws fails what waits for it with that error', async () => {
  const file = join(scratch, 'throwing.mjs');
  cpSync(join(scratch, 'dying.mjs'), file);
  writeFileSync(
    file,
    "import { parentPort } from 'node:worker_threads';\nparentPort.on('message', () => { throw new Error('broken'); });\n",
  );
  const backend = open(file);
  await expect(backend.facts({ model: 'x' })).rejects.toThrow('broken');
  await backend[Symbol.asyncDispose]();
});
