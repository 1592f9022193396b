// Lines of JSON, good and damaged -> records, or an error that names file, line and field.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { SipfError } from '../errors.ts';
import { RecordId, readAllRows, readRows } from './jsonl.ts';

const Line = z.looseObject({ id: RecordId, text: z.string(), steps: z.array(z.string()).optional() });

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sipf-jsonl-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(content: string | Buffer, name = 'in.jsonl'): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function failure(path: string): Promise<SipfError> {
  const error = await readAllRows(path, Line).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(SipfError);
  return error as SipfError;
}

describe('readRows', () => {
  it('reads CRLF, a byte order mark, blank lines at the end and a last line without an end', async () => {
    const rows = await readAllRows(file('\uFEFF{"text":"a"}\r\n{"text":"b"}\r\n\r\n\n'), Line);
    expect(rows.map(({ index, value }) => [index, value.text])).toEqual([
      [0, 'a'],
      [1, 'b'],
    ]);
    expect(await readAllRows(file('{"text":"a"}'), Line)).toHaveLength(1);
    expect(await readAllRows(file(''), Line)).toEqual([]);
  });

  it('keeps U+2028 inside a text and characters cut by a chunk border', async () => {
    const text = `\u2028${'ü'.repeat(100_000)}€`;
    const rows = await readAllRows(file(`{"text":"x"}\n${JSON.stringify({ text })}\n`), Line);
    expect(rows[1]?.value.text).toBe(text);
  });

  it('names file, line and what is wrong', async () => {
    const cases: readonly (readonly [string | Buffer, RegExp])[] = [
      ['{"text":"a"}\n{"text":\n', /in\.jsonl, line 2: Expected one JSON object/],
      ['{"text":"a"}\n\n{"text":"b"}\n', /line 2: .*got a blank line/],
      ['{"text":"a"}\n{"txt":"b"}\n', /line 2, field "text": Expected a string, got nothing/],
      ['{"text":7}\n', /line 1, field "text": Expected a string, got 7/],
      ['{"text":"a","steps":["x",3]}\n', /line 1, field "steps\[1\]": Expected a string, got 3/],
      ['{"text":"a","id":{}}\n', /field "id": Expected a string or a(n)? (integer|number), got an object/],
      ['{"text":"a","id":0.12345678901234567890}\n', /field "id": Expected .*, got 0.1234567890/],
      ['[1]\n', /line 1: Expected an object, got an array/],
      [Buffer.from([0x7b, 0xff, 0x7d, 0x0a]), /line 1: Expected UTF-8/],
    ];
    for (const [content, message] of cases) expect((await failure(file(content))).message).toMatch(message);
  });

  it('tells a missing file from a folder', async () => {
    expect((await failure(join(folder, 'none.jsonl'))).code).toBe('not-found');
    expect((await failure(folder)).message).toMatch(/got a folder/);
  });

  it('reads a .json array and names its items', async () => {
    const path = file('[\n{"text":"a"},\n{"text":"b"}]', 'in.json');
    expect((await readAllRows(path, Line)).map(({ value }) => value.text)).toEqual(['a', 'b']);
    expect((await failure(file('[{"text":"a"},{}]', 'in.json'))).message).toMatch(/item 2, field "text"/);
  });

  it('gives rows out before the file has been read to its end', async () => {
    const path = file(`${'{"text":"a"}\n'.repeat(50_000)}{"text":\n`);
    for await (const { value } of readRows(path, Line)) {
      expect(value.text).toBe('a');
      break;
    }
  });
});

it('says that a packed file must be unpacked', async () => {
  expect((await failure(file('x', 'in.jsonl.gz'))).message).toContain('got a packed file. Unpack it first');
});
