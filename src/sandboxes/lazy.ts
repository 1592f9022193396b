// A way to make a sandbox -> one that several tasks share, made before its first program.
import type { Sandbox } from '../sandbox.ts';

/** Makes the sandbox at the first program; disposing it twice, or before that, does nothing. */
export function lazySandbox(make: () => Sandbox): Sandbox {
  let opened: Sandbox | null = null;
  return {
    grade(program, options) {
      opened ??= make();
      return opened.grade(program, options);
    },
    walls: async () => (await opened?.walls?.()) ?? [],
    async [Symbol.asyncDispose]() {
      const own = opened;
      opened = null;
      await own?.[Symbol.asyncDispose]();
    },
  };
}
