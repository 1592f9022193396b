// Completions and solutions -> checks of steps, pieces, prompts and of which duplicates go.
import { expect, test } from 'vitest';
import { editDistance } from '../../nearest.ts';
import { distinctPaths } from '../math/distinct.ts';
import { goldSteps, isAnswerLine, questionPrompt, splitSteps, stepPieces } from './steps.ts';

test('an answer line belongs to the step before it', () => {
  expect(splitSteps('a\n\n  b \nThe answer is 12\n')).toEqual(['a', 'b\nThe answer is 12']);
  expect(splitSteps('The answer is 12')).toEqual(['The answer is 12']);
  expect(splitSteps('a\n#### 3\nmore')).toEqual(['a\n#### 3', 'more']);
  expect(splitSteps(' \n ')).toEqual(['']);
  for (const line of ['So the answer is 3.', '**Answer:** 3', 'Therefore, the final answer is 3', '#### 3']) {
    expect(isAnswerLine(line), line).toBe(true);
  }
  expect(isAnswerLine('The answers given add up')).toBe(false);
});

test.each([
  '',
  '\n',
  'a',
  'a\nb',
  'a\nThe answer is 1',
  'The answer is 1\nThe answer is 2\nc',
  '  x  \n\n#### 4',
  'a\r\nb\r\n',
])('splitting is stable on %j', (text) => {
  const steps = splitSteps(text);
  expect(steps.length).toBeGreaterThan(0);
  expect(splitSteps(stepPieces(steps).join(''))).toEqual(steps);
  expect(stepPieces(steps).every((piece) => piece.endsWith('\n'))).toBe(true);
});

test('worked solutions end in one answer line', () => {
  expect(goldSteps(['a 3*4=12', '', ' b ', '#### 1,080'], '1080')).toEqual(['a 3*4=12', 'b\nThe answer is 1080']);
  expect(goldSteps(['a\nThe answer is $5'], '5')).toEqual(['a\nThe answer is 5']);
  expect(goldSteps([], '5')).toEqual(['The answer is 5']);
});

test('prompts show worked examples in the format of training', () => {
  expect(questionPrompt(' Q? ')).toBe('Question: Q?\nAnswer:\n');
  const steps = ['a', 'b\nThe answer is 1'];
  expect(questionPrompt('Q?', [{ question: 'P?', steps }])).toBe(
    'Question: P?\nAnswer:\na\nb\nThe answer is 1\n\nQuestion: Q?\nAnswer:\n',
  );
});

test('paths with the same equations are one; the farthest from those kept stays', () => {
  const near = ['Tom has 3+4=<<3+4=7>>7 apples', 'The answer is 7'];
  const far = ['In all we get <<3+4=7>>7', 'The answer is 7'];
  const other = ['Tom has 3+5=<<3+5=8>>8 apples', 'The answer is 8'];
  expect(distinctPaths([near, far, other])).toEqual([1, 2]);
  expect(distinctPaths([far, near, other])).toEqual([0, 2]);
  expect(distinctPaths([near, near, near])).toEqual([0]);
  expect(distinctPaths([['so 3+4 = 7'], ['thus 3 + 4 = 7'], ['4+3 = 7']])).toEqual([1, 2]);
});

test('without equations the text decides, and empty paths match nothing', () => {
  expect(distinctPaths([['It is  seven.'], ['it is seven'], ['it is eight']])).toEqual([0, 2]);
  expect(distinctPaths([[''], [''], ['...']])).toEqual([0, 1, 2]);
  expect(distinctPaths([])).toEqual([]);
});

test('edit distance over words', () => {
  expect(editDistance(['a', 'b', 'c'], ['a', 'x', 'c', 'd'])).toBe(0.5);
  expect(editDistance([], [])).toBe(0);
  expect(editDistance(['a'], [])).toBe(1);
  expect(editDistance(Array(100_000).fill('a'), Array(100_000).fill('b'))).toBe(1);
});
