// A seed, a split and an index -> a word problem in GSM8K's format, and the Task around it.
import { createRandom, type Random } from '../../random.ts';
import type { Split, Task } from '../../task.ts';
import { mathFormat } from '../math/math-task.ts';
import { goldSteps } from '../text/steps.ts';
import { type GeneratedProblem, generatedTask, splitOf } from './generated-task.ts';
import { filled, LARGEST, PEOPLE, SKELETONS, type Skeleton, THINGS } from './mini-grammar.ts';
import { miniTokenizerJson } from './mini-tokenizer.ts';
import { gradeSteps } from './true-steps.ts';

/** Fewest and most steps of a solution. */
const STEPS = [2, 3] as const;

export function createMini(): Task {
  return {
    maxTokens: 96,
    ...mathFormat,
    ...generatedTask({
      name: 'mini',
      steps: STEPS,
      counts: { train: 4000, valid: 1000, test: 4000 },
      problem: miniProblem,
      gradeSteps,
      tokenizer: miniTokenizerJson,
    }),
  };
}

/** Problem number `index` of a split. Its key is the type with the sorted numbers. */
export function miniProblem(seed: number, split: Split, index: number): GeneratedProblem {
  const random = createRandom(`mini/${seed}/${split}/${index}`);
  // The type is drawn once, so that types and lengths stay even; numbers fail where a result is out of range or belongs to another split.
  const length = random.int(...STEPS);
  const skeleton = random.pick(SKELETONS.filter(({ plan }) => plan.length === length));
  for (;;) {
    const numbers = drawNumbers(random, skeleton);
    const lines = numbers === null ? null : solve(skeleton, numbers);
    if (numbers === null || lines === null) continue;
    const key = [skeleton.id, ...[...numbers.values()].sort((a, b) => a - b)].join(' ');
    if (splitOf('mini', key) === split) return { key, ...write(random, skeleton, numbers, lines) };
  }
}

const FACTORS = 'fgpq';

/** A value for each letter of the plan; null where two are equal. */
function drawNumbers(random: Random, { plan }: Skeleton): Map<string, number> | null {
  const numbers = new Map<string, number>();
  for (const letter of plan.flatMap((line) => line.slice(line.lastIndexOf(' ')).match(/[a-dfgpq]/g) ?? [])) {
    if (!numbers.has(letter)) numbers.set(letter, random.int(2, FACTORS.includes(letter) ? 12 : LARGEST));
  }
  return new Set(numbers.values()).size === numbers.size ? numbers : null;
}

/** A line of the plan with its numbers: `left`, `12-5`, 7. */
interface Line {
  readonly label: string;
  readonly term: string;
  readonly value: number;
}

const APPLY: Readonly<Record<string, (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
};

/** null unless all results are whole, from 1 to LARGEST, and different from each other and from the numbers given. */
function solve({ plan }: Skeleton, numbers: ReadonlyMap<string, number>): Line[] | null {
  const lines: Line[] = [];
  const seen = new Set(numbers.values());
  const resultOf = (name: string): number =>
    (name.length === 2 ? lines[Number(name[1]) - 1]?.value : numbers.get(name)) ?? Number.NaN;
  for (const line of plan) {
    const [, label = '', left = '', sign = '', right = ''] = /^(.*) (\w+)([+\-*/])(\w+)$/.exec(line) ?? [];
    const [a, b] = [resultOf(left), resultOf(right)];
    const value = APPLY[sign]!(a, b);
    if (!Number.isInteger(value) || value < 1 || value > LARGEST || seen.has(value)) return null;
    seen.add(value);
    lines.push({ label, term: `${a}${sign}${b}`, value });
  }
  return lines;
}

/** The problem in words, which are drawn. */
function write(random: Random, { texts }: Skeleton, numbers: ReadonlyMap<string, number>, lines: readonly Line[]) {
  // Passed over, so that the problems of a seed stay what they were.
  random.next();
  const [N = '', M = '', K = ''] = random.shuffle(PEOPLE);
  const [x = '', y = ''] = random.shuffle(THINGS);
  const blanks = new Map<string, string | number>([...Object.entries({ N, M, K, x, y }), ...numbers]);
  const fill = (text: string): string => filled(text, (blank) => blanks.get(blank)!);
  const question = fill(random.pick(texts));
  const answer = String(lines.at(-1)?.value);
  const steps = lines.map(({ label, term, value }) => `${fill(label)} ${term}=<<${term}=${value}>>${value}`);
  return { question, answer, solution: goldSteps(steps, answer) };
}
