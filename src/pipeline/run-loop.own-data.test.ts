// The loop on one file of the user's -> splits apart, early errors, a message for what is shared.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scoreSum, sumSteps, writeSum } from '../../test/scripted-sums.ts';
import { createScriptedBackend } from '../backends/scripted.ts';
import { parseConfig } from '../config/load.ts';
import type { ConfigInput } from '../config/schema.ts';
import type { Question } from '../records.ts';
import type { LogEvent } from '../run/events.ts';
import { sharedWarnings } from './question-sets.ts';
import { runLoop } from './run-loop.ts';
import { readRun } from './run-reader.ts';
import { trainedOn } from './trained-questions.ts';

let folder = '';
const backend = createScriptedBackend({
  write: (args) => writeSum({ ...args, prompt: args.prompt.replaceAll('Question: ', 'Q: ') }),
  score: scoreSum,
});

/** Sums that differ from each other for different `from`. */
function sums(count: number, from = 0): { question: string; answer: number; solution: string[] }[] {
  return Array.from({ length: count }, (_, i) => {
    const numbers = [from + i + 1, 1 + (i % 9), 2];
    return { question: numbers.join('+'), answer: numbers.reduce((a, b) => a + b), solution: sumSteps(numbers) };
  });
}

function file(name: string, rows: readonly object[]): string {
  const path = join(folder, name);
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return path;
}

let count = 0;
async function run(change: ConfigInput) {
  const config = parseConfig({
    model: 'base',
    iterations: 1,
    sampling: { samples: 4 },
    labels: { K: 2, heldOut: 0.3 },
    evaluate: { sets: [{ split: 'valid' }], final: [{ split: 'test' }] },
    ...change,
    task: { name: 'jsonl', ...change.task },
  });
  count += 1;
  const out = join(folder, `run-${count}`);
  const events: LogEvent[] = [];
  await runLoop({ config, out, backend, log: (event) => events.push(event) });
  const warnings = events.flatMap(({ type, message }) => (type === 'warning' ? [message ?? ''] : []));
  const asked = (name: string) =>
    readFileSync(join(out, name), 'utf8')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { question: string }).question);
  return { out, events, warnings, asked };
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sipf-own-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('one file for a run', () => {
  it('is cut in three, and small parts are said to be small', async () => {
    const { warnings, asked, out } = await run({ task: { data: file('q.jsonl', sums(30)) } });
    const parts = ['iteration-0/0-questions.jsonl', 'iteration-0/7-answers.jsonl', 'final/start-answers.jsonl'].map(
      asked,
    );
    expect(parts.map(({ length }) => length)).toEqual([24, 3, 3]);
    expect(new Set(parts.flat()).size).toBe(30);
    const small = warnings.filter((text) => /jsonl\/(valid|test) has 3 questions: one answer is 33 points/.test(text));
    expect(small).toHaveLength(2);
    expect(warnings.join()).not.toContain('train questions');
    const { rounds, final } = await readRun(out);
    expect(rounds[0]?.report?.warnings.join()).toContain('jsonl/valid has 3 questions');
    expect(rounds[1]?.report?.warnings.join()).not.toContain('has 3 questions');
    expect(final?.warnings.join()).toContain('jsonl/test has 3 questions');
  });

  it.each([
    [9, /Expected at least 10 different questions in .*few-9.jsonl to cut train, valid and test from, got 9/],
    [0, /empty file/],
  ])('with %d questions is refused before anything is written', async (size, message) => {
    await expect(run({ task: { data: file(`few-${size}.jsonl`, sums(size)) } })).rejects.toThrow(message);
    expect(() => readFileSync(join(folder, `run-${count}`, 'config.json'))).toThrow();
  });

  it('is the same file under another path', async () => {
    const data = file('linked.jsonl', sums(30));
    symlinkSync(data, join(folder, 'link.jsonl'));
    const { warnings, asked } = await run({
      task: { data },
      evaluate: { sets: [{ split: 'valid', data: join(folder, 'link.jsonl') }], final: [{ split: 'test', data }] },
    });
    expect(asked('final/start-answers.jsonl')).toHaveLength(3);
    expect(warnings.join()).not.toContain('train questions');
  });

  it('leaves another file whole', async () => {
    const { asked } = await run({
      task: { data: file('mine.jsonl', sums(30)) },
      evaluate: { sets: [{ split: 'valid' }], final: [{ split: 'test', data: file('exam.jsonl', sums(7, 500)) }] },
    });
    expect(asked('final/start-answers.jsonl')).toHaveLength(7);
  });
});

