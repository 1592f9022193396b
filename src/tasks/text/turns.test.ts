// Completions that run on into another turn -> the model's first turn, in linear time.
import { describe, expect, test } from 'vitest';
import { firstTurn } from './turns.ts';

const isAnswered = (before: string): boolean => /\d/.test(before);

test.each([
  // The next question or turn ends it.
  ...[
    '\nQuestion: 9',
    '\nQuestion 2: 9',
    '\nQuestion #2: 9',
    '\nQuestion：9',
    '\nquestion: 9',
    '\nQ: 9',
    '\nQ2: 9',
    '\nQ2. 9',
    '\n Q 2: 9',
    '\nProblem: 9',
    '\nProblem 3: 9',
    '\nProblem 3. 9',
    '\nProblem 3\n9',
    '\nExercise 4) 9',
    '\nExercise: 9',
    '\nNext question: 9',
    '\nFollow-up question: 9',
    '\nHuman: 9',
    '\nUser: 9',
    '\nUSER: 9',
    '\nInstruction: 9',
    '\n### Instruction:\n9',
    '\n### Instruction\n9',
    '\n### Input:\n9',
    '\n## Problem\n9',
    '\n# Exercise 5\n9',
    '\n**Question:** 9',
    '\n**Question**: 9',
    '\n**Question 2**\n9',
    '\n__Q:__ 9',
    '\n> **Problem 2:** 9',
    '\nuser\n9',
    '\nhuman\n9',
    '\nassistant\n9',
    '<|im_end|>\n<|im_start|>user\n9',
    '<|im_start|>user\n9',
    '<|endoftext|>9',
    '<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n9',
    '<|user|>9',
    '</s>9',
    '</s> [INST] 9 [/INST]',
    '[INST] 9 [/INST]',
    '<eos>9',
    '<end_of_turn>\n<start_of_turn>user\n9',
    '<turn|>\n<|turn>user\n9',
    '<｜end▁of▁sentence｜>9',
    '<｜User｜>9',
    '[|endofturn|]\n[|user|]9',
    '[EOS]9',
    '<|return|>9',
  ].map((rest) => [`3+4 is 7${rest}`, '3+4 is 7']),
  ['It is 7.assistant\n9', 'It is 7.'],
  ['It is 7. Question: 9', 'It is 7.'],
  ['It is 7. Q: 9', 'It is 7.'],
  // The question first, or a chat from its beginning.
  ['Question: 3+4?\nAnswer: 7', 'Answer: 7'],
  ['Question: 3+4? Answer: 7', 'Answer: 7'],
  ['Question: 3+4?\n3+4 is 7', '3+4 is 7'],
  ['Question: Tom has 3.\nHe buys 4. How many?\n3+4 is 7', '3+4 is 7'],
  ['Question:\nTom has 3 and buys 4.\nHow many?\n\nIt is 7', 'It is 7'],
  ['Question: 3+4? The answer is 7', '3+4? The answer is 7'],
  ['Question: 3+4?', ''],
  ['**Problem:** 3+4?\n\n**Solution:** 7', '**Solution:** 7'],
  ['Let me repeat it.\nQuestion: 3+4?\nAnswer: 7', 'Answer: 7'],
  ['Question: 3+4?\nQuestion: 3+4?\nAnswer: 7', 'Answer: 7'],
  ['Question: 3+4?\nAnswer: 7\nQuestion: 8+1?\nAnswer: 9', 'Answer: 7'],
  ['Question: 3+4?\nIt is 7\nQuestion: 8+1?\nAnswer: 9', 'It is 7'],
  ['Q1: 3+4?\nA1: 7\nQ2: 8+1?\nA2: 9', 'A1: 7'],
  ['Human: 3+4?\n\nAssistant: 7\n\nHuman: 8+1?\n\nAssistant: 9', 'Assistant: 7'],
  ['### Instruction:\n3+4?\n\n### Response:\n7\n\n### Instruction:\n8+1?', '### Response:\n7'],
  ['<|im_start|>user\n3+4?<|im_end|>\n<|im_start|>assistant\n7<|im_end|>', '7'],
  ['<|start_header_id|>assistant<|end_header_id|>\n\n7<|eot_id|>9', '7'],
  ['<|user|>\n3+4?<|end|>\n<|assistant|>\n7<|end|>', '7'],
  ['[INST] 3+4? [/INST] 7 </s>', '7'],
  ['<s>7</s>', '7'],
  ['assistant\n\n7', '7'],
  ['user\n3+4?\nassistant\n7\nuser\n9', '7'],
  // Content of its own.
  ['It is <|begin_of_box|>7<|end_of_box|>.', 'It is <|begin_of_box|>7'],
  ['<|begin_of_solution|>7<|end_of_solution|>9', '<|begin_of_solution|>7'],
  ['The text "<|im_end|>" ends 7', 'The text "<|im_end|>" ends 7'],
  ['A question: is it 7?', 'A question: is it 7?'],
  ['Problem solved: 7', 'Problem solved: 7'],
  ['### Problem analysis\n7', '### Problem analysis\n7'],
  ['The question is 7', 'The question is 7'],
])('firstTurn(%j) is %j', (text, expected) => {
  expect(firstTurn(text!, { isAnswered }).trim()).toBe(expected);
});

describe('text that may hold a program', () => {
  test.each([
    ['    return x\n<|endoftext|>', '    return x\n'],
    ['    return x<|endoftext|>', '    return x'],
    ['def f(x):\n    return x\n<|im_end|>\n<|im_start|>user\nThanks', 'def f(x):\n    return x\n'],
    ['def f(x):\n    return x\n\nQuestion: more?', 'def f(x):\n    return x\n\n'],
    ['def f(x):\n    return x\n### Instruction:\nmore', 'def f(x):\n    return x\n'],
  ])('%j ends at %j', (text, expected) => {
    expect(firstTurn(text, { program: true })).toBe(expected);
  });

  test.each([
    'class A:\n    question: str\n    user: str\n',
    'def f(\n    user: str,\n):\n    return user\n',
    'question: str = input()\n',
    '# Question: why?\nx = 1\n',
    'x = 1  # Done. Question: why?\n',
    'return text.replace("</s>", "").split("<|im_end|>")[0]',
  ])('%j is one turn', (text) => {
    expect(firstTurn(text, { program: true })).toBe(text);
  });
});

test.each([
  '<|a|>',
  '</s>',
  'Q: a\n',
  'Question: a?\n',
  'Problem 1\n',
  'a?\n',
  'user\n',
  '\n**',
  '\n# ',
  '[INST]',
  '"',
  '`a',
  '<',
])('linear time: %j again and again', (piece) => {
  const cost = (length: number): number => {
    const text = piece.repeat(length / piece.length);
    const start = process.cpuUsage();
    firstTurn(text, { isAnswered: () => false });
    return process.cpuUsage(start).user / 1000;
  };
  cost(10_000); // warm-up
  const ratio = () => cost(240_000) / Math.max(cost(30_000), 1);
  expect([1, 2, 3, 4, 5].some(() => ratio() < 28)).toBe(true);
});
