// Artefacts of small scripted runs -> the hashes in fast.txt. `--update` follows new behaviour.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, it } from 'vitest';
import { buildCli } from '../e2e/run-cli.ts';

beforeAll(() => buildCli());

it('every method, scorer, kind of task and stage command writes the bytes that it wrote before', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [join(import.meta.dirname, 'hash.mjs')]);
  expect(stdout.split('\n').length).toBeGreaterThan(600);
  await expect(stdout).toMatchFileSnapshot(join(import.meta.dirname, 'fast.txt'));
});
