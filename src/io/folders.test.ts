import { existsSync } from 'node:fs';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeFolders } from './folders.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-folders-'));
});
afterAll(() => rm(folder, { recursive: true }));

it('makes a folder and those above it, by several callers at once, and again', async () => {
  const path = join(folder, 'a', 'b', 'c');
  await Promise.all([makeFolders(path), makeFolders(join(path, 'd')), makeFolders(path)]);
  await makeFolders(`${path}/`);
  expect((await stat(join(path, 'd'))).isDirectory()).toBe(true);
});

it('refuses a file in the way', async () => {
  await writeFile(join(folder, 'file'), '');
  await expect(makeFolders(join(folder, 'file'))).rejects.toThrow(/file, got a file there\./);
  await expect(makeFolders(join(folder, 'file', 'below'))).rejects.toThrow(
    'got ENOTDIR (a file is where the path needs a folder)',
  );
});

it.runIf(existsSync('/proc/self'))('ends where a folder refuses children as if it were not there', async () => {
  await expect(makeFolders('/proc/sipf/run')).rejects.toMatchObject({ code: 'write-failed' });
});
