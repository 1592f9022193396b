// GSM8K, MMLU_Math, SVAMP and MultiArith records -> Tasks.
import { SipfError } from '../../errors.ts';
import type { Task } from '../../task.ts';
import type { DataRecord } from '../data/data-files.ts';
import { short } from '../data/data-text.ts';
import type { HubOptions } from '../data/hub-data.ts';
import { goldSteps } from '../text/steps.ts';
import { choiceRecord, choicesOf } from './choices.ts';
import { createMathTask, goldAnswer, textField } from './math-task.ts';

/** The solution's lines and the answer after its last `####`; null where that is missing. */
export function splitSolution(solution: string): { lines: string[]; answer: string } | null {
  const at = solution.lastIndexOf('####');
  return at < 0 ? null : { lines: solution.slice(0, at).split('\n'), answer: solution.slice(at + 4).trim() };
}

/**
 * Grade-school word problems (Cobbe et al. 2021): 7,473 train, 1,319 test; ids such as `gsm8k/train/17` count lines from 0.
 * @throws SipfError 'bad-input', from load, naming place and field.
 */
export function createGsm8k(hub?: HubOptions): Task {
  return createMathTask({
    layout: { name: 'gsm8k', wholeSet: [], testOnly: false },
    maxTokens: 400,
    hubSet: { repo: 'openai/gsm8k', folder: 'main' },
    hub,
    parse: (record) => {
      const solution = textField(record, 'answer', 'a worked solution');
      const found = splitSolution(solution);
      if (found === null) {
        throw new SipfError(
          'bad-input',
          `Expected a line "#### N" in ${record.place}, field "answer", got ${short(solution.slice(-60))}. Use the task jsonl for plain answers.`,
        );
      }
      const answer = goldAnswer(found.answer, record, 'answer', 'number');
      return {
        question: textField(record, 'question', 'a question'),
        answer,
        solution: goldSteps(found.lines, answer),
      };
    },
  });
}

/** 354 questions of MMLU's mathematics (ChenKy23/SIPF); one answer is no number (`2,2,4`). MMLU's own records, with choices, too. On no hub. */
export function createMmluMath(): Task {
  return createMathTask({
    layout: { name: 'mmlu-math', wholeSet: ['mmlu_math_test.jsonl', 'mmlu_math.jsonl'], testOnly: true },
    maxTokens: 400,
    parse: (record) => {
      const question = textField(record, 'question', 'a question');
      const chosen = choicesOf(record);
      if (chosen !== null) return choiceRecord(question, chosen);
      return { question, answer: goldAnswer(textField(record, 'answer', 'an answer'), record, 'answer', 'any') };
    },
  });
}

/** 1,000 one- and two-step problems (Patel et al. 2021), all of them the test split. */
export function createSvamp(hub?: HubOptions): Task {
  return createMathTask({
    layout: { name: 'svamp', wholeSet: ['SVAMP.json'], testOnly: true },
    maxTokens: 256,
    hubSet: { repo: 'ChilleD/SVAMP', folder: '' },
    hub,
    order: (a, b) => challengeNumber(a) - challengeNumber(b),
    parse: (record) => {
      const body = textField(record, 'Body', 'the text before the question').replace(/[\s,.]+$/, '');
      const question = textField(record, 'Question', 'a question');
      const answer = goldAnswer(textField(record, 'Answer', 'a number'), record, 'Answer', 'number');
      return { question: `${body}${joint(body, question)}${question}`, answer };
    },
  });
}

/** `If he had 4 at the start` + `How much ...` is one sentence; other bodies end before the question. */
function joint(body: string, question: string): string {
  const lastSentence = body.slice(body.lastIndexOf('. ') + 1).trim();
  return /^if /i.test(lastSentence) || /^[a-z]/.test(question) ? ', ' : '. ';
}

/** `chal-17` -> 17: the hub lists the problems in another order than the original file. */
function challengeNumber({ value, index }: DataRecord): number {
  const match = /^chal-(\d{1,9})$/.exec(String(value.ID ?? ''));
  return match === null ? index : Number(match[1]);
}

/** 600 multi-step problems (Roy and Roth 2015), in the original's fields or the hub's. */
export function createMultiArith(hub?: HubOptions): Task {
  return createMathTask({
    layout: { name: 'multiarith', wholeSet: ['MultiArith.json'], testOnly: true },
    maxTokens: 256,
    hubSet: { repo: 'ChilleD/MultiArith', folder: '' },
    hub,
    parse: (record) => {
      if (record.value.sQuestion === undefined) {
        const answer = goldAnswer(textField(record, 'final_ans', 'a number'), record, 'final_ans', 'number');
        return { question: textField(record, 'question', 'a question'), answer };
      }
      const solutions = record.value.lSolutions;
      const only =
        Array.isArray(solutions) && solutions.length === 1
          ? { ...record, value: { ...record.value, lSolutions: solutions[0] as unknown } }
          : record;
      const answer = goldAnswer(textField(only, 'lSolutions', 'a list of one number'), record, 'lSolutions', 'number');
      return { question: textField(record, 'sQuestion', 'a question'), answer };
    },
  });
}
