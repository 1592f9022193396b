// Journals and locks under bad luck: torn lines, other inputs, dead and living processes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { hashPath } from '../io/file-hashes.ts';
import { nodeDisk } from '../io/files.ts';
import { readRecords } from '../io/jsonl.ts';
import type { Counts } from '../reports.ts';
import { Journal, journaledRecords, journalInputs } from './journal.ts';
import { takeLock } from './lock.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-journal-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** All records as JSONL, and the counts of each unit. */
async function contentOf(journal: Journal): Promise<readonly [text: string, counts: readonly Counts[]]> {
  let text = '';
  const all: Counts[] = [];
  for await (const { records, counts } of journal.outputs()) {
    all.push(counts);
    for (const record of records) text += `${JSON.stringify(record)}\n`;
  }
  return [text, all];
}

describe('Journal', () => {
  it('keeps whole units, drops a torn last one and continues after it', async () => {
    const path = join(folder, 'torn.jsonl');
    const first = await Journal.open(nodeDisk, path, 'inputs', false);
    await first.add({ records: [{ a: 1 }, { a: 'ü' }], counts: { n: 2 } });
    await first.add({ records: [], counts: { n: 1, other: 5 } });
    await appendFile(path, '{"unit":2,"records":[{"a":');
    const second = await Journal.open(nodeDisk, path, 'inputs', true);
    expect(second.units).toBe(2);
    await second.add({ records: [{ a: 3 }], counts: {} });
    const counts = [{ n: 2 }, { n: 1, other: 5 }, {}];
    expect(await contentOf(second)).toEqual(['{"a":1}\n{"a":"ü"}\n{"a":3}\n', counts]);
  });

  it('gives records in the order of the units, whatever ended first', async () => {
    const path = join(folder, 'order.jsonl');
    const first = await Journal.open(nodeDisk, path, 'inputs', false);
    const unit = (n: number) => ({ records: [{ n }, { text: `ü${n}` }], counts: { n } });
    await Promise.all([first.add(unit(3), 3), first.add(unit(0), 0), first.add(unit(2), 2)]);
    await appendFile(path, '{"unit":1,"rec');
    const second = await Journal.open(nodeDisk, path, 'inputs', true);
    expect([0, 1, 2, 3, 4].map((n) => second.has(n))).toEqual([true, false, true, true, false]);
    await second.add(unit(1), 1);
    expect(second.units).toBe(4);
    const lines = [0, 1, 2, 3].flatMap((n) => [`{"n":${n}}\n`, `{"text":"ü${n}"}\n`]);
    expect(await contentOf(second)).toEqual([lines.join(''), [0, 1, 2, 3].map((n) => ({ n }))]);
    await appendFile(path, '{"unit":1,"records":[],"counts":{}}\n');
    await expect(Journal.open(nodeDisk, path, 'inputs', true)).rejects.toThrow(/line 6: Expected another unit than 1/);
  });

  it('writes together what comes while the disk is busy', async () => {
    const path = join(folder, 'together.jsonl');
    const appended: number[] = [];
    const append: typeof nodeDisk.append = async (file, text, durable) => {
      appended.push(text.split('\n').length - 1);
      await nodeDisk.append(file, text, durable);
    };
    const journal = await Journal.open({ ...nodeDisk, append }, path, 'inputs', false);
    const add = (n: number) => journal.add({ records: [{ n }], counts: {} }, n);
    const first = add(0);
    await Promise.resolve();
    await Promise.all([first, add(2), add(1)]);
    expect([appended, journal.units]).toEqual([[1, 2], 3]);
    expect((await contentOf(journal))[0]).toBe('{"n":0}\n{"n":1}\n{"n":2}\n');
  });

  it('adds nothing behind what a disk has refused', async () => {
    const path = join(folder, 'refused.jsonl');
    let appends = 0;
    const append: typeof nodeDisk.append = async (...args) => {
      appends += 1;
      if (appends === 2) throw new Error('full');
      await nodeDisk.append(...args);
    };
    const journal = await Journal.open({ ...nodeDisk, append }, path, 'inputs', false);
    const add = (n: number) => journal.add({ records: [{ n }], counts: {} }, n);
    await add(0);
    expect((await Promise.allSettled([add(1), add(2)])).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await expect(add(3)).rejects.toThrow('full');
    expect((await contentOf(journal))[0]).toBe('{"n":0}\n');
  });

  it('starts again on other inputs and after a torn header', async () => {
    const path = join(folder, 'inputs.jsonl');
    const first = await Journal.open(nodeDisk, path, 'one', false);
    await first.add({ records: [1], counts: {} });
    expect((await Journal.open(nodeDisk, path, 'two', true)).units).toBe(0);
    await writeFile(path, '{"journ');
    expect((await Journal.open(nodeDisk, path, 'two', true)).units).toBe(0);
  });

  it('names a corrupt line in the middle', async () => {
    const path = join(folder, 'corrupt.jsonl');
    const journal = await Journal.open(nodeDisk, path, 'x', false);
    await journal.add({ records: [], counts: {} });
    await appendFile(path, 'garbage\n');
    await expect(Journal.open(nodeDisk, path, 'x', true)).rejects.toThrow(/corrupt\.jsonl, line 3/);
  });
});

describe('readRecords', () => {
  const Row = z.object({ n: z.number() });

  it('names file, line and field', async () => {
    const path = join(folder, 'rows.jsonl');
    const read = async () => {
      const rows = [];
      for await (const row of readRecords(path, Row)) rows.push(row);
      return rows;
    };
    await expect(read()).rejects.toMatchObject({ code: 'not-found' });
    await writeFile(path, '{"n":1}\n\n{"n":2}');
    expect(await read()).toEqual([{ n: 1 }, { n: 2 }]);
    await writeFile(path, '{"n":1}\n{"n":"x"}\n');
    await expect(read()).rejects.toThrow(/rows\.jsonl, line 2, field "n": Expected a number, got "x"/);
    await writeFile(path, '{"n":1}\n{"n"\n');
    await expect(read()).rejects.toThrow(/rows\.jsonl, line 2: Expected one JSON object/);
  });
});

describe('takeLock', () => {
  it('keeps a second writer out until it is released', async () => {
    const dir = join(folder, 'lock');
    await mkdir(dir);
    const lock = await takeLock(nodeDisk, dir);
    await expect(takeLock(nodeDisk, dir)).rejects.toMatchObject({ code: 'locked' });
    await lock[Symbol.asyncDispose]();
    await (await takeLock(nodeDisk, dir))[Symbol.asyncDispose]();
  });

  it.each([
    ['a process that is gone', (holder: object) => JSON.stringify({ ...holder, pid: 2 ** 22 + 1 })],
    [
      'a process that took over its number',
      (holder: object) => JSON.stringify({ ...holder, started: 'another boot/1' }),
    ],
    ['a process that died while writing it', () => '{"pid":'],
  ])('takes over from %s', async (_name, change) => {
    const dir = await mkdtemp(join(folder, 'stale-'));
    await takeLock(nodeDisk, dir);
    const holder = JSON.parse(await readFile(join(dir, 'lock'), 'utf8')) as object;
    await writeFile(join(dir, 'lock'), change(holder));
    const lock = await takeLock(nodeDisk, dir);
    await expect(takeLock(nodeDisk, dir)).rejects.toMatchObject({ code: 'locked' });
    await lock[Symbol.asyncDispose]();
    expect(await stat(join(dir, 'lock')).catch(() => null)).toBeNull();
  });

  it.runIf(process.platform === 'linux')('takes over from a process that was killed and nobody collects', async () => {
    const dir = await mkdtemp(join(folder, 'zombie-'));
    const parent = spawn('sh', ['-c', 'sleep 60 & echo $!; exec sleep 60']);
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(line);
    await takeLock(nodeDisk, dir, pid);
    await expect(takeLock(nodeDisk, dir)).rejects.toMatchObject({ code: 'locked' });
    process.kill(pid, 'SIGKILL');
    await vi.waitFor(async () => expect(await readFile(`/proc/${pid}/stat`, 'utf8')).toContain(') Z '));
    await (await takeLock(nodeDisk, dir))[Symbol.asyncDispose]();
    parent.kill('SIGKILL');
  });

  it('does not take over from another machine', async () => {
    const dir = await mkdtemp(join(folder, 'host-'));
    await writeFile(join(dir, 'lock'), JSON.stringify({ pid: 1, started: null, host: 'elsewhere', token: 't' }));
    await expect(takeLock(nodeDisk, dir)).rejects.toThrow(/on elsewhere/);
  });

  it('lets one of many starters in', async () => {
    const dir = await mkdtemp(join(folder, 'race-'));
    await writeFile(
      join(dir, 'lock'),
      JSON.stringify({ pid: 2 ** 22 + 1, started: null, host: (await import('node:os')).hostname(), token: 't' }),
    );
    const takers = await Promise.allSettled(Array.from({ length: 12 }, () => takeLock(nodeDisk, dir)));
    expect(takers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });
});

describe('nodeDisk', () => {
  it('says what to do where it may not write', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    await expect(nodeDisk.write(join(file, 'inside'), ['x'])).rejects.toMatchObject({ code: 'write-failed' });
    await expect(nodeDisk.write('/dev/full', ['x'])).rejects.toThrow(/ENOSPC/);
  });

  it('hashes folders by names and contents', async () => {
    const dir = await mkdtemp(join(folder, 'hash-'));
    await writeFile(join(dir, 'a'), '1');
    const before = await hashPath(dir);
    await writeFile(join(dir, 'a'), '2');
    expect(await hashPath(dir)).not.toBe(before);
    await writeFile(join(dir, 'a'), '1');
    expect(await hashPath(dir)).toBe(before);
    expect(await hashPath(join(dir, 'none'))).toBeNull();
  });
});

describe('a journal that is read while it grows', () => {
  it('says where each record is in its line, and what its stage reads', async () => {
    const path = join(folder, 'read.jsonl');
    const journal = await Journal.open(nodeDisk, path, 'hash of the inputs', false);
    const records = [{ id: 'é😀\ud800', steps: ['a\n', '"\\'] }, -0, null, { 2: 1e21, 1: [] }, 'x'.repeat(999)];
    for (const unit of [records, [], records.slice(1)]) await journal.add({ records: unit, counts: { n: 1 } });
    expect(await journalInputs(path)).toBe('hash of the inputs');
    const found = (await readFile(path, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => {
        const bytes = Buffer.from(line);
        return journaledRecords(JSON.parse(line)).map(({ record, at, bytes: length }) => {
          expect(bytes.toString('utf8', at, at + length)).toBe(JSON.stringify(record));
          return JSON.stringify(record);
        });
      });
    const texts = records.map((record) => JSON.stringify(record));
    expect(found).toEqual([[], texts, [], texts.slice(1)]);
    expect(() => journaledRecords({ unit: 0 })).toThrow(/A line of a journal, field "records"/);
  });
});
