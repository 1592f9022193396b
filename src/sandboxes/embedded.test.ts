// The embedded sandbox that cannot run, is stopped or is closed -> what its users meet.
import { cpSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { createPyodideSandbox } from './embedded.ts';

const SQUARE = { code: 'def f(x):\n    return x * x\n', tests: ['assert f(2) == 4'], entryPoint: 'f' };
const ENDLESS = { code: 'while True: pass', tests: ['f()'] };
const installed = dirname(createRequire(import.meta.url).resolve('pyodide/package.json'));
const work = mkdtempSync(join(tmpdir(), 'sipf-sandbox-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** A copy of the package, to be spoilt. */
function copy(name: string): string {
  const folder = join(work, name, 'node_modules', 'pyodide');
  cpSync(installed, folder, { recursive: true });
  return folder;
}

async function refusal(pyodide: string): Promise<unknown> {
  await using sandbox = createPyodideSandbox({ pyodide, workers: 1 });
  return await sandbox.grade(SQUARE).catch((error: unknown) => error);
}

describe('a package that is not as it should be', () => {
  test('missing', async () => {
    const message = /^Expected package\.json in .*nowhere, got no such file\. Run `npm ci`/;
    expect(await refusal(join(work, 'nowhere'))).toMatchObject({
      code: 'not-found',
      message: expect.stringMatching(message),
    });
  });

  test('without a file', async () => {
    const folder = copy('incomplete');
    rmSync(join(folder, 'python_stdlib.zip'));
    expect(await refusal(folder)).toMatchObject({
      code: 'not-found',
      message: expect.stringMatching(/python_stdlib\.zip/),
    });
  });

  test('of another version', async () => {
    const folder = copy('other');
    writeFileSync(join(folder, 'package.json'), '{"name": "pyodide", "version": "0.1.0"}');
    expect(await refusal(folder)).toMatchObject({ code: 'unsupported', message: expect.stringMatching(/got 0\.1\.0/) });
  });

  test.each(['pyodide.asm.wasm', 'python_stdlib.zip', 'pyodide.asm.js'])('with a truncated %s', async (file) => {
    const folder = copy(`truncated-${file}`);
    truncateSync(join(folder, file), 100_000);
    expect(await refusal(folder)).toMatchObject({
      code: 'unsupported',
      message: expect.stringMatching(/^Expected Python in WebAssembly \(pyodide\) to start, got: .*Run `npm ci`/),
    });
  });
});

test('too little memory for an interpreter', () => {
  expect(() => createPyodideSandbox({ memoryMb: 8 })).toThrow(
    /^Expected memoryMb of the sandbox from 32 to 4096, got 8\./,
  );
});

test('limits that are none', async () => {
  expect(() => createPyodideSandbox({ timeoutMs: 0 })).toThrow(/timeoutMs/);
  await using sandbox = createPyodideSandbox({ workers: 1 });
  await expect(sandbox.grade({ ...SQUARE, timeoutMs: Number.NaN })).rejects.toThrow(/timeoutMs/);
});

test('a stop in the queue and in a program; the sandbox continues', async () => {
  await using sandbox = createPyodideSandbox({ workers: 1 });
  const running = new AbortController();
  const queued = new AbortController();
  const first = sandbox.grade(ENDLESS, { signal: running.signal });
  const second = sandbox.grade(SQUARE, { signal: queued.signal });
  const third = sandbox.grade(SQUARE);
  queued.abort();
  await expect(second).rejects.toMatchObject({ code: 'aborted' });
  setTimeout(() => running.abort(), 200);
  await expect(first).rejects.toMatchObject({ code: 'aborted' });
  expect(await third).toEqual({ kind: 'right' });
  await expect(sandbox.grade(SQUARE, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' });
});

test('closing refuses what waits and what comes', async () => {
  const sandbox = createPyodideSandbox({ workers: 1 });
  const running = sandbox.grade(ENDLESS);
  const waiting = sandbox.grade(SQUARE);
  await sandbox[Symbol.asyncDispose]();
  await expect(running).rejects.toMatchObject({ code: 'aborted' });
  await expect(waiting).rejects.toMatchObject({ code: 'aborted' });
  await expect(sandbox.grade(SQUARE)).rejects.toMatchObject({ code: 'aborted' });
});

test('its walls are told', async () => {
  await using sandbox = createPyodideSandbox({ workers: 1 });
  expect((await sandbox.walls?.())?.join('; ')).toMatch(/permission flags.*network namespace.*capabilities/);
});
