// The user's own records, in every kind of file -> numbers keep their digits, ids are clear.
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { taskNamed } from '../index.ts';

const task = taskNamed('jsonl');
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-own-'));
});

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

const load = async (name: string, content: string | Uint8Array) =>
  task.load({ data: await file(name, content), split: 'test' });

describe('numbers keep their digits', () => {
  const rows = [
    '{"id":12345678901234567891,"question":"a?","answer":9007199254740993}',
    '{"id":9007199254740993,"question":"b?","answer":0.12345678901234567891}',
    '{"id":-0,"question":"c?","answer":1E2}',
    '{"id":1.50,"question":"d?","answer":1e21}',
    '{"question":"e?","answer":1.0}',
  ];
  const expected = [
    ['12345678901234567891', '9007199254740993'],
    ['9007199254740993', '0.12345678901234567891'],
    ['0', '100'],
    ['1.5', `1${'0'.repeat(21)}`],
    ['jsonl/q/4', '1'],
  ];

  test.each([
    ['q.jsonl', rows.join('\n')],
    ['q.jsonl.gz', gzipSync(rows.join('\n'))],
    ['q.json', `[${rows.join(',\n')}]`],
    ['q.json.gz', gzipSync(`[${rows.join(',')}]`)],
  ])('%s', async (name, content) => {
    expect((await load(name, content)).map(({ id, answer }) => [id, answer])).toEqual(expected);
  });

  test('Parquet: 64-bit integers, and decimals of each width', async () => {
    const data = join(import.meta.dirname, '../../../test/fixtures/numbers.parquet');
    expect((await task.load({ data, split: 'test' })).map(({ id, answer }) => [id, answer])).toEqual([
      ['9007199254740993', '1234567890123456789'],
      ['-1', '3'],
    ]);
    const { readRecords } = await import('./data-files.ts');
    const { jsonText } = await import('../../io/exact-json.ts');
    const fields = (await readRecords([data])).map(({ value: { wide, long, short } }) => jsonText([wide, long, short]));
    expect(fields).toEqual(['[-12345678901234567890.123456789,12345678901234.5678,-0.05]', '[null,1,2.5]']);
  });

  test('long numbers are graded to the last digit', async () => {
    const [question] = await load('graded.jsonl', '{"question":"a?","answer":9007199254740993}');
    const outcome = async (text: string) => (await task.grade(question!, `The answer is ${text}`, 'stop')).outcome.kind;
    expect(await outcome('9007199254740993')).toBe('right');
    expect(await outcome('9,007,199,254,740,993')).toBe('right');
    expect(await outcome('9007199254740992')).toBe('wrong');
  });

  test('errors show the digits, and name file, line and field', async () => {
    await expect(
      load('bad.jsonl', '{"question":12345678901234567891,"answer":[12345678901234567891]}'),
    ).rejects.toThrow(/bad.jsonl, line 1, field "answer", got \[12345678901234567891\]/);
    await expect(load('broken.jsonl', '{"a":1}\n{"answer":12345678901234567891')).rejects.toThrow(
      /broken.jsonl, line 2: Expected one JSON object/,
    );
  });
});

describe('ids', () => {
  const row = (id: unknown) => JSON.stringify({ ...(id === undefined ? {} : { id }), question: 'q?', answer: '1' });
  const ids = async (...given: unknown[]) => (await load('ids.jsonl', given.map(row).join('\n'))).map(({ id }) => id);

  test('texts, numbers and missing ones may stand together; a missing one clashes with none', async () => {
    expect(await ids('a', 7, undefined, null, '07', 1.5, -3)).toEqual([
      'a',
      '7',
      'jsonl/ids/2',
      'jsonl/ids/3',
      '07',
      '1.5',
      '-3',
    ]);
    expect(await ids('jsonl/ids/1', undefined, 'jsonl/ids/1#')).toEqual([
      'jsonl/ids/1',
      'jsonl/ids/1##',
      'jsonl/ids/1#',
    ]);
  });

  test.each([
    [['1', 1], /ids.jsonl, line 2, field id, got "1" again \(first in .*ids.jsonl, line 1\)/],
    [[1, 'x', undefined, '1'], /line 4, field id, got "1" again \(first in .* line 1/],
    [['a', ''], /a text or a number in .* line 2, field "id", got ""/],
    [[true], /line 1, field "id", got true/],
    [[{ $oid: 'x' }], /line 1, field "id", got \{"\$oid":"x"\}/],
    [[['a']], /line 1, field "id", got \["a"\]/],
  ])('%j are refused', async (given, message) => {
    await expect(ids(...given)).rejects.toThrow(message);
  });
});

describe('a file that is no JSONL names what it is and what to do', () => {
  const rows = [1, 2, 3].map((n) => `{"question":"${n}?","answer":${n}}`);
  test.each([
    ['array.jsonl', `[${rows.join(',')}]`, /one JSON object a line in .*got "\[" at its start.* end in \.json\./],
    ['pretty.jsonl', `[\n${rows.join(',\n')}\n]`, /got "\[" at its start.* end in \.json\./],
    ['wrapped.json', `{"data":\n[${rows.join(',')}]}`, /a list of objects in its field "data"\. Save that list alone/],
    ['cut.json', `[${rows.join(',')}`, /cut\.json: Expected a JSON array, .*Fix the file\./],
    [
      'cut.jsonl',
      `${rows[0]}\n{"question":`,
      /cut\.jsonl, line 2: Expected one JSON object, .*Fix or delete that line\./,
    ],
    [
      'latin.jsonl',
      Buffer.from(`${rows[0]}\n\n{"question":"caf\xe9?","answer":1}`, 'latin1'),
      /line 3: Expected UTF-8 text/,
    ],
    ['utf16.jsonl', Buffer.from(rows.join('\n'), 'utf16le').fill(0xff, 0, 2), /line 1: Expected UTF-8 text/],
  ])('%s', async (name, content, message) => {
    await expect(load(name, content)).rejects.toThrow(message);
  });

  test('one object with a list of texts is a question', async () => {
    const [question] = await load('one.json', '{"question":"Which?","answer":"B","choices":["x","y"]}');
    expect(question?.answer).toBe('y');
  });

  test('nothing there', async () => {
    const data = join(folder, 'nowhere.jsonl');
    await expect(task.load({ data, split: 'test' })).rejects.toThrow(/got nothing there\. Check the path of --data/);
  });
});
