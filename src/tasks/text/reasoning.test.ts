// Completions with reasoning blocks of several model families -> what is left, in linear time.
import { expect, test } from 'vitest';
import { withoutReasoning } from './reasoning.ts';

test.each([
  // One block, in each spelling.
  ['<think>5</think>7', '7'],
  ['<THINK>5</THINK>7', '7'],
  ['<think >5</think >7', '7'],
  ['< think >5</ think >7', '7'],
  ['<thinking effort="high">5</thinking>7', '7'],
  ['<reasoning>5</reasoning>7', '7'],
  ['<thought>5</thought>7', '7'],
  ['<scratchpad>5</scratchpad>7', '7'],
  ['<inner_monologue>5</inner_monologue>7', '7'],
  ['<seed:think>5</seed:think>7', '7'],
  ['[THINK]5[/THINK]7', '7'],
  ['◁think▷5◁/think▷7', '7'],
  ['&lt;think&gt;5&lt;/think&gt;7', '7'],
  ['<|begin_of_thought|>5<|end_of_thought|>7', '7'],
  ['<|START_THINKING|>5<|END_THINKING|>7', '7'],
  ['<｜begin▁of▁thought｜>5<｜end▁of▁thought｜>7', '7'],
  ['<|channel|>analysis<|message|>5<|end|><|start|>assistant<|channel|>final<|message|>7', '7'],
  ['analysisIt is 5.assistantfinal7', '7'],
  ['<think/>7', '7'],
  ['<think></think>7', '7'],
  // Several, nested, repeated, closed by another name.
  ['<think>5</think>6<think>8</think>7', '6\n7'],
  ['<think>5<think>6</think>8</think>7', '7'],
  ['<reasoning>5<think>6</think>8</reasoning>7', '7'],
  ['<think>\n<think>\n5</think>7', '7'],
  ['<thinking>5</think>7', '7'],
  ['<reasoning>5</think>7', '7'],
  ['<think>then <reasoning> comes</think><reasoning>6</reasoning>7', '7'],
  // Not closed, or not opened.
  ['7 <think>5', '7 '],
  ['<think>5', ''],
  ['<think>5 <think>6</think> 8', ''],
  ['5</think>7', '7'],
  ['5</think>6</think>7', '7'],
  ['<think>the end is </think>, I guess. 5</think>7', '7'],
  ['5</think>', ''],
  ['<think>5</think>7</think>', '7\n'],
  ['<think>5</think>7</think>\n<|im_end|>', '7\n<|im_end|>'],
  // Neighbours stay apart, lines and indentation stay.
  ['1<think>5</think>2', '1\n2'],
  ['<think>5</think>\n    return x\n', '\n    return x\n'],
  // A draft that was cut within a fence or a string.
  ['```python\ndef f(\n</think>\n```python\n7\n```', '\n```python\n7\n```'],
  ['"""Draft\n</think>\n"""7"""', '\n"""7"""'],
  ['<think>\n```\n5\n</think>\n```\n7\n```', '\n```\n7\n```'],
])('withoutReasoning(%j) is %j', (text, expected) => {
  expect(withoutReasoning(text)).toBe(expected);
});

test.each([
  'no tag at all',
  'Use the `<think>` tag: 7.',
  'return re.sub(r"<think>.*?</think>", "", text)',
  "return text.split('</think>')[-1]",
  '# remove <think> blocks\nreturn 7',
  'x = 7  # up to </think>',
  '"""Keeps what follows </think>."""\nx = 7',
  'TEMPLATE = """\n<think>\n{x}\n</think>\n"""',
  '```python\n# <think>\nreturn text.split("</think>")\n```',
  'return [think]',
  'a <thinker> or <rethink> or <thinking_budget>',
])('a mention is no block: %j', (text) => {
  expect(withoutReasoning(text)).toBe(text);
});

test('a tag in quotes within a block does not close it', () => {
  expect(withoutReasoning('<think>I end with "</think>" and `</think>`. 5</think>7')).toBe('7');
});

test.each([
  '<think>',
  '</think>',
  '<think></think>',
  '<think>a',
  '</cot><think>',
  '"',
  "' ",
  '`a',
  '```',
  '"""',
  '\n```</think>',
  '<think ',
  '<',
  '# <think>',
  '[THINK]\n',
  '<|channel|>',
])('linear time: %j again and again', (piece) => {
  const cost = (length: number): number => {
    const text = `${piece.repeat(length / piece.length)}</think>7`;
    const start = process.cpuUsage();
    withoutReasoning(text);
    return process.cpuUsage(start).user / 1000;
  };
  cost(10_000); // warm-up
  const ratio = () => cost(240_000) / Math.max(cost(30_000), 1);
  expect([1, 2, 3, 4, 5].some(() => ratio() < 28)).toBe(true);
});
