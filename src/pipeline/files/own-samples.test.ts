// Samples written by hand -> what is filled in, or an error with line and field.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseConfig } from '../../config/load.ts';
import type { Task } from '../../task.ts';
import { taskNamed } from '../../tasks/index.ts';
import { readSamples } from './own-samples.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sipf-samples-'));
  write('q.jsonl', [
    { id: 'a', question: '2+3?', answer: 5 },
    { id: 7, question: '4+4?', answer: 8 },
  ]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, rows: readonly unknown[]): string {
  const path = join(folder, name);
  writeFileSync(path, rows.map((row) => (typeof row === 'string' ? `${row}\n` : `${JSON.stringify(row)}\n`)).join(''));
  return path;
}

interface ReadOptions {
  readonly graded?: boolean;
  readonly data?: boolean;
  readonly task?: string;
  readonly grade?: Task['grade'];
}

const terminal = { signal: new AbortController().signal, log: () => undefined };

async function read(rows: readonly unknown[], { graded = true, data = true, task = 'jsonl', grade }: ReadOptions = {}) {
  const path = write('s.jsonl', rows);
  const name = { name: task, ...(data ? { data: join(folder, 'q.jsonl') } : {}) };
  const own = taskNamed(task);
  const stage = { config: parseConfig({ task: name }), task: grade === undefined ? own : { ...own, grade } };
  const { samples, known } = await readSamples({ path, stage, options: {}, graded }, terminal);
  return { all: [...samples.values()].flat(), known };
}

describe('samples of one’s own', () => {
  test('need a question and steps; the rest is found out', async () => {
    const { all } = await read([{ question: '2+3?', steps: ['2+3=5', 'The answer is 5'] }]);
    expect(all).toEqual([
      {
        id: 'a/own/0',
        questionId: 'a',
        source: 'policy',
        iteration: 1,
        index: 0,
        policy: null,
        steps: ['2+3=5', 'The answer is 5'],
        finishReason: 'stop',
        tokens: 0,
        sumLogp: null,
        extracted: '5',
        outcome: { kind: 'right' },
      },
    ]);
  });

  test('take the question by its text, its id, or along with its answer', async () => {
    const { all, known } = await read([
      { id: 's1', question: ' 2+3? ', steps: '2+3=6\n\nThe answer is 6' },
      { id: 2, questionId: 7, steps: ['The answer is 8'] },
      { id: 's3', question: 'a', steps: ['5'] },
      { id: 's4', question: '1+1?', answer: 2, steps: ['1+1=2'] },
      { id: 's5', question: '1+1?', steps: ['1+1=3'] },
      { id: 's6', questionId: 'mine', question: '9+1?', answer: '10', steps: ['9+1=10'] },
    ]);
    expect(all.map(({ id, questionId, outcome }) => [id, questionId, outcome.kind])).toEqual([
      ['s1', 'a', 'wrong'],
      ['s3', 'a', 'right'],
      ['2', '7', 'right'],
      ['s4', expect.stringMatching(/^own\/[0-9a-f]{12}$/), 'right'],
      ['s5', all[3]?.questionId, 'wrong'],
      ['s6', 'mine', 'right'],
    ]);
    expect(all[0]?.steps).toEqual(['2+3=6\nThe answer is 6']);
    expect(known.get('mine')).toMatchObject({ question: '9+1?', answer: '10', task: 'jsonl' });
  });

  test('need no data where they bring their questions; an answer may come later', async () => {
    const rows = [
      { question: '1+1?', steps: ['2'] },
      { question: '1+1?', answer: 2, steps: ['3'] },
    ];
    const { all } = await read(rows, { data: false });
    expect(all.map(({ outcome }) => outcome.kind)).toEqual(['right', 'wrong']);
    expect(all.map(({ id }) => id)).toEqual([`${all[0]?.questionId}/own/0`, `${all[0]?.questionId}/own/1`]);
  });

  test('are graded again after an error, as sampling.gradeRetries says', async () => {
    let calls = 0;
    const grade: Task['grade'] = () => {
      calls += 1;
      return { extracted: null, outcome: calls < 3 ? { kind: 'error', reason: 'outage' } : { kind: 'right' } };
    };
    const { all } = await read([{ question: '2+3?', steps: ['5'] }], { grade });
    expect([all[0]?.outcome.kind, calls]).toEqual(['right', 3]);
  });

  test('without an answer are scored, not graded', async () => {
    const rows = [{ question: '1+1?', steps: ['2'] }];
    const { all } = await read(rows, { data: false, graded: false });
    expect(all[0]?.outcome).toEqual({ kind: 'error', reason: 'no answer is known' });
    await expect(read(rows, { data: false })).rejects.toThrow(
      /s\.jsonl, line 1, field "answer": Expected what tells whether these steps are right, got nothing\. Add "answer" to that record, or give its question/,
    );
  });

  test('of code bring their tests', async () => {
    const rows = [{ question: 'Write f.', steps: ['def f():\n    return 1\n'] }];
    await expect(read(rows, { data: false, task: 'code' })).rejects.toThrow(/field "tests": Expected what tells/);
  });

  test('keep what they say themselves', async () => {
    const own = {
      outcome: { kind: 'wrong', reason: 'no-answer' },
      source: 'gold',
      iteration: 3,
      sumLogp: -2,
      tokens: 9,
    };
    const { all } = await read([{ question: '2+3?', steps: ['5'], ...own, note: 'mine' }]);
    expect(all[0]).toMatchObject(own);
    expect(all[0]).not.toHaveProperty('note');
  });
});

