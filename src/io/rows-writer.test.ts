// Rows -> JSONL and Parquet files that hold the same.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AnyRecord, readAllRows } from './jsonl.ts';
import { checkRowsFile, writeRows } from './rows-writer.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-rows-'));
});
afterAll(() => rm(folder, { recursive: true }));

const ROWS = [
  {
    id: 'a',
    n: 1,
    share: 0.5,
    right: true,
    steps: ['x\n', 'ки'],
    labels: [true, null],
    nested: { list: [{ t: 'u', r: -1 }], none: null },
  },
  { id: 'b', n: -2, share: 2, right: false, steps: [], labels: [], nested: { list: [], none: null } },
];

it.each(['jsonl', 'parquet'])('%s', async (kind) => {
  const file = join(folder, `rows.${kind}`);
  await writeRows(file, ROWS);
  const rows = await readAllRows(file, AnyRecord);
  expect(rows.map(({ value }) => value)).toEqual(ROWS);
  expect(rows[1]?.place).toBe(kind === 'jsonl' ? `${file}, line 2` : `${file}, row 2`);
});

it('refuses other endings by name', () => {
  expect(() => checkRowsFile('rows.csv')).toThrow('.jsonl or .parquet, got rows.csv');
});
