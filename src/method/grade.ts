// A completion -> its grade, tried again after errors; and grades that nothing waits for until a unit's end.
import type { Outcome, Question } from '../records.ts';
import { type Graded, type Task, taskOf } from '../task.ts';

/** A completion with the question that it answers. */
export interface Answered {
  readonly question: Question;
  readonly text: string;
  readonly finishReason: 'stop' | 'length';
}

/** Grades a completion; an infrastructure error is retried `retries` times before it stands. An error that is the tests' fault stands at once. */
export async function gradeWithRetries(
  task: Task,
  { question, text, finishReason }: Answered,
  retries: number,
  signal?: AbortSignal,
): Promise<Graded> {
  const own = taskOf(task, question);
  let graded = await own.grade(question, text, finishReason, { signal });
  for (let retry = 0; retry < retries && mayPass(graded.outcome); retry += 1) {
    graded = await own.grade(question, text, finishReason, { signal });
  }
  return graded;
}

/** An error that another try may not meet. */
function mayPass(outcome: Outcome): boolean {
  return outcome.kind === 'error' && outcome.fault !== 'tests';
}

/**
 * Runs `generate`, which hands grades over as it goes on, and returns them in that order with its own result. What a grade fails with ends
 * `generate` at the next one; no grade is left running.
 */
export async function gradeBeside<Result, Grade>(
  generate: (hand: (grade: Promise<Grade>) => void) => Promise<Result>,
): Promise<{ result: Result; grades: Grade[] }> {
  const handed: Promise<Grade>[] = [];
  let failed: { readonly thrown: unknown } | null = null;
  const hand = (grade: Promise<Grade>): void => {
    handed.push(grade);
    grade.catch((thrown: unknown) => {
      failed ??= { thrown };
    });
    if (failed !== null) throw failed.thrown;
  };
  try {
    const result = await generate(hand);
    return { result, grades: await Promise.all(handed) };
  } finally {
    await Promise.allSettled(handed);
  }
}
