// The configuration's task section -> the train questions of a run. Leaves formats to the tasks.
import type { Config } from './config.ts';
import { SipfError } from './errors.ts';
import type { Question } from './records.ts';
import type { Task } from './tasks/task.ts';

/** The train questions; throws 'bad-input' where two share an id, 'nothing-left' where filters leave none. */
export async function loadTrain(task: Task, { task: options }: Config): Promise<Question[]> {
  const { data, limit, maxGoldSteps, solutions, seed } = options;
  const questions = await task.load({
    data: data ?? undefined,
    split: 'train',
    limit: limit ?? undefined,
    maxGoldSteps: maxGoldSteps ?? undefined,
    seed,
  });
  const seen = new Set<string>();
  for (const { id } of questions) {
    if (seen.has(id))
      throw new SipfError(
        'bad-input',
        `Expected question ids that differ, got ${id} twice in ${data ?? task.name}. Give each question its own id.`,
      );
    seen.add(id);
  }
  if (questions.length > 0) return withSolutions(questions, solutions);
  throw new SipfError(
    'nothing-left',
    `Expected train questions of ${task.name}, got none after filtering. Check task.data, task.limit and task.maxGoldSteps.`,
  );
}

/** The questions, worked solutions kept on the first `count` (of each task of a mixture) only. */
export function withSolutions(questions: readonly Question[], count: number | null): Question[] {
  if (count === null) return [...questions];
  const seen = new Map<string, number>();
  return questions.map(({ solution, ...rest }) => {
    const index = seen.get(rest.task) ?? 0;
    seen.set(rest.task, index + 1);
    return solution && index < count ? { ...rest, solution } : rest;
  });
}
