// The engine's thread, as built: errors with their codes, and a crash.
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Backend } from '../../backend.ts';
import { SipfError } from '../../errors.ts';
import { createWorkerBackend } from './worker-client.ts';

const root = join(import.meta.dirname, '../../..');
const entry = join(root, 'dist/backends/local/worker.js');
const scratch = mkdtempSync(join(tmpdir(), 'sipf-worker-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const open = (file = entry): Backend =>
  createWorkerBackend({ provider: 'cpu', threads: 1, cache: join(scratch, 'cache') }, pathToFileURL(file));

beforeAll(() => {
  if (!existsSync(entry)) throw new Error('Run `npm run build` first: the thread is started from dist/.');
});

test('errors keep their code and message', async () => {
  await using backend = open();
  const failure = await backend.describe({ model: join(scratch, 'nowhere') }).catch((thrown: unknown) => thrown);
  expect(failure).toBeInstanceOf(SipfError);
  expect(failure).toMatchObject({ code: 'not-found', message: expect.stringContaining('nowhere') });
});

test('a thread that dies fails what waits for it, and everything after', async () => {
  const file = join(scratch, 'dying.mjs');
  writeFileSync(
    file,
    "import { parentPort } from 'node:worker_threads';\nparentPort.on('message', () => process.exit(3));\n",
  );
  const backend = open(file);
  await expect(backend.describe({ model: 'x' })).rejects.toThrow(/code 3/);
  await expect(backend.describe({ model: 'x' })).rejects.toThrow(/code 3/);
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
  await expect(backend.describe({ model: 'x' })).rejects.toThrow('broken');
  await backend[Symbol.asyncDispose]();
});
