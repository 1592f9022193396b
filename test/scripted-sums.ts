// A task of small sums, and a scripted model that solves it by chance: tests without engine.
import { createHash } from 'node:crypto';
import type { StepPath } from '../src/backend.ts';
import type { WriteArgs } from '../src/backends/scripted.ts';
import type { Question } from '../src/records.ts';
import type { LoadOptions, Task } from '../src/task.ts';

const FIRST: Readonly<Record<string, number>> = { train: 0, valid: 10_000, test: 20_000 };

/** Question i adds three to five numbers; its solution has one partial sum a line. */
export function sumQuestion(split: string, index: number): Question {
  const bytes = createHash('sha256')
    .update(`${(FIRST[split] ?? 0) + index}`)
    .digest();
  const numbers = Array.from({ length: 3 + ((bytes[0] ?? 0) % 3) }, (_, i) => 1 + ((bytes[i + 1] ?? 0) % 9));
  return {
    id: `${split}-${index}`,
    task: 'sums',
    question: numbers.join('+'),
    answer: String(sum(numbers)),
    solution: sumSteps(numbers),
  };
}

export function sumSteps(numbers: readonly number[]): string[] {
  const lines = numbers.slice(1).map((n, i) => `${sum(numbers.slice(0, i + 1))}+${n}=${sum(numbers.slice(0, i + 2))}`);
  const last = lines.length - 1;
  return lines.map((line, i) => (i === last ? `${line}\nThe answer is ${sum(numbers)}` : line));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}

export const sumsTask: Task = {
  name: 'sums',
  maxTokens: 200,
  stopStrings: ['\n\n'],
  gradedBy: 'answer',
  instruction: 'Solve.',
  load: async ({ split, limit = 40, maxGoldSteps = 99 }: LoadOptions) =>
    Array.from({ length: limit }, (_, i) => sumQuestion(split, i)).filter(
      ({ solution }) => (solution?.length ?? 0) <= maxGoldSteps,
    ),
  prompt: ({ question }, shots = []) =>
    `${shots.map((shot) => `Q: ${shot.question}\nA:\n${shot.steps.join('\n')}\n\n`).join('')}Q: ${question}\nA:\n`,
  pieces: (steps) => steps.map((step, i) => (i === steps.length - 1 ? step : `${step}\n`)),
  split: (completion) => {
    const lines = completion.split('\n').filter((line) => line.trim() !== '');
    const answer = lines.at(-1)?.startsWith('The answer') === true && lines.length > 1 ? lines.pop() : undefined;
    if (answer !== undefined) lines.push(`${lines.pop()}\n${answer}`);
    return lines.length === 0 ? [''] : lines;
  },
  grade: ({ answer }, completion, finishReason) => {
    const extracted = /The answer is (-?\d+)/.exec(completion)?.[1] ?? null;
    if (extracted === answer) return { extracted, outcome: { kind: 'right' } };
    const reason = finishReason === 'length' ? 'truncated' : extracted === null ? 'no-answer' : 'other-answer';
    return { extracted, outcome: { kind: 'wrong', reason } };
  },
  sameAnswer: (a, b) => a === b,
  distinct: (paths) => {
    const texts = paths.map((steps) => steps.join('\n'));
    return texts.flatMap((text, i) => (texts.indexOf(text) === i ? [i] : []));
  },
  equationsHold: (step) => (/^\d+\+/.test(step) ? trueLines([step])[0] === true : null),
  answerLine: ({ answer }) => ['The answer is', ` ${answer}`],
  trueSteps: ({ question }, steps) => {
    const gold = sumSteps(question.split('+').map(Number));
    return steps.map((step, i) => gold.slice(0, i + 1).join() === steps.slice(0, i + 1).join() && step === gold[i]);
  },
  tokenizer: () => ({ version: '1.0', model: { type: 'WordLevel', vocab: {} } }),
};

function trueLines(steps: readonly string[]): boolean[] {
  return steps.map((step) => {
    const [, a, b, c] = /^(\d+)\+(\d+)=(\d+)/.exec(step) ?? [];
    return Number(a) + Number(b) === Number(c);
  });
}

/** Goes on from the prefix's last partial sum; each new line is off by one with a chance that falls with skill. */
export function writeSum({ prompt, prefix, random, temperature, skill }: WriteArgs): string {
  const question = prompt.slice(prompt.lastIndexOf('Q: ') + 3).split('\n')[0] ?? '';
  const numbers = question.split('+').map(Number);
  const done = prefix.split('\n').filter((line) => /^\d+\+/.test(line));
  let total = Number(done.at(-1)?.split('=')[1] ?? numbers[0]);
  const slip = (temperature === 0 ? 0.15 : 0.3) * 0.85 ** skill;
  const lines: string[] = [];
  for (const n of numbers.slice(1 + done.length)) {
    const next = total + n + (random.next() < slip ? 1 : 0);
    lines.push(`${total}+${n}=${next}`);
    total = next;
  }
  lines.push(`The answer is ${total}`);
  return lines.join('\n');
}

/** Sees most false equations, with a little noise that depends on the text. */
export function scoreSum({ steps }: StepPath): number[] {
  const lines = trueLines(steps);
  return steps.map((step, i) => {
    const noise = createHash('sha256').update(step).digest().readUInt16BE(0) / 65_536;
    return (lines.slice(0, i + 1).includes(false) ? 0.3 : 0.8) + 0.2 * (noise - 0.5);
  });
}
