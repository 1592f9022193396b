// A seed, a split and an index -> a small function to write, its tests, and the Task around it.
import { createRandom, type Random } from '../../random.ts';
import type { Sandbox } from '../../sandbox.ts';
import type { Split, Task } from '../../task.ts';
import { codeFormat } from '../code/code-task.ts';
import { type GeneratedProblem, generatedTask, splitOf } from './generated-task.ts';
import { LETTERS, OPERATIONS, type Operation, ORDINALS } from './mini-code-grammar.ts';
import { miniCodeTokenizerJson } from './mini-code-tokenizer.ts';
import { PEOPLE, THINGS } from './mini-grammar.ts';

/** Fewest and most operations of a function; head and `return` are steps, too. */
const OPERATIONS_EACH = [2, 3] as const;
/** Share of questions whose sentences are not in the order of the operations. */
const SHUFFLED = 0.5;
/** Calls in each problem's tests. */
const CASES = 4;
const MAX_VALUE = 1_000_000;

/** Generated functions as a Task. Its references are right by construction: nothing checks them. */
export function createMiniCode(sandbox: () => Sandbox): Task {
  const { brokenReferences: _unneeded, ...format } = codeFormat(sandbox);
  return {
    ...format,
    maxTokens: 128,
    ...generatedTask({
      name: 'mini-code',
      steps: [OPERATIONS_EACH[0] + 2, OPERATIONS_EACH[1] + 2],
      counts: { train: 4000, valid: 500, test: 1500 },
      problem: miniCodeProblem,
      gradeSteps: (_question, solution, steps) => gradeCodeSteps(solution, steps),
      tokenizer: miniCodeTokenizerJson,
    }),
  };
}

/** Problem number `index` of a split. Its key is the operations with their parameters. */
export function miniCodeProblem(seed: number, split: Split, index: number): GeneratedProblem {
  const random = createRandom(`mini-code/${seed}/${split}/${index}`);
  const count = random.int(...OPERATIONS_EACH);
  for (;;) {
    const plan = drawPlan(random, count);
    const key = [plan.start, ...plan.steps.map(({ operation, p, q }) => `${operation.id} ${p} ${q}`)].join(', ');
    const cases = splitOf('mini-code', key) === split ? drawCases(random, plan) : null;
    if (cases === null) continue;
    const question = write(random, plan);
    return { key, question, answer: '', solution: program(plan), tests: { setup: '', cases, entryPoint: 'f' } };
  }
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

function write(random: Random, { start, steps, parameters }: Plan): string {
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
  const shown = random.next() < SHUFFLED ? random.shuffle(sentences) : sentences;
  const head = `Write f(${parameters.join(', ')}). ${person} has ${start} ${thing}.`;
  return `${head} ${shown.join(' ')} How many ${thing} does ${person} have now?`;
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
