// Questions, solutions and completions in the one text format of sampling and training.
import type { Prompted, Shot } from '../../task.ts';

/** Where a model begins another question instead of stopping. */
export const STOP_STRINGS: readonly string[] = ['Question:'];

const ANSWER_LINE = /^(?:####|(?:(?:so|therefore|thus|hence),? )?(?:the )?(?:final )?answer ?(?:is\b|:|=))/i;

/** `The answer is 12`, `#### 12` and the like: such a line states the result and is no step of its own. */
export function isAnswerLine(line: string): boolean {
  return ANSWER_LINE.test(line.replace(/^[*_ ]+/, ''));
}

/** The line that ends every worked solution. */
export function answerLine(answer: string): string {
  return `The answer is ${answer}`;
}

/**
 * The steps of a text: its non-empty lines, trimmed; an answer line belongs to the step before it (joined by a line feed).
 * Never empty: a text without lines is one empty step.
 */
export function splitSteps(text: string): string[] {
  const steps: string[] = [];
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    if (line === '') continue;
    const last = steps.length - 1;
    if (last >= 0 && isAnswerLine(line)) steps[last] += `\n${line}`;
    else steps.push(line);
  }
  return steps.length > 0 ? steps : [''];
}

/** Each step with its line feed, the last one too: joined, they are the completion. `splitSteps` of that gives the steps back. */
export function stepPieces(steps: readonly string[]): string[] {
  return steps.map((step) => `${step}\n`);
}

/** The steps of a worked solution, ending in `The answer is ...`: a GSM8K `#### ...` line, or an answer line of its own, is rewritten. */
export function goldSteps(lines: readonly string[], answer: string): string[] {
  const steps = lines
    .flatMap((line) => line.split('\n'))
    .map((line) => line.trim())
    .filter((line) => line !== '' && !isAnswerLine(line));
  const last = steps.pop();
  return [...steps, last === undefined ? answerLine(answer) : `${last}\n${answerLine(answer)}`];
}

/** The prompt of a code question: worked examples, steps as they are; `Question: ...\nAnswer:\n`, and the code that the answer continues. */
export function promptWith({ question, prefix = '' }: Prompted, shots: readonly Shot[] = []): string {
  const examples = shots.map((shot) => `${header(shot.question)}${shot.steps.join('').replace(/\n?$/, '\n')}\n`);
  return `${examples.join('')}${header(question)}${prefix}`;
}

/** `Question: ...\nAnswer:\n`, after the worked examples in the same form, a blank line apart. */
export function questionPrompt(question: string, shots: readonly Shot[] = []): string {
  const examples = shots.map((shot) => `${header(shot.question)}${stepPieces(shot.steps).join('')}\n`);
  return `${examples.join('')}${header(question)}`;
}

function header(question: string): string {
  return `Question: ${question.trim()}\nAnswer:\n`;
}