it('says where answers are whole sentences', async () => {
  const rows = sums(30).map((row, i) =>
    i % 2 ? { ...row, answer: `We add all of them up, and so the result must be ${row.answer} in the end.` } : row,
  );
  const { warnings } = await run({ task: { data: file('long.jsonl', rows) } });
  expect(warnings.join('\n')).toMatch(/1\d of 24 answers of jsonl have more than 8 words: only the very same words/);
});

describe('a folder for a run', () => {
  it('with a train file alone is cut in three; with a test file, train gives valid a tenth', async () => {
    for (const [name, sizes] of [
      ['lone', [24, 3, 3]],
      ['two', [27, 3, 5]],
    ] as const) {
      mkdirSync(join(folder, name));
      file(`${name}/train.jsonl`, sums(30));
      if (name === 'two') file('two/test.jsonl', sums(5, 500));
      const { asked } = await run({ task: { data: join(folder, name) } });
      const parts = ['iteration-0/0-questions.jsonl', 'iteration-0/7-answers.jsonl', 'final/start-answers.jsonl'].map(
        asked,
      );
      expect(parts[0]?.length).toBeLessThanOrEqual(sizes[0]);
      expect(parts[1]?.length).toBeGreaterThanOrEqual(sizes[1]);
      expect(parts[2]).toHaveLength(sizes[2]);
      expect(new Set(parts.flat()).size).toBe(name === 'two' ? 35 : 30);
    }
  });

  it('without the files that its last evaluation needs is refused before anything is computed', async () => {
    mkdirSync(join(folder, 'no-test'));
    file('no-test/train.jsonl', sums(30));
    file('no-test/valid.jsonl', sums(30, 500));
    await expect(run({ task: { data: join(folder, 'no-test') } })).rejects.toThrow(
      /Expected test.jsonl in .*got train.jsonl, valid.jsonl/,
    );
    expect(() => readFileSync(join(folder, `run-${count}`, 'config.json'))).toThrow();
  });
});

