// What is said of a file's answers before anything is computed.
import { describe, expect, it } from 'vitest';
import { answerWarnings } from './question-sets.ts';

const question = (id: string, text: string, answer: string) => ({ id, task: 'jsonl', question: text, answer });

describe('answers of one file', () => {
  it.each([
    [
      'two answers to one question',
      [question('a', '2+3?', '5'), question('b', ' 2+3? ', '6')],
      [/^1 questions of x .*"2\+3\?"/],
    ],
    ['the same question and answer twice', [question('a', '2+3?', '5'), question('b', '2+3?', '5')], []],
    ['programs, which tests decide', [question('a', 'f', ''), question('b', 'f', '')], []],
    [
      'a whole sentence',
      [question('a', 'q', 'It is five, as two and three are five.')],
      [/^1 of 1 answers of x .*8 words/],
    ],
  ])('%s', (_name, questions, expected) => {
    expect(answerWarnings('x', questions)).toEqual(expected.map((text) => expect.stringMatching(text)));
  });
});
