// Records with choices, and completions that pick one -> what is read, refused and graded.
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { taskNamed } from '../index.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-choices-'));
});

async function load(task: string, ...rows: readonly unknown[]) {
  const data = join(folder, 'rows.jsonl');
  await writeFile(data, rows.map((row) => (typeof row === 'string' ? row : JSON.stringify(row))).join('\n'));
  return taskNamed(task).load({ data, split: 'test' });
}

const MMLU = {
  question: 'What is the value of p in 24 = 2p?',
  subject: 'elementary_mathematics',
  choices: ['p = 4', 'p = 8', 'p = 12', 'p = 24'],
  answer: 2,
};
const SHOWN = `${MMLU.question}\nA) p = 4\nB) p = 8\nC) p = 12\nD) p = 24`;

test.each(['mmlu-math', 'jsonl', 'math', 'math-500'])(
  "%s: MMLU's own record is a question with options",
  async (name) => {
    const task = taskNamed(name);
    const [question] = await load(name, MMLU);
    expect(question).toMatchObject({ question: SHOWN, answer: '12', choices: MMLU.choices });
    const outcome = async (text: string) => (await task.grade(question!, text, 'stop')).outcome.kind;
    for (const right of ['The answer is p = 12', 'The answer is 12', 'The answer is C', 'C', '12']) {
      expect(await outcome(right), right).toBe('right');
    }
    for (const wrong of ['The answer is 2', '2', 'The answer is B', 'The answer is 24', 'p = 8', 'c + 12 = 13']) {
      expect(await outcome(wrong), wrong).toBe('wrong');
    }
    expect(task.prompt(question!)).toBe(`Question: ${SHOWN}\nAnswer:\n`);
  },
);

test.each([
  [{ possible_answers: ['a', 'b'], answer: 1 }, 'possible_answers'],
  [{ answer_choices: ['a', 'b'], answer: 1 }, 'answer_choices'],
  [{ endings: ['a', 'b'], answer: '1' }, 'endings'],
  [{ option_a: 'x', option_b: 'y', answer: 'b' }, 'option_a'],
  [{ opa: 'x', opb: 'y', answer: 1 }, 'opa'],
  [{ option1: 'x', option2: 'y', answer: '2' }, 'option1'],
])('options under another name are refused: %j', async (fields, name) => {
  for (const task of ['mmlu-math', 'jsonl', 'math']) {
    await expect(load(task, { question: 'Which?', ...fields })).rejects.toThrow(
      `in the field "choices" (a list), got "${name}"`,
    );
  }
  expect(await load('jsonl', { question: 'Which?', answer: '5', endings: 'none', option_a: 'x' })).toHaveLength(1);
});

test('a solution ends with the letter', async () => {
  const [question] = await load('jsonl', { ...MMLU, solution: 'p = 24/2 = 12' });
  expect(question?.solution).toEqual(['p = 24/2 = 12\nThe answer is C']);
  const task = taskNamed('jsonl');
  expect(await task.grade(question!, question!.solution!.join('\n'), 'stop')).toMatchObject({
    outcome: { kind: 'right' },
  });
});

