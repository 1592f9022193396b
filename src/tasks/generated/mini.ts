// A seed, a split and an index -> a word problem in GSM8K's format, and the Task around it.
import { SipfError } from '../../errors.ts';
import { createRandom, hash32, type Random } from '../../random.ts';
import type { Question } from '../../records.ts';
import type { Split, Task } from '../../task.ts';
import { mathFormat } from '../math/math-task.ts';
import { goldSteps } from '../text/steps.ts';
import { DISTRACTOR, PEOPLE, SKELETONS, type Skeleton, THINGS } from './mini-grammar.ts';
import { gradeSteps } from './true-steps.ts';

interface MiniOptions {
  /** Fewest and most steps of a solution, 2 to 4. */
  readonly steps?: readonly [number, number];
  /** Largest number in questions and results. Smaller is easier: fewer sums to know by heart. */
  readonly max?: number;
  /** Share of questions with a sentence that does not matter, 0 to 1. */
  readonly distractors?: number;
}

export const MINI_DEFAULTS: Required<MiniOptions> = { steps: [2, 3], max: 50, distractors: 0 };

/** Questions of a split where no limit is given. */
const DEFAULT_COUNT: Readonly<Record<Split, number>> = { train: 4000, valid: 1000, test: 4000 };

interface MiniProblem {
  /** Type and sorted numbers: decides the split, so that no split holds another's problem under other names or in another order. */
  readonly key: string;
  readonly question: string;
  readonly answer: string;
  readonly solution: readonly string[];
}

/** One in ten problems is test, one in ten valid, by a hash of type and numbers that no seed changes. */
export function miniSplit(key: string): Split {
  const bucket = hash32(`mini/${key}`) % 10;
  return bucket === 0 ? 'test' : bucket === 1 ? 'valid' : 'train';
}

/**
 * Problem number `index` of a split, which depends on nothing else. There is no end to them; repeats are rare but possible.
 * @throws SipfError 'nothing-left' where the settings make no problem, 'bad-config' where they are out of range.
 */
export function miniProblem(seed: number, split: Split, index: number, options: MiniOptions = {}): MiniProblem {
  const settings = checked(options);
  const random = createRandom(`mini/${seed}/${split}/${index}`);
  // The type is drawn once, so that types and lengths stay even; numbers fail where a result is out of range or belongs to another split.
  const length = random.int(settings.steps[0], settings.steps[1]);
  const skeleton = random.pick(SKELETONS.filter(({ plan }) => plan.length === length));
  for (let attempt = 0; attempt < 100_000; attempt++) {
    const problem = draw(random, skeleton, settings, split);
    if (problem !== null) return problem;
  }
  throw new SipfError(
    'nothing-left',
    `Expected a mini problem of type ${skeleton.id} with numbers up to ${settings.max}, got none in 100,000 draws. Raise max.`,
  );
}

function checked(options: MiniOptions): Required<MiniOptions> {
  const settings = { ...MINI_DEFAULTS, ...options };
  const [low, high] = settings.steps;
  const isRange = Number.isInteger(low) && Number.isInteger(high) && low >= 2 && high <= 4 && low <= high;
  if (!isRange)
    throw new SipfError('bad-config', `Expected steps of mini from 2 to 4, got ${low} to ${high}. Change steps.`);
  if (!Number.isInteger(settings.max) || settings.max < 20 || settings.max > 999) {
    throw new SipfError('bad-config', `Expected max of mini from 20 to 999, got ${settings.max}. Change max.`);
  }
  return settings;
}

/** One try: numbers, and if those work out, words. */
function draw(
  random: Random,
  skeleton: Skeleton,
  { max, distractors }: Required<MiniOptions>,
  split: Split,
): MiniProblem | null {
  const numbers = drawNumbers(random, skeleton, max);
  const results = numbers === null ? null : solve(skeleton, numbers, max);
  if (numbers === null || results === null) return null;
  const key = [skeleton.id, ...[...numbers.values()].sort((a, b) => a - b)].join(' ');
  if (miniSplit(key) !== split) return null;
  const distractor = random.next() < distractors ? spare(random, [...numbers.values(), ...results], max) : null;
  return write(skeleton, {
    numbers,
    results,
    key,
    distractor,
    words: drawWords(random),
    text: random.pick(skeleton.texts),
  });
}

const FACTORS = 'fgpq';

/** A value for each letter of the plan. */
function drawNumbers(random: Random, { plan }: Skeleton, max: number): Map<string, number> | null {
  const numbers = new Map<string, number>();
  for (const [letter] of plan
    .map(expressionOf)
    .join(' ')
    .matchAll(/[a-dfgpq]/g)) {
    if (!numbers.has(letter)) numbers.set(letter, FACTORS.includes(letter) ? random.int(2, 12) : random.int(2, max));
  }
  return new Set(numbers.values()).size === numbers.size ? numbers : null;
}

const expressionOf = (line: string): string => line.slice(line.lastIndexOf(' ') + 1);
const labelOf = (line: string): string => line.slice(0, line.lastIndexOf(' '));

