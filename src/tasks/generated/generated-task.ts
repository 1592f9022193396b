// How problem number `index` of a split is made -> the questions of a generated task.
import { SipfError } from '../../errors.ts';
import { hash32 } from '../../random.ts';
import type { Question } from '../../records.ts';
import type { Split, Task } from '../../task.ts';
import { wordTokenizerConfig } from './word-tokenizer.ts';

export interface GeneratedProblem extends Omit<Question, 'id' | 'task'> {
  /** What the problem is apart from names and order: decides its split. */
  readonly key: string;
  readonly solution: string[];
}

interface GeneratedOptions {
  readonly name: string;
  /** Fewest and most steps of a solution. */
  readonly steps: readonly [number, number];
  /** Questions of a split where no limit is given. */
  readonly counts: Readonly<Record<Split, number>>;
  /** Depends on its arguments alone. There is no end to problems; repeats are rare but possible. */
  readonly problem: (seed: number, split: Split, index: number) => GeneratedProblem;
  readonly gradeSteps: (question: string, solution: readonly string[], steps: readonly string[]) => boolean[] | null;
  readonly tokenizer: () => object;
}

/** One in ten problems is test, one in ten valid, by a hash of the key that no seed changes. */
export function splitOf(name: string, key: string): Split {
  const bucket = hash32(`${name}/${key}`) % 10;
  return bucket === 0 ? 'test' : bucket === 1 ? 'valid' : 'train';
}

/**
 * What generated tasks share. `data` is not read, so that one --data may serve other tasks beside it. Seed 1 where none is given.
 * @throws SipfError 'nothing-left', from load, where no problem is as short as asked.
 */
export function generatedTask(options: GeneratedOptions) {
  const { name, steps, counts, problem, gradeSteps, tokenizer } = options;
  return {
    name,
    generated: true,
    tokenizer,
    tokenizerConfig: wordTokenizerConfig,
    async load({ split, limit = counts[split], maxGoldSteps = steps[1], seed = 1 }) {
      if (maxGoldSteps < steps[0]) {
        throw new SipfError(
          'nothing-left',
          `Expected ${name} problems of at most ${maxGoldSteps} steps, got problems of ${steps.join(' to ')}. Raise maxGoldSteps.`,
        );
      }
      const questions: Question[] = [];
      for (let index = 0; questions.length < limit; index++) {
        const { key: _key, ...own } = problem(seed, split, index);
        if (own.solution.length > maxGoldSteps) continue;
        questions.push({ id: `${name}/${split}/${seed}/${index}`, task: name, ...own });
      }
      return questions;
    },
    trueSteps(question, path) {
      const known = question.solution ?? drawnAgain(options, question);
      return known === null ? null : gradeSteps(question.question, known, path);
    },
  } satisfies Partial<Task>;
}

/** The solution of a problem that is given without one: its id says how to draw it; null where it is none of the task's. */
function drawnAgain({ name, problem }: GeneratedOptions, { id, question }: Question): readonly string[] | null {
  const [, task, split, seed, index] = /^(.+)\/(train|valid|test)\/(\d+)\/(\d+)$/.exec(id) ?? [];
  if (task !== name) return null;
  const drawn = problem(Number(seed), split as Split, Number(index));
  return drawn.question === question ? drawn.solution : null;
}
