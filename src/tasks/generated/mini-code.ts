// A seed, a split and an index -> a small function to write, its tests, and the Task around it.
import { SipfError } from '../../errors.ts';
import { createRandom, hash32, type Random } from '../../random.ts';
import type { Question } from '../../records.ts';
import type { Sandbox } from '../../sandbox.ts';
import type { Split, Task } from '../../task.ts';
import { codeFormat } from '../code/code-task.ts';
import { LETTERS, OPERATIONS, type Operation, ORDINALS } from './mini-code-grammar.ts';
import { PEOPLE, THINGS } from './mini-grammar.ts';

interface MiniCodeOptions {
  /** Fewest and most operations of a function, 1 to 4. */
  readonly operations?: readonly [number, number];
  /** Share of questions whose sentences are not in the order of the operations, 0 to 1. */
  readonly shuffled?: number;
}

const MINI_CODE_DEFAULTS: Required<MiniCodeOptions> = { operations: [2, 3], shuffled: 0.5 };

/** Questions of a split where no limit is given. */
const DEFAULT_COUNT: Readonly<Record<Split, number>> = { train: 4000, valid: 500, test: 1500 };
/** Calls in each problem's tests. */
const CASES = 4;
const MAX_VALUE = 1_000_000;

interface MiniCodeProblem {
  /** Operations and parameters: decides the split, so that no split holds another's function under other names or in another order. */
  readonly key: string;
  readonly question: string;
  readonly solution: readonly string[];
  readonly cases: readonly string[];
}

/** One in ten functions is test, one in ten valid, by a hash that no seed changes. */
export function miniCodeSplit(key: string): Split {
  const bucket = hash32(`mini-code/${key}`) % 10;
  return bucket === 0 ? 'test' : bucket === 1 ? 'valid' : 'train';
}

/** Problem number `index` of a split, which depends on nothing else. There is no end to them; repeats are rare but possible. */
export function miniCodeProblem(
  seed: number,
  split: Split,
  index: number,
  options: MiniCodeOptions = {},
): MiniCodeProblem {
  const settings = checked(options);
  const random = createRandom(`mini-code/${seed}/${split}/${index}`);
  const count = random.int(settings.operations[0], settings.operations[1]);
  for (;;) {
    const plan = drawPlan(random, count);
    const key = [plan.start, ...plan.steps.map(({ operation, p, q }) => `${operation.id} ${p} ${q}`)].join(', ');
    const cases = miniCodeSplit(key) === split ? drawCases(random, plan) : null;
    if (cases === null) continue;
    return { key, question: write(random, plan, settings), solution: program(plan), cases };
  }
}

function checked(options: MiniCodeOptions): Required<MiniCodeOptions> {
  const settings = { ...MINI_CODE_DEFAULTS, ...options };
  const [low, high] = settings.operations;
  if (Number.isInteger(low) && Number.isInteger(high) && low >= 1 && high <= ORDINALS.length && low <= high)
    return settings;
  throw new SipfError(
    'bad-config',
    `Expected operations of mini-code from 1 to ${ORDINALS.length}, got ${low} to ${high}. Change operations.`,
  );
}

interface PlanStep {
  readonly operation: Operation;
  /** Parameters by name; q of an operation that has only one is empty. */
  readonly p: string;
  readonly q: string;
}

interface Plan {
  readonly start: string;
  readonly steps: readonly PlanStep[];
  /** In the order of the function's head. */
  readonly parameters: readonly string[];
}

function drawPlan(random: Random, count: number): Plan {
  const letters = random.shuffle(LETTERS);
  const take = (): string => letters.pop() ?? '';
  const start = take();
  const steps = Array.from({ length: count }, (): PlanStep => {
    const operation = random.pick(OPERATIONS);
    return { operation, p: take(), q: operation.parameters === 2 ? take() : '' };
  });
  const used = [start, ...steps.flatMap(({ p, q }) => (q === '' ? [p] : [p, q]))];
  return { start, steps, parameters: used.sort() };
}

/** Calls with values that all differ, so that no parameter can stand for another; each condition holds in some call and fails in another. null: none found. */
function drawCases(random: Random, plan: Plan): string[] | null {
  for (let attempt = 0; attempt < 40; attempt++) {
    const seen = plan.steps.map(() => new Set<boolean>());
    const cases = Array.from({ length: CASES }, () => drawCase(random, plan, seen));
    const decided = plan.steps.every(({ operation }, i) => operation.id !== 'lose-above' || seen[i]?.size === 2);
    if (decided && !cases.includes(null)) return cases.filter((one) => one !== null);
  }
  return null;
}

function drawCase(random: Random, { start, steps, parameters }: Plan, seen: readonly Set<boolean>[]): string | null {
  const numbers = random.shuffle(Array.from({ length: 8 }, (_, i) => i + 2));
  const values = new Map(parameters.map((name, i) => [name, numbers[i] ?? 0]));
  values.set(start, random.int(20, 90));
  for (const { operation, q } of steps) {
    // A threshold near the values that are compared with it; few days.
    if (operation.id === 'lose-above') values.set(q, random.int(10, 99));
    else if (q !== '') values.set(q, random.int(2, 4));
  }
  if (new Set(values.values()).size < values.size) return null;
  let x = values.get(start) ?? 0;
  for (const [i, { operation, p, q }] of steps.entries()) {
    const [first, second] = [values.get(p) ?? 0, values.get(q) ?? 0];
    if (operation.id === 'lose-above') seen[i]?.add(x > second);
    x = operation.apply(x, first, second);
    if (Math.abs(x) > MAX_VALUE) return null;
  }
  return `assert f(${parameters.map((name) => values.get(name)).join(', ')}) == ${x}`;
}