/** The results of the plan; null unless all are whole, from 1 to max, and different from each other and from the numbers given. */
function solve({ plan }: Skeleton, numbers: ReadonlyMap<string, number>, max: number): number[] | null {
  const results: number[] = [];
  const seen = new Set(numbers.values());
  for (const line of plan) {
    const [left, operator, right] = operands(expressionOf(line), numbers, results);
    const value =
      operator === '+'
        ? left + right
        : operator === '-'
          ? left - right
          : operator === '*'
            ? left * right
            : left / right;
    if (!Number.isInteger(value) || value < 1 || value > max || seen.has(value)) return null;
    seen.add(value);
    results.push(value);
  }
  return results;
}

/** `s1-c` -> [value of step 1, '-', value of c]. */
function operands(
  expression: string,
  numbers: ReadonlyMap<string, number>,
  results: readonly number[],
): [number, string, number] {
  const match = /^(s\d|[a-z])([+\-*/])(s\d|[a-z])$/.exec(expression);
  const value = (name: string | undefined): number => {
    const found = name?.startsWith('s') && name.length === 2 ? results[Number(name[1]) - 1] : numbers.get(name ?? '');
    if (found === undefined) throw new Error(`The plan line ${expression} uses ${name}, which is not there.`);
    return found;
  };
  return [value(match?.[1]), match?.[2] ?? '', value(match?.[3])];
}

/** A number that stands for nothing else in the problem. */
function spare(random: Random, used: readonly number[], max: number): number | null {
  const value = random.int(2, max);
  return used.includes(value) ? null : value;
}

function drawWords(random: Random): Map<string, string> {
  const [N, M, K] = random.shuffle(PEOPLE);
  const [x, y] = random.shuffle(THINGS);
  return new Map(Object.entries({ N, M, K, x, y }).map(([blank, word]) => [blank, word ?? '']));
}

interface Drawn {
  readonly numbers: ReadonlyMap<string, number>;
  readonly results: readonly number[];
  readonly key: string;
  readonly distractor: number | null;
  readonly words: ReadonlyMap<string, string>;
  readonly text: string;
}

function write(skeleton: Skeleton, { numbers, results, key, distractor, words, text }: Drawn): MiniProblem {
  const value = (blank: string): string => words.get(blank) ?? String(blank === 'z' ? distractor : numbers.get(blank));
  const fill = (pattern: string): string =>
    capital(pattern.replace(/\{(\$?)(\w)\}/g, (_all, currency: string, blank: string) => currency + value(blank)));
  const sentences = text.split(/(?<=\.) /);
  const question =
    distractor === null ? text : [...sentences.slice(0, -1), DISTRACTOR, ...sentences.slice(-1)].join(' ');
  const lines = skeleton.plan.map((line, i) => {
    const [left, operator, right] = operands(expressionOf(line), numbers, results);
    return `${fill(labelOf(line))} ${left}${operator}${right}=<<${left}${operator}${right}=${results[i]}>>${results[i]}`;
  });
  const answer = String(results.at(-1));
  return { key, question: fill(question), answer, solution: goldSteps(lines, answer) };
}

/** A thing that begins a sentence is written with a capital. */
function capital(text: string): string {
  return text.replace(/(^|[.?] )([a-z])/g, (_all, before: string, letter: string) => before + letter.toUpperCase());
}

/**
 * Generated problems as a Task; `data` is not read, so that one --data may serve other tasks beside it. Seed 1 where none is given.
 * @throws SipfError 'nothing-left', from load, where no problem is as short as asked.
 */
export function createMini(options: MiniOptions = {}): Task {
  const settings = checked(options);
  return {
    name: 'mini',
    generated: true,
    maxTokens: 96,
    ...mathFormat,
    async load({ split, limit = DEFAULT_COUNT[split], maxGoldSteps, seed = 1 }) {
      const most = Math.min(settings.steps[1], maxGoldSteps ?? settings.steps[1]);
      if (most < settings.steps[0]) {
        throw new SipfError(
          'nothing-left',
          `Expected mini problems of at most ${maxGoldSteps} steps, got problems of ${settings.steps.join(' to ')}. Raise maxGoldSteps.`,
        );
      }
      const questions: Question[] = [];
      for (let index = 0; questions.length < limit; index++) {
        const { question, answer, solution } = miniProblem(seed, split, index, settings);
        if (solution.length > most) continue;
        questions.push({
          id: `mini/${split}/${seed}/${index}`,
          task: 'mini',
          question,
          answer,
          solution: [...solution],
        });
      }
      return questions;
    },
    trueSteps({ id, question, solution }, steps) {
      const known = solution ?? solutionOf(id, question, settings);
      return known === null ? null : gradeSteps(question, known, steps);
    },
  };
}

/** The solution of a generated problem that is given without one: its id says how to draw it again; null where it is none of ours. */
function solutionOf(id: string, question: string, settings: Required<MiniOptions>): readonly string[] | null {
  const [, split, seed, index] = /^mini\/(train|valid|test)\/(\d+)\/(\d+)$/.exec(id) ?? [];
  if (split === undefined) return null;
  const problem = miniProblem(Number(seed), split as Split, Number(index), settings);
  return problem.question === question ? problem.solution : null;
}
