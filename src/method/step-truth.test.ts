// Steps of tasks with and without true steps -> what is true, false, or not to be checked.
import { describe, expect, test } from 'vitest';
import { openTasks, taskNamed } from '../tasks/index.ts';
import { isSound, stepTruth } from './step-truth.ts';

const question = { id: 'q', task: 'gsm8k', question: 'Two and two, twice?', answer: '8' };

describe('exact equations, where the task knows no true steps', () => {
  test.each([
    [
      ['<<2+2=4>>4', '<<4*2=8>>8\nThe answer is 8'],
      [true, true],
    ],
    [
      ['<<2+2=5>>5 and <<1+1=2>>2', 'The answer is 8'],
      [false, null],
    ],
    [
      ['1/3=0.33', '2+2=4'],
      [false, true],
    ],
    [
      ['<<2+=4>>', ''],
      [null, null],
    ],
    // A step is read by itself: the annotation of the first does not hide the sum of the second.
    [
      ['<<2+2=4>>4', 'so 4*2=9'],
      [true, false],
    ],
  ])('%j: %j', (steps, truth) => {
    expect(stepTruth(taskNamed('gsm8k'), question, steps)).toEqual(truth);
  });

  test('of code there is nothing to check', () => {
    const steps = ['def f(x):\n    y = x\n', '    return y\n'];
    expect(stepTruth(taskNamed('mbpp'), { ...question, task: 'mbpp' }, steps)).toEqual([null, null]);
  });
});

test('true steps, where the task knows them: a true equation that leads nowhere is false', async () => {
  await using tasks = openTasks();
  const mini = tasks.named('mini');
  const [known] = await mini.load({ split: 'test', limit: 1 });
  const gold = known!.solution!;
  expect(stepTruth(mini, known!, gold)).toEqual(gold.map(() => true));
  expect(stepTruth(mini, known!, ['nothing <<1+1=2>>2', ...gold])[0]).toBe(false);
  // Of a mixture, the question's own task is asked; another question of the same task has its equations alone.
  const mixture = tasks.named('mini+gsm8k');
  expect(stepTruth(mixture, known!, gold)).toEqual(gold.map(() => true));
  expect(stepTruth(mixture, question, ['<<1+1=2>>2', 'x'])).toEqual([true, null]);
  expect(stepTruth(mini, { ...known!, id: 'own/1', solution: undefined }, ['<<1+1=2>>2'])).toEqual([true]);
});

test('sound: right, and no step false', () => {
  expect(isSound(true, [true, null])).toBe(true);
  expect(isSound(true, [true, false, true])).toBe(false);
  expect(isSound(false, [true])).toBe(false);
});