/** One step for each operation; the head goes with the first statement. */
function program({ start, steps, parameters }: Plan): string[] {
  const lines = steps.map(({ operation, p, q }) =>
    operation.lines.map((line) => `    ${line.replace('{p}', p).replace('{q}', q)}\n`).join(''),
  );
  return [`def f(${parameters.join(', ')}):\n    x = ${start}\n`, ...lines, '    return x\n'];
}

function write(random: Random, { start, steps, parameters }: Plan, { shuffled }: Required<MiniCodeOptions>): string {
  const [person, other] = random.shuffle(PEOPLE);
  const thing = random.pick(THINGS);
  const sentences = steps.map(({ operation, p, q }, i) => {
    const text = random
      .pick(operation.texts)
      .replace('{p}', p)
      .replace('{q}', q)
      .replace('{M}', other ?? '');
    return `${ORDINALS[i]} ${person} ${text}.`;
  });
  const shown = random.next() < shuffled ? random.shuffle(sentences) : sentences;
  const head = `Write f(${parameters.join(', ')}). ${person} has ${start} ${thing}.`;
  return `${head} ${shown.join(' ')} How many ${thing} does ${person} have now?`;
}

interface MiniCodeSource {
  readonly sandbox: () => Sandbox;
  readonly options?: MiniCodeOptions;
}

/**
 * Generated functions as a Task; `data` is not read. Seed 1 where none is given. Its references are right by construction: nothing checks them.
 * @throws SipfError 'nothing-left', from load, where no problem is as short as asked.
 */
export function createMiniCode({ sandbox, options = {} }: MiniCodeSource): Task {
  const settings = checked(options);
  const { brokenReferences: _unneeded, ...format } = codeFormat(sandbox);
  return {
    name: 'mini-code',
    generated: true,
    ...format,
    maxTokens: 128,
    async load({ split, limit = DEFAULT_COUNT[split], maxGoldSteps, seed = 1 }) {
      const most = maxGoldSteps ?? settings.operations[1] + 2;
      if (most < settings.operations[0] + 2) {
        throw new SipfError(
          'nothing-left',
          `Expected mini-code problems of at most ${maxGoldSteps} steps, got problems of ${settings.operations.map((n) => n + 2).join(' to ')}. Raise maxGoldSteps.`,
        );
      }
      const questions: Question[] = [];
      for (let index = 0; questions.length < limit; index++) {
        const problem = miniCodeProblem(seed, split, index, settings);
        if (problem.solution.length <= most) questions.push(questionOf(`mini-code/${split}/${seed}/${index}`, problem));
      }
      return questions;
    },
    trueSteps({ id, question, solution }, steps) {
      const known = solution ?? solutionOf(id, question, settings);
      return known === null ? null : gradeCodeSteps(known, steps);
    },
  };
}

function questionOf(id: string, { question, solution, cases }: MiniCodeProblem): Question {
  return {
    id,
    task: 'mini-code',
    question,
    answer: '',
    solution: [...solution],
    tests: { setup: '', cases: [...cases], entryPoint: 'f' },
  };
}

/** The solution of a generated problem that is given without one: its id says how to draw it again; null where it is none of ours. */
function solutionOf(id: string, question: string, settings: Required<MiniCodeOptions>): readonly string[] | null {
  const [, split, seed, index] = /^mini-code\/(train|valid|test)\/(\d+)\/(\d+)$/.exec(id) ?? [];
  if (split === undefined) return null;
  const problem = miniCodeProblem(Number(seed), split as Split, Number(index), settings);
  return problem.question === question ? problem.solution : null;
}

const SUMS = OPERATIONS.filter(({ order }) => order === 'sum').map(
  ({ lines }) => new RegExp(`^${lines.map((line) => `    ${escaped(line)}`).join('\n')}$`),
);

function escaped(line: string): string {
  return line.replace(/[()+*]/g, '\\$&').replace(/\{\w\}/g, '\\w');
}

/**
 * Which steps are right: those of the solution, in its order, sums that follow each other in any order. A step after a wrong one is wrong.
 * Other programs that compute the same are graded wrong: in this small language there are next to none.
 */
export function gradeCodeSteps(solution: readonly string[], steps: readonly string[]): boolean[] {
  const left = solution.map((step) => step.trimEnd());
  let isRight = true;
  return steps.map((step) => {
    const text = step.trimEnd();
    const at = left.findIndex((one, i) => one === text && left.slice(0, i + (i > 0 ? 1 : 0)).every(isSum));
    isRight &&= at >= 0;
    if (isRight) left.splice(at, 1);
    return isRight;
  });
}

function isSum(step: string): boolean {
  return SUMS.some((pattern) => pattern.test(step));
}
