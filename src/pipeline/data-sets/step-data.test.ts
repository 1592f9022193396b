// Rows of published data sets with labelled steps -> what they say, and back.
import { describe, expect, it } from 'vitest';
import { STEP_FORMS, type StepData, type StepFormName } from './step-data.ts';

const DATA: StepData = {
  id: 'a',
  task: 'GSM8K',
  question: 'Tom has 3 bags of 4 apples. He eats 2. How many are left?',
  answer: '10',
  steps: ['Step 1: 3*4=12 apples.', 'Step 2: 12-2=9 are left.\nThe answer is 9'],
  labels: [true, false],
  right: false,
};

/** What each form leaves out of DATA. */
const LOST: Readonly<Record<StepFormName, Partial<StepData>>> = {
  stepwise: { task: null, answer: null, right: null },
  'math-shepherd': { id: 'other', answer: null, right: null },
  prm800k: { id: 'other', task: null, right: null },
  processbench: { task: null, answer: null },
};
const FORMS = Object.keys(STEP_FORMS) as StepFormName[];

describe.each(FORMS)('%s', (name) => {
  const { read, write } = STEP_FORMS[name];

  it('reads what it writes', () => {
    expect(read(write(DATA), 'here', 'other')).toEqual({ ...DATA, ...LOST[name] });
  });

  it('names the place and the field of a bad row', () => {
    expect(() => read({ id: 'a' }, 'x.jsonl, line 3', 'other')).toThrow(/^x\.jsonl, line 3, field "/);
  });
});

it('reads rows as they are published', () => {
  const { prm800k, processbench, stepwise } = STEP_FORMS;
  const shepherd = STEP_FORMS['math-shepherd'].read(
    {
      input: 'How many? Step 1: 2 + 2 = 4. ки\nStep 2: 4 * 2 = 9. The answer is: 9 ки',
      label: 'How many? Step 1: 2 + 2 = 4. +\nStep 2: 4 * 2 = 9. The answer is: 9 -',
      task: 'GSM8K',
    },
    'here',
    'm/0',
  );
  expect(shepherd).toMatchObject({ question: 'How many?', labels: [true, false], task: 'GSM8K' });
  expect(shepherd.steps).toEqual(['Step 1: 2 + 2 = 4.', 'Step 2: 4 * 2 = 9. The answer is: 9']);
  const step = (text: string, rating: number | null) => ({ completions: [{ text, rating, flagged: null }] });
  const rated = {
    question: { problem: 'p', ground_truth_answer: '4' },
    label: {
      steps: [
        {
          completions: [
            { text: 'no', rating: -1 },
            { text: 'yes', rating: 0 },
          ],
          chosen_completion: 1,
        },
        { completions: null, human_completion: { text: 'by hand' }, chosen_completion: null },
        { ...step('last', -1), chosen_completion: null },
      ],
      finish_reason: 'found_error',
    },
  };
  expect(prm800k.read(rated, 'here', 'p/0')).toMatchObject({
    steps: ['yes', 'by hand', 'last'],
    labels: [true, true, false],
    answer: '4',
    right: null,
  });
  const bench = { id: 'gsm8k-0', problem: 'p', steps: ['a', 'b', 'c'], label: 1, final_answer_correct: true };
  expect(processbench.read(bench, 'here', '')).toMatchObject({ labels: [true, false, false], right: true });
  expect(processbench.read({ ...bench, label: -1 }, 'here', '').labels).toEqual([true, true, true]);
  expect(() => processbench.read({ ...bench, label: 3 }, 'here', '')).toThrow('label');
  expect(() => stepwise.read({ prompt: 'p', completions: ['a'], labels: [] }, 'here', '')).toThrow('labels');
});
