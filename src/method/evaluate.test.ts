// Graded answers -> accuracy, pass@k and what could not be graded.
import { expect, test } from 'vitest';
import { sumsTask, writeSum } from '../../test/scripted-sums.ts';
import { createScriptedBackend } from '../backends/scripted.ts';
import { triesOf } from '../statistics/pass-at.ts';
import type { Task } from '../task.ts';
import { answerUnit } from './evaluate.ts';

const set = (task: Task) => ({
  task,
  split: 'test',
  prompt: (q: { question: string }) => task.prompt(q),
  questions: [],
});

async function draw(count: number, change: { task?: Task; seed?: number; samples?: number } = {}) {
  await using policy = await createScriptedBackend({ write: writeSum }).openPolicy({ model: 'base' });
  const questions = await sumsTask.load({ split: 'test', limit: count });
  const items = questions.map((question) => ({ set: set(change.task ?? sumsTask), question }));
  return await answerUnit(items, {
    policy,
    options: { maxTokens: null, gradeRetries: 1 },
    sampled: { count: change.samples ?? 6, temperature: 1, seed: change.seed ?? 1 },
  });
}

test('samples come question by question, and depend on seed and question alone', async () => {
  const { records, counts } = await draw(8);
  expect(records.map(({ questionId, sample }) => `${questionId} ${sample}`)).toEqual(
    Array.from({ length: 48 }, (_, i) => `test-${Math.floor(i / 6)} ${i % 6}`),
  );
  expect((await draw(3)).records).toEqual(records.slice(0, 18));
  expect((await draw(8, { seed: 2 })).records).not.toEqual(records);
  const texts = new Set(records.slice(0, 6).map(({ completion }) => completion));
  expect(texts.size).toBeGreaterThan(1);
  expect(counts.generatedTokens).toBeGreaterThan(0);
  const tries = triesOf(records);
  expect(tries).toHaveLength(8);
  expect(tries.every(({ n }) => n === 6)).toBe(true);
});

test('what could not be graded is no try', async () => {
  let calls = 0;
  const grade = () => {
    calls += 1;
    return { extracted: null, outcome: { kind: 'error', reason: 'outage' } } as const;
  };
  const { records } = await draw(2, { task: { ...sumsTask, grade }, samples: 3 });
  expect(calls).toBe(12);
  expect(triesOf(records)).toEqual([
    { n: 0, correct: 0 },
    { n: 0, correct: 0 },
  ]);
});
