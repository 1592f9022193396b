// A file that is appended to, cut and removed -> what each look finds new.
import { appendFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Tail } from './tail.ts';

test('reads whole lines on, and begins again with another file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sipf-tail-'));
  const path = join(folder, 'lines');
  const [tail, counter] = [new Tail(path), new Tail(path)];
  expect(await tail.lines()).toEqual({ lines: [], first: 1, isNew: false });
  await writeFile(path, 'é\ntw');
  expect(await tail.lines()).toEqual({ lines: ['é'], first: 1, isNew: false });
  expect(await counter.count()).toBe(1);
  await appendFile(path, 'o\n\nfour\n');
  expect(await Promise.all([tail.lines(), tail.lines()])).toEqual([
    { lines: ['two', '', 'four'], first: 2, isNew: false },
    { lines: [], first: 5, isNew: false },
  ]);
  expect(await counter.count()).toBe(4);
  await writeFile(path, 'new\n');
  expect(await tail.lines()).toEqual({ lines: ['new'], first: 1, isNew: true });
  expect(await counter.count()).toBe(1);
  // As editors save: another file, which may be longer.
  await writeFile(`${path}~`, 'an edited line\nand one more\n');
  await rename(`${path}~`, path);
  expect(await tail.lines()).toEqual({ lines: ['an edited line', 'and one more'], first: 1, isNew: true });
  expect(await counter.count()).toBe(2);
  await rm(folder, { recursive: true });
  expect(await tail.lines()).toEqual({ lines: [], first: 1, isNew: true });
  expect(await counter.count()).toBe(0);
});