test.each([
  ['an index', { choices: ['4', '8', '12'], answer: 1 }, ['4', '8', '12'], '8'],
  [
    'an index that is also the text of an option, as in MMLU',
    { choices: ['0', '4', '2', '6'], answer: 1 },
    undefined,
    '4',
  ],
  ['a letter', { choices: ['4', '8', '12'], answer: 'C' }, undefined, '12'],
  ['a letter in brackets', { choices: ['4', '8', '12'], answer: '(C)' }, undefined, '12'],
  ['a text', { choices: ['red', 'green'], answer: 'green' }, undefined, 'green'],
  ['a text in another case', { choices: ['Red', 'Green'], answer: 'green' }, undefined, 'Green'],
  ['the number of an option', { choices: ['4 m', '8 m'], answer: '8' }, undefined, '8'],
  ['a number that is no index', { choices: ['4', '8'], answer: 8 }, undefined, '8'],
  ['a letter with its text', { choices: ['4', '8', '12'], answer: 'B) 8' }, undefined, '8'],
  ['options that are numbers', { choices: [4, 8.5], answer: 'B' }, ['4', '8.5'], '8.5'],
  [
    'long numbers',
    '{"question":"q?","choices":[9007199254740992,9007199254740993],"answer":"B"}',
    ['9007199254740992', '9007199254740993'],
    '9007199254740993',
  ],
  ['the field options', { options: ['4', '8'], answer: 'A' }, ['4', '8'], '4'],
  ['options with letters', { options: ['A)21', 'B)21.5', 'C)22'], answer: 'B' }, ['21', '21.5', '22'], '21.5'],
  ['a dictionary', { options: { B: 'two', A: 'one' }, answer: 'B' }, ['one', 'two'], 'two'],
  ["ARC's", { choices: { text: ['air', 'sun'], label: ['1', '2'] }, answer: '2' }, ['air', 'sun'], 'sun'],
  ["ARC's key", { choices: { text: ['air', 'sun'], label: ['A', 'B'] }, answerKey: 'B' }, ['air', 'sun'], 'sun'],
  [
    'labels with each option',
    {
      choices: [
        { label: 'A', text: 'air' },
        { label: 'B', text: 'sun' },
      ],
      answer: 'B',
    },
    ['air', 'sun'],
    'sun',
  ],
  ["GSM-MC's columns", { A: 4, B: '8', C: 12, D: 9, answer: 'C' }, ['4', '8', '12', '9'], '12'],
  ['equal numbers with other units', { choices: ['5 cm', '5 m'], answer: 1 }, undefined, '5 m'],
  ['a worked solution in the answer', { choices: ['4', '8'], answer: '2*4 = 8\n#### 8' }, undefined, '8'],
])('%s', async (_name, row, options, answer) => {
  const [question] = await load('jsonl', typeof row === 'string' ? row : { question: 'q?', ...row });
  expect(question?.answer).toBe(answer);
  if (options !== undefined) expect(question?.choices).toEqual(options);
});

test.each([
  ['no options', { choices: [], answer: 0 }, /2 to 26 options in .* line 1, field "choices", got \[\]/],
  ['one option', { choices: ['4'], answer: 0 }, /2 to 26 options/],
  [
    'an empty option',
    { choices: ['4', ' '], answer: 0 },
    /the text of an option in .* line 1, field "choices\[1\]", got " "/,
  ],
  ['an option that is no text', { choices: ['4', null], answer: 0 }, /field "choices\[1\]", got null/],
  ['equal options', { choices: ['4', '8', '4'], answer: 0 }, /different options in .* field "choices", got "4"/],
  [
    'a text of options',
    { choices: 'A) 4 B) 8', answer: 0 },
    /a list of options, .* field "choices", got "A\) 4 B\) 8"/,
  ],
  [
    'an index out of range',
    { choices: ['p', 'q'], answer: 2 },
    /its index \(0 to 1, a number\) .* field "answer", got 2/,
  ],
  ['a negative index', { choices: ['p', 'q'], answer: -1 }, /field "answer", got -1/],
  ['half an index', { choices: ['p', 'q'], answer: 0.5 }, /field "answer", got 0.5/],
  ['a letter out of range', { choices: ['p', 'q'], answer: 'C' }, /its letter \(A to B\).* field "answer", got "C"/],
  ['another text', { choices: ['p', 'q'], answer: 'r' }, /field "answer", got "r"/],
  ['an index in quotes', { choices: ['p', 'q'], answer: '1' }, /field "answer", got "1"/],
  ['a letter with the text of another', { choices: ['4', '8', '12'], answer: 'B) 12' }, /field "answer", got "B\) 12"/],
  ['no answer', { choices: ['p', 'q'] }, /field "answer", got nothing/],
  ['several answers', { choices: ['p', 'q'], answer: ['A', 'B'] }, /field "answer", got \["A","B"\]/],
  [
    'a letter that is the text of another option',
    { choices: ['B', 'A'], answer: 'A' },
    /both a letter and a text fit.* got "A"/,
  ],
  ['a number that is index and option', { choices: [1, 2, 3], answer: 1 }, /both an index and an option fit.* got 1/],
  [
    'labels without their options',
    { choices: { text: ['p', 'q'], label: ['A'] }, answer: 'A' },
    /2 different labels .* field "choices.label"/,
  ],
  ['both fields', { choices: ['p', 'q'], options: ['p', 'q'], answer: 'A' }, /the options in one field/],
])('%s is refused with its place', async (_name, row, message) => {
  await expect(load('jsonl', { question: 'q?', ...row })).rejects.toThrow(message);
});

