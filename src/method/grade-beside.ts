// Grades that nothing waits for until a unit's end -> found while the policy writes on: programs run for seconds. Leaves grading to the task.

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
