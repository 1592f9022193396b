// Preference pairs in several shapes -> checked records, or an error with line and field.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { taskNamed } from '../../tasks/index.ts';
import { readPairs } from './own-pairs.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sipf-pairs-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function read(rows: readonly unknown[], task = 'jsonl') {
  const path = join(folder, 'p.jsonl');
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const said: string[] = [];
  const terminal = { signal: new AbortController().signal, warn: (line: string) => said.push(line) };
  return { pairs: await readPairs(path, taskNamed(task), terminal), said };
}

const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });
const good = '2+3=5\n5*2=10\nThe answer is 10';
const bad = '2+3=6\n6*2=12\nThe answer is 12';
const steps = { chosen: ['2+3=5', '5*2=10\nThe answer is 10'], rejected: ['2+3=6', '6*2=12\nThe answer is 12'] };

describe('pairs of one’s own', () => {
  test.each([
    ['texts', { prompt: 'q?', chosen: good, rejected: bad }],
    ['texts with spaces', { prompt: ' q?\n', chosen: `\n${good}\n`, rejected: `${bad}  ` }],
    ['chats', { prompt: [user('q?')], chosen: [assistant(good)], rejected: [assistant(bad)] }],
    [
      'chats with the prompt in them',
      { chosen: [user('q?'), assistant(good)], rejected: [user('q?'), assistant(bad)] },
    ],
    ['one message a side', { prompt: 'q?', chosen: assistant(good), rejected: assistant(bad) }],
    ['a text beside a chat', { prompt: [user('q?')], chosen: good, rejected: [assistant(bad)] }],
    ['steps', { question: 'q?', chosen: { steps: steps.chosen }, rejected: { steps: steps.rejected } }],
    ['lists of steps', { question: 'q?', chosen: steps.chosen, rejected: steps.rejected }],
    ['steps as a text', { question: 'q?', chosen: { steps: good }, rejected: { steps: bad } }],
    ['other fields, too', { prompt: 'q?', chosen: good, rejected: bad, score_chosen: 9, source: 'x' }],
  ])('%s', async (_name, line) => {
    const { pairs, said } = await read([line]);
    expect(said).toEqual([]);
    expect(pairs).toMatchObject([
      {
        question: 'q?',
        task: 'jsonl',
        chosen: { steps: steps.chosen, score: null },
        rejected: { steps: steps.rejected },
      },
    ]);
    expect(pairs[0]?.chosen.sampleId).toMatch(/^own\/[0-9a-f]{12}\/chosen$/);
  });

  test('of code are cut at statements', async () => {
    const line = {
      prompt: 'Write f.',
      chosen: 'def f(x):\n    y = x\n    return y\n',
      rejected: 'def f(x):\n    return 0\n',
    };
    const { pairs } = await read([line], 'code');
    expect(pairs[0]?.chosen.steps).toEqual(['def f(x):\n    y = x\n', '    return y\n']);
  });

  test('a chosen path alone, scores and ids are kept', async () => {
    const { pairs } = await read([
      { id: 7, question: 'q?', chosen: { steps: ['a'], score: 0.5, sampleId: 's' }, rejected: null },
    ]);
    expect(pairs).toEqual([
      {
        questionId: '7',
        task: 'jsonl',
        question: 'q?',
        chosen: { sampleId: 's', steps: ['a'], score: 0.5 },
        rejected: null,
      },
    ]);
  });

  test('the same text on both sides is left out and counted', async () => {
    const { pairs, said } = await read([
      { prompt: 'q?', chosen: good, rejected: good },
      { prompt: 'q?', chosen: good, rejected: bad },
    ]);
    expect(pairs).toHaveLength(1);
    expect(said).toEqual(['1 of 2 pairs have the same text on both sides and are left out.']);
  });

  test('may stand beside the loop’s own, which stay as they are and strict', async () => {
    const own = {
      questionId: 'a',
      question: 'q?',
      chosen: { sampleId: 's', steps: ['1'], score: 0.9 },
      rejected: { sampleId: 't', steps: ['2'], score: 0.1 },
    };
    expect((await read([own, { prompt: 'q?', chosen: good, rejected: bad }])).pairs[0]).toEqual(own);
    await expect(read([{ ...own, rejected: { ...own.rejected, steps: '2' } }])).rejects.toThrow(
      /line 1, field "rejected.steps": Expected an array/,
    );
  });
});