describe('grading', () => {
  const task = taskNamed('jsonl');
  const graded = async (choices: string[], answer: unknown, text: string, finish: 'stop' | 'length' = 'stop') => {
    const [question] = await load('jsonl', { question: 'q?', choices, answer });
    const { extracted, outcome } = await task.grade(question!, text, finish);
    return { extracted, kind: outcome.kind };
  };
  const numbers = ['3', '8', '0', '2'];

  test.each([
    'B',
    'B)',
    '(B)',
    'B.',
    'B) 8',
    '(B) 8',
    'B. 8',
    'B: 8',
    'option B',
    'Option (B)',
    'The answer is B',
    'The answer is B.',
    'The answer is (B).',
    'The answer is B) 8',
    'The answer is B, 8',
    'The answer is B (8)',
    'The answer is 8',
    'The answer is 8.0',
    'the answer is option B',
    'Answer: B',
    'Answer: (B) 8',
    '\\boxed{B}',
    '\\boxed{\\text{B}}',
    '\\boxed{\\text{(B)}}',
    '$\\boxed{B) 8}$',
    '\\boxed{8}',
    '\\text{B}',
    '8',
    'So it is 4+4 = 8',
    'The correct option is B.',
    'The correct answer is B because 4+4 = 8.',
    '**B**',
    'The answer is **B) 8**',
    '4+4 = 8\nB',
    '4+4 = 8\n(B) 8',
    'B) 8\n\nQuestion: next?\nAnswer: C',
    'The answer is b) 8',
    '#### B',
    'The answer is B, which is 8.',
    '<think>Perhaps C.</think>The answer is B',
  ])('%j picks B', async (text) => {
    expect(await graded(numbers, 1, text)).toEqual({ extracted: 'B', kind: 'right' });
  });

  test.each([
    'A',
    'C',
    'D',
    'The answer is 3',
    'The answer is 2',
    '1',
    'The answer is 1',
    'B) 3',
    'The answer is (B) 2',
    'C) 8',
    'The answer is C, 8',
    'E',
    'The answer is E',
    '',
    'I do not know',
    'A or B',
    'The answer is A or B',
    'The answer is 88',
    'The answer is -8',
    'B) 9',
    'The answer is B) 9',
    '\\boxed{C}',
    'both B and C',
    'The answer is not B',
    'Be careful',
    'A total of 8 minus 8 = 0',
  ])('%j does not', async (text) => {
    expect((await graded(numbers, 1, text)).kind).toBe('wrong');
  });

  test('letters that are texts of options', async () => {
    const grades = ['B', 'C', 'A', 'D'];
    for (const text of ['C) A', '(C)', 'The answer is option C', 'C) A'])
      expect((await graded(grades, 2, text)).kind, text).toBe('right');
    // The lone letter names two options.
    for (const text of ['A', 'B', 'C', 'The answer is A', 'B) C', '(A)', 'A) B']) {
      expect((await graded(grades, 2, text)).kind, text).toBe('wrong');
    }
    const same = ['A', 'B', 'C', 'D'];
    expect((await graded(same, 2, 'The answer is C')).kind).toBe('right');
  });

  test('texts', async () => {
    const texts = ['none of these', 'p = 12', '\\frac{1}{2}', 'x > 3'];
    for (const [index, text] of [
      [0, 'The answer is none of these'],
      [0, 'None of these.'],
      [2, 'The answer is 1/2'],
      [2, '\\boxed{\\frac{1}{2}}'],
      [3, 'The answer is x > 3'],
      [3, 'The answer is $x>3$.'],
    ] as const) {
      expect((await graded(texts, index, text)).kind, text).toBe('right');
      expect((await graded(texts, (index + 1) % 4, text)).kind, text).toBe('wrong');
    }
    expect((await graded(['5 cm', '5 m'], 1, 'The answer is 5 m')).kind).toBe('right');
    expect((await graded(['5 cm', '5 m'], 1, 'The answer is 5 cm')).kind).toBe('wrong');
    expect((await graded(['5 cm', '5 m'], 1, 'The answer is 5')).kind).toBe('wrong');
  });

  test('a text cut at the limit counts where it has stated its answer', async () => {
    expect(await graded(numbers, 1, 'The answer is B) 8. Because', 'length')).toMatchObject({ kind: 'right' });
    expect(await graded(numbers, 1, 'B)', 'length')).toMatchObject({ kind: 'right' });
    expect(await graded(numbers, 1, 'B', 'length')).toEqual({ extracted: null, kind: 'wrong' });
    expect(await graded(numbers, 1, 'First 4 + 4 = 8 and', 'length')).toEqual({ extracted: null, kind: 'wrong' });
  });
});
