// GSM8K records (question, solution that ends in `#### N`) -> a Task. Valid is cut from train.
import { SipfError } from '../../errors.ts';
import type { Task } from '../../task.ts';
import { short } from '../data/data-text.ts';
import type { HubOptions } from '../data/hub-data.ts';
import { goldSteps } from '../text/steps.ts';
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
