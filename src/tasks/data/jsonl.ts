// The user's own JSONL (question, answer, solution?) -> a Task. Reads GSM8K's answers, too.
import { SipfError } from '../../errors.ts';
import type { Task } from '../../task.ts';
import { choiceRecord, choicesOf } from '../math/choices.ts';
import { createMathTask, goldAnswer, textField } from '../math/math-task.ts';
import { splitSolution } from '../math/word-problems.ts';
import { goldSteps } from '../text/steps.ts';
import type { DataRecord } from './data-files.ts';
import { short } from './data-text.ts';
import { ownId } from './record-ids.ts';

/**
 * Any file with `question` and `answer` (a number or a short text), optional `solution` (text with one step a line, or a list of steps) and
 * `id`. A folder holds train, valid and test files; one file is cut into the three (`splits.ts`).
 */
export function createJsonl(): Task {
  return createMathTask({
    layout: { name: 'jsonl', wholeSet: [], testOnly: false, ownData: true },
    maxTokens: 400,
    parse: (record) => {
      const chosen = choicesOf(record);
      if (chosen !== null) {
        const { answer } = record.value;
        const lines = solutionLines(record) ?? (typeof answer === 'string' ? splitSolution(answer)?.lines : undefined);
        const solution = lines && goldSteps(lines, chosen.letter);
        const question = textField(record, 'question', 'a question');
        return { ...ownId(record, 'id'), ...choiceRecord(question, chosen, solution) };
      }
      const given = textField(record, 'answer', 'an answer');
      const gsm8k = splitSolution(given);
      const answer = goldAnswer(gsm8k?.answer ?? given, record, 'answer', 'any');
      const lines = solutionLines(record) ?? gsm8k?.lines;
      return {
        ...ownId(record, 'id'),
        question: textField(record, 'question', 'a question'),
        answer,
        ...(lines === undefined ? {} : { solution: goldSteps(lines, answer) }),
      };
    },
  });
}

function solutionLines({ value, place }: DataRecord): string[] | undefined {
  const { solution } = value;
  if (solution === undefined || solution === null) return undefined;
  const lines = typeof solution === 'string' ? (splitSolution(solution)?.lines ?? solution.split('\n')) : solution;
  const isText = Array.isArray(lines) && lines.every((line) => typeof line === 'string');
  if (isText && lines.some((line) => line.trim() !== '')) return lines;
  throw new SipfError(
    'bad-input',
    `Expected a text or a list of texts in ${place}, field "solution", got ${short(solution)}. Fix it, or leave the field out.`,
  );
}