const whole = {
  id: 'a/1/0',
  questionId: 'a',
  source: 'policy',
  iteration: 1,
  index: 0,
  policy: 'x',
  steps: ['5'],
  finishReason: 'stop',
  tokens: 3,
  sumLogp: -1,
  extracted: '5',
  outcome: { kind: 'right' },
};

test('the loop’s own records stay as they are, and strict', async () => {
  expect((await read([whole])).all).toEqual([whole]);
  await expect(read([{ ...whole, tokens: 'many' }])).rejects.toThrow(/line 1, field "tokens": Expected a number/);
  const { index: _index, ...without } = whole;
  await expect(read([without])).rejects.toThrow(/line 1, field "index": Expected a number, got nothing/);
});

test('one answer may be written in several ways', async () => {
  const rows = ['0.5', '1/2', '.50'].map((answer) => ({ question: 'half?', answer, steps: ['1/2'] }));
  const { all } = await read(rows, { data: false });
  expect(all.map(({ outcome }) => outcome.kind)).toEqual(['right', 'right', 'right']);
});

test.each([
  [[{ question: '2+3?' }], /line 1, field "steps": Expected .*got nothing/],
  [[{ question: '2+3?', steps: [] }], /line 1, field "steps": Expected at least 1 item, got/],
  [[{ question: '2+3?', steps: '' }], /line 1, field "steps": Expected steps with text/],
  [[{ question: '2+3?', steps: [' '] }], /line 1, field "steps": Expected steps with text/],
  [[{ question: '2+3?', steps: [1] }], /line 1, field "steps/],
  [[{ question: '2+3?', steps: 5 }], /line 1, field "steps"/],
  [[{ question: '2+3?', solution: 'x' }], /Rename "solution" to "steps" in every record/],
  [[{ question: '2+3?', completion: 'x' }], /Rename "completion" to "steps" in every record/],
  [[{ question: 5, steps: ['5'] }], /line 1, field "question": Expected a string, got 5/],
  [[{ steps: ['5'] }], /line 1, field "question": Expected a string, got nothing/],
  [[{ prompt: '2+3?', steps: ['5'] }], /Rename "prompt" to "question" in every record/],
  [[{ problem: '2+3?', steps: ['5'] }], /Rename "problem" to "question" in every record/],
  [
    [{ questionId: 'nobody', steps: ['5'] }],
    /line 1, field "questionId": Expected the id of one of 2 questions, got "nobody"/,
  ],
  [
    [
      { question: '2+3?', steps: ['5'] },
      { question: '1+8?', steps: ['9'] },
    ],
    /line 2, field "answer"/,
  ],
  [
    [
      { id: 's', question: '2+3?', steps: ['5'] },
      { id: 's', question: '2+3?', steps: ['6'] },
    ],
    /line 2, field "id": .*"s" again \(first in .*line 1\)/,
  ],
  [[{ question: '2+3?', steps: ['5'], outcome: 'right' }], /line 1, field "outcome"/],
  [
    [
      { question: '1+8?', answer: '9', steps: ['9'] },
      { question: '1+8?', answer: '10', steps: ['10'] },
    ],
    /line 2, field "answer": Expected "9", as in another record of this question, got "10"/,
  ],
  [[{ question: '2+3?', answer: '6', steps: ['6'] }], /line 1, field "answer": Expected "5", .*got "6"/],
  [[{ questionId: 'a', answer: '6', steps: ['6'] }], /line 1, field "answer": Expected "5", .*got "6"/],
  [[], /Expected samples in .*s\.jsonl, got an empty file/],
  [['[1]'], /line 1: Expected (a|an) (record|object), got an array/],
  [['nonsense'], /line 1: Expected one JSON object/],
])('refuses %j', async (rows, message) => {
  await expect(read(rows)).rejects.toThrow(message);
});