describe('questions that were seen before', () => {
  it('are counted for every set before the first stage begins, and stay in the reports', async () => {
    mkdirSync(join(folder, 'shared'));
    file('shared/train.jsonl', sums(30));
    file('shared/valid.jsonl', [...sums(2), ...sums(60, 500)]);
    file('shared/test.jsonl', [
      ...sums(5).map((row) => ({ ...row, question: `  ${row.question}\n` })),
      ...sums(55, 700),
    ]);
    const copy = file('copy.jsonl', [...sums(4), ...sums(60, 900)]);
    const { events, out, warnings } = await run({
      task: { data: join(folder, 'shared') },
      evaluate: { sets: [{ split: 'valid' }], final: [{ split: 'test' }, { split: 'valid', data: copy }] },
    });
    const shared = warnings.filter((text) => text.includes('are train questions, too'));
    expect(shared.map((text) => text.slice(0, text.indexOf(' are')))).toEqual([
      '2 of 62 questions of jsonl/valid',
      '5 of 60 questions of jsonl/test',
      '4 of 64 questions of jsonl/valid',
    ]);
    const firstWork = events.findIndex(({ type, stage }) => type === 'stage-start' && stage !== '0-inputs');
    expect(events.findLastIndex(({ message }) => message?.includes('train questions'))).toBeLessThan(firstWork);
    const { rounds, final } = await readRun(out);
    expect(rounds[0]?.report?.warnings[0]).toContain('2 of 62');
    expect(final?.warnings).toHaveLength(2);
  });

  it('are counted in a mixture, of whichever of its tasks they are', async () => {
    for (const name of ['mix', 'mix/jsonl', 'mix/gsm8k']) mkdirSync(join(folder, name));
    file('mix/jsonl/train.jsonl', sums(30));
    file('mix/jsonl/test.jsonl', sums(30, 500));
    const gsm8k = (rows: ReturnType<typeof sums>) =>
      rows.map(({ question, answer }) => ({ question, answer: `It is so.\n#### ${answer}` }));
    file('mix/gsm8k/train.jsonl', gsm8k(sums(30, 900)));
    file('mix/gsm8k/test.jsonl', gsm8k([...sums(30), ...sums(25, 300)]));
    const { warnings } = await run({ task: { name: 'jsonl+gsm8k', data: join(folder, 'mix') } });
    // Of the 30 that both files have, three are valid questions of jsonl.
    expect(warnings.join('\n')).toContain('27 of 85 questions of jsonl+gsm8k/test are train questions, too');
  });

  it('are counted among programs by their text, and by the code that they complete', () => {
    const problem = (question: string, prefix?: string): Question => ({
      ...{ id: question, task: 'code', question, answer: '', tests: { setup: '', cases: ['f()'], entryPoint: 'f' } },
      ...(prefix === undefined ? {} : { prefix }),
    });
    const tests = '\nYour code should pass these tests:\n';
    const train = [problem(`Write f.${tests}assert f() == 1`), problem('Complete the Python function g.', 'def g(x):')];
    const asked = [
      problem(`write  f.${tests}assert f() == 2`),
      problem('Complete the Python function g.', 'def g(y):'),
      problem('Complete the Python function g.', 'def g(x):'),
      problem('Write h.'),
    ];
    expect(sharedWarnings('code/test', asked, { train, shots: [], earlier: [] })).toEqual([
      '2 of 4 questions of code/test are train questions, too: right answers to them may be memory. Take them out of one of the two.',
    ]);
  });

  it('are counted where a file of worked examples shows them', async () => {
    const shotsFile = file('shots.jsonl', sums(4, 500));
    mkdirSync(join(folder, 'shown'));
    file('shown/train.jsonl', sums(30));
    file('shown/test.jsonl', [...sums(2, 500), ...sums(58, 700)]);
    const { warnings } = await run({ task: { data: join(folder, 'shown') }, prompt: { shots: 4, shotsFile } });
    expect(warnings.join('\n')).toContain('2 of 60 questions of jsonl/test are shown as worked examples');
  });

  it('are counted where the model comes from a run that trained on them', async () => {
    const first = await run({ task: { data: file('first.jsonl', sums(30)) } });
    const model = join(first.out, 'iteration-1', '6-policy');
    expect(await trainedOn({ model })).toMatchObject([{ run: first.out, questions: { length: 24 } }]);
    symlinkSync(model, join(folder, 'latest'));
    for (const path of [`${model}/`, join(folder, 'latest'), join(first.out, 'iteration-0', '6-policy')])
      expect(await trainedOn({ model: path })).toMatchObject([{ questions: { length: 24 } }]);
    expect(await trainedOn({ model: 'nowhere' })).toEqual([]);
    expect(await trainedOn({ model: join(first.out, 'iteration-0', '0-model') })).toEqual([]);
    mkdirSync(join(folder, 'next'));
    file('next/train.jsonl', sums(30, 500));
    file('next/test.jsonl', sums(30));
    const { warnings, out } = await run({ model, task: { data: join(folder, 'next') } });
    expect(warnings.join('\n')).toMatch(/24 of 30 questions of jsonl\/test were train questions of the run run-\d+,/);
    const both = await trainedOn({ model: 'base', adapter: join(out, 'iteration-1', '6-policy') });
    expect(both.map(({ run: dir }) => dir)).toEqual([out, first.out]);
  });
});
