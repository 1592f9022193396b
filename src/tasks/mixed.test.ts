// Two tasks -> their mixture: each question is graded by its own task.
import { expect, test } from 'vitest';
import { sumsTask } from '../../test/scripted-sums.ts';
import type { Question } from '../records.ts';
import { taskOf } from '../task.ts';
import { openTasks } from './index.ts';
import { createMixed } from './mixed.ts';

const none = () => {
  throw new Error('No program is graded here.');
};

test('questions of all tasks, each put and graded by its own', async () => {
  await using tasks = openTasks({ sandbox: none });
  const mixed = tasks.named('mini+mini-code');
  const questions = await mixed.load({ split: 'valid', limit: 3 });
  expect(questions.map(({ task }) => task)).toEqual(['mini', 'mini', 'mini', 'mini-code', 'mini-code', 'mini-code']);
  for (const question of questions) {
    const own = taskOf(mixed, question);
    expect(own).toBe(tasks.named(question.task));
    expect(mixed.prompt(question)).toBe(own.prompt(question));
    expect(own.split(own.pieces(question.solution!).join(''))).toEqual(question.solution);
    expect(mixed.trueSteps?.(question, question.solution!)).toEqual(question.solution!.map(() => true));
  }
  expect(mixed.maxTokens).toBe(128);
  const [first] = questions as [Question];
  expect(await mixed.grade(first, `The answer is ${first.answer}`, 'stop')).toMatchObject({
    outcome: { kind: 'right' },
  });
});

test('an id that two tasks share is refused: records name questions by id', async () => {
  const same = createMixed([sumsTask, { ...sumsTask, name: 'other' }]);
  await expect(same.load({ split: 'valid', limit: 1 })).rejects.toThrow(/ids that differ between the tasks/);
});

test('what is of no member is refused; a text alone belongs to none', () => {
  const mixed = createMixed([sumsTask, { ...sumsTask, name: 'other' }]);
  expect(() => mixed.prompt({ task: 'gsm8k', question: 'x' })).toThrow(
    /Expected a question of sums or other, got one of gsm8k/,
  );
  expect(() => mixed.prompt({ question: 'x' })).toThrow(/got one of no task/);
  expect(() => mixed.pieces(['x'])).toThrow(/taskOf\(sums\+other, question\)/);
  expect(() => createMixed([sumsTask, sumsTask])).toThrow(/Name each once/);
  expect(() => createMixed([sumsTask])).toThrow(/Expected different tasks joined by \+/);
});

test('it disposes of its members, and a test set cannot be trained on', async () => {
  let disposed = 0;
  const member = {
    ...sumsTask,
    name: 'held',
    async [Symbol.asyncDispose]() {
      disposed += 1;
    },
  };
  const mixed = createMixed([sumsTask, member]);
  await mixed[Symbol.asyncDispose]?.();
  expect(disposed).toBe(1);
  await using tasks = openTasks({ sandbox: none });
  await expect(tasks.named('mini+humaneval').load({ split: 'train' })).rejects.toThrow(
    /humaneval, which is a test set only/,
  );
  expect(() => tasks.named('mini+nothing')).toThrow(/Expected a task/);
});