test.each([
  [{ prompt: 'q?', chosen: good }, /line 1, field "rejected": Expected a text, got nothing\. A line is \{"prompt"/],
  [{ prompt: 'q?', rejected: bad }, /field "chosen": Expected a text, got nothing/],
  [{ chosen: good, rejected: bad }, /field "prompt": Expected a text, got nothing/],
  [{ instruction: 'q?', chosen: good, rejected: bad }, /Rename "instruction" to "prompt" in every record/],
  [
    { prompt: 'q?', preferred: good, dispreferred: bad },
    /Rename "preferred" to "chosen" and "dispreferred" to "rejected"/,
  ],
  [{ prompt: 'q?', Chosen: good, Rejected: bad }, /Rename "Chosen" to "chosen" and "Rejected" to "rejected"/],
  [{ prompt: '', chosen: good, rejected: bad }, /field "prompt": Expected a text, got ""/],
  [{ prompt: 5, chosen: good, rejected: bad }, /field "prompt": Expected a text or a list of .*, got 5/],
  [
    { prompt: 'q?', question: 'q?', chosen: good, rejected: bad },
    /field "prompt": Expected either "prompt" or "question", got both/,
  ],
  [{ prompt: 'q?', chosen: '', rejected: bad }, /field "chosen": Expected a text, got an empty one/],
  [
    { prompt: 'q?', chosen: [], rejected: bad },
    /field "chosen": Expected a text, a list of steps or a list of chat messages, got \[\]/,
  ],
  [{ prompt: 'q?', chosen: 5, rejected: bad }, /field "chosen": .*got 5/],
  [{ prompt: 'q?', chosen: good, rejected: true }, /field "rejected": .*got true/],
  [{ prompt: 'q?', chosen: null, rejected: bad }, /field "chosen": .*got null/],
  [{ prompt: 'q?', chosen: [good, 5], rejected: bad }, /field "chosen"/],
  [{ prompt: 'q?', chosen: { text: good }, rejected: bad }, /field "chosen": .*got nothing/],
  [{ prompt: 'q?', chosen: { steps: [] }, rejected: bad }, /field "chosen"/],
  [
    { prompt: 'q?', chosen: [user('x')], rejected: [assistant(bad)] },
    /field "chosen": Expected one message of the assistant, the last, got user/,
  ],
  [
    { prompt: 'q?', chosen: [assistant('a'), user('b'), assistant('c')], rejected: bad },
    /field "chosen": Expected one message/,
  ],
  [{ prompt: 'q?', chosen: [{ role: 'assistant' }], rejected: bad }, /field "chosen": .*"content": text/],
  [
    { prompt: 'q?', chosen: [{ role: 'assistant', content: [{ type: 'text' }] }], rejected: bad },
    /field "chosen": .*"content": text/,
  ],
  [
    { prompt: [{ role: 'system', content: 's' }, user('q?')], chosen: good, rejected: bad },
    /field "prompt": .*got system, user\. Give the system message with --prompt\.system/,
  ],
  [
    { prompt: [user('a'), assistant('b'), user('c')], chosen: good, rejected: bad },
    /field "prompt": Expected one message of the user, got user, assistant, user/,
  ],
  [{ prompt: [], chosen: good, rejected: bad }, /field "prompt": .*got \[\]/],
  [
    { chosen: [user('q?'), assistant(good)], rejected: [user('other'), assistant(bad)] },
    /field "rejected": Expected the same messages before/,
  ],
  [{ chosen: [assistant(good)], rejected: [assistant(bad)] }, /field "prompt": Expected a text, got nothing/],
])('refuses %j', async (line, message) => {
  await expect(read([line])).rejects.toThrow(message);
});

test('reads how many steps both paths begin with', async () => {
  const forks = { chosen: ['2+3=5', '5*2=10'], rejected: ['2+3=5', '5*2=12'] };
  const { pairs } = await read([
    { question: 'q?', ...forks, shared: 1 },
    { question: 'q?', ...forks },
  ]);
  expect(pairs.map(({ shared }) => shared)).toEqual([1, undefined]);
  const side = (steps: string[]) => ({ sampleId: 's', steps, score: null });
  const ofLoop = { questionId: 'q', question: 'q?', chosen: side(forks.chosen), rejected: side(forks.rejected) };
  expect((await read([{ ...ofLoop, shared: 1 }])).pairs[0]?.shared).toBe(1);
  const refusal = /line 1, field "shared": Expected at most 1 \(equal steps .*\), got 2/;
  await expect(read([{ ...ofLoop, shared: 2 }])).rejects.toThrow(refusal);
  await expect(read([{ question: 'q?', ...forks, shared: 2 }])).rejects.toThrow(refusal);
  await expect(read([{ ...ofLoop, rejected: null, shared: 1 }])).rejects.toThrow(/Expected at most 0/);
  await expect(read([{ question: 'q?', ...forks, shared: 0.5 }])).rejects.toThrow(/field "shared"/);
});

test('names the line', async () => {
  const fine = { prompt: 'q?', chosen: good, rejected: bad };
  await expect(read([fine, fine, { prompt: 'q?' }])).rejects.toThrow(/p\.jsonl, line 3, field "chosen"/);
});
