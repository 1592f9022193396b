// Records with other field names, files of other formats -> errors that name the field.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { renameHint } from '../../io/field-names.ts';
import { taskNamed } from '../index.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sipf-fields-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function load(name: string, text: string, task = 'jsonl') {
  const data = join(folder, name);
  writeFileSync(data, text);
  return taskNamed(task).load({ data, split: 'test', whole: true });
}

describe('a field with another name', () => {
  test.each([
    [{ prompt: 'q', answer: 1 }, 'Rename "prompt" to "question" in every record.'],
    [{ question: 'q', output: 1 }, 'Rename "output" to "answer" in every record.'],
    [{ question: 'q', response: '1' }, 'Rename "response" to "answer" in every record.'],
    [{ question: 'q', label: 1 }, 'Rename "label" to "answer" in every record.'],
    [{ Question: 'q', Answer: 1 }, 'Rename "Answer" to "answer" and "Question" to "question" in every record.'],
    [{ QUESTION: 'q', answer: 1 }, 'Rename "QUESTION" to "question" in every record.'],
    [{ input: 'q', output: 1 }, 'Rename "output" to "answer" and "input" to "question" in every record.'],
    [{ instruction: 'q', input: '', output: 1 }, 'Rename "output" to "answer" and "instruction" to "question" in'],
    [{ prompt: 'q', completion: '1' }, 'Rename "completion" to "answer" and "prompt" to "question" in'],
    [{ problem: 'q', solution: 's', answer: 1 }, 'Rename "problem" to "question" in every record.'],
    [{ quesiton: 'q', answer: 1 }, 'Rename "quesiton" to "question" in every record.'],
    [{ question: 'q', anwser: 1 }, 'Rename "anwser" to "answer" in every record.'],
    [{ question_text: 'q', answer: 1 }, 'Rename "question_text" to "question" in every record.'],
    [{ question: 'q', 'final answer': 1 }, 'Rename "final answer" to "answer" in every record.'],
    [{ question: 'q', ground_truth: 1 }, 'Rename "ground_truth" to "answer" in every record.'],
    [{ messages: [{ role: 'user', content: 'q' }] }, '"messages" is a chat: write what the user asks as "question"'],
    [{ question: 'q' }, 'got no such field among question. Fix that record.'],
    [{}, 'got no such field among none. Fix that record.'],
  ])('%j', async (record, message) => {
    await expect(load('fields.jsonl', `${JSON.stringify(record)}\n`)).rejects.toThrow(message);
  });

  test('of a code problem', async () => {
    const problem = { instruction: 'Write f.', unit_tests: ['assert f(1) == 2'] };
    await expect(load('code.jsonl', JSON.stringify(problem), 'code')).rejects.toThrow(
      'Rename "instruction" to "prompt" and "unit_tests" to "tests" in every record.',
    );
    await expect(load('code.jsonl', JSON.stringify({ ...problem, prompt: 'Write f.' }), 'code')).rejects.toThrow(
      'Rename "unit_tests" to "tests" in every record. Give at least one',
    );
  });

  test('nothing is made up', () => {
    expect(renameHint({ id: 1, colour: 'red' }, 'question')).toBe('');
    expect(renameHint({ answer: 'x' }, 'question')).toBe('');
  });
});

describe('a file of another format', () => {
  test.each(['csv', 'tsv', 'xlsx', 'xls', 'CSV', 'yaml', 'zip', 'csv.gz', 'tar.gz', 'pdf', 'arrow', 'jsonl.zst'])(
    '%s is named for what it is',
    async (kind) => {
      await expect(load(`q.${kind}`, 'question,answer\n1+1,2\n')).rejects.toThrow(
        /Expected JSONL \(\.jsonl\), a JSON array \(\.json\), either gzipped \(\.gz\), or Parquet \(\.parquet\), got .*Save it as JSONL: one \{"question": \.\.\., "answer": \.\.\.\} a line\./,
      );
    },
  );

  test('a text file of JSON lines is read as such', async () => {
    expect(await load('q.txt', '{"question": "1+1", "answer": 2}\n')).toHaveLength(1);
    expect(await load('q.ndjson', '{"question": "1+1", "answer": 2}\n')).toHaveLength(1);
    expect(await load('noending', '{"question": "1+1", "answer": 2}\n')).toHaveLength(1);
  });
});
