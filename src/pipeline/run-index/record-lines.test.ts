// Files of long and odd lines -> each value with the very bytes where it is.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { scanLines } from './record-lines.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-record-lines-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const BLOCK = 1 << 22;

async function scanned(text: string | Buffer) {
  const path = join(folder, 'records.jsonl');
  await writeFile(path, text);
  const bytes = await readFile(path);
  const found: unknown[] = [];
  const faults: number[] = [];
  let read = 0;
  await scanLines(path, {
    take: (value, { at, bytes: length, line }) => {
      expect(JSON.parse(bytes.toString('utf8', at, at + length))).toEqual(value);
      found.push([line, value]);
    },
    onFault: (_, line) => faults.push(line),
    onBytes: (count) => {
      read += count;
    },
  });
  expect(read).toBe(bytes.length);
  return { found, faults };
}

test.each([-1, 0, 1])('a line that ends %i bytes from the end of a block', async (off) => {
  const texts = [BLOCK - 3 + off, 2 * BLOCK, 1, 0, BLOCK].map((length) => 'x'.repeat(length));
  const lines = texts.map((text) => JSON.stringify(text)).join('\n');
  const found = texts.map((text, i) => [i + 1, text]);
  expect(await scanned(lines)).toEqual({ found, faults: [] });
  expect(await scanned(`${lines}\n`)).toEqual({ found, faults: [] });
});

test('blank lines are passed over, wrong ones are named, and line ends within a value are none', async () => {
  const text = Buffer.concat([
    Buffer.from('"é"\r\n\n \n"\u2028"\n{"a":\n'),
    Buffer.from([0x22, 0xff, 0x22, 0x0a]),
    Buffer.from('1\n{"to'),
  ]);
  const found = [
    [1, 'é'],
    [4, '\u2028'],
    [7, 1],
  ];
  expect(await scanned(text)).toEqual({ found, faults: [5, 6, 8] });
  expect(await scanned('')).toEqual({ found: [], faults: [] });
});
