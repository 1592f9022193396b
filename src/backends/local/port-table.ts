// The Backend port as one table: a new method is one line, and both sides of the thread follow.
import type { Backend, Policy, ProcessRewardModel } from '../../backend.ts';

type Opens<Result> = Result extends Policy ? 'policy' : Result extends ProcessRewardModel ? 'prm' : null;

/** Every method of `T` by name, with the kind of object that it opens; null: it gives a plain value. */
type MethodsOf<T> = {
  readonly [K in keyof T as T[K] extends (...args: never[]) => Promise<unknown>
    ? Extract<K, string>
    : never]: T[K] extends (...args: never[]) => Promise<infer Result> ? Opens<Result> : never;
};

interface PortTable {
  readonly backend: MethodsOf<Backend>;
  readonly policy: MethodsOf<Policy>;
  readonly prm: MethodsOf<ProcessRewardModel>;
}

/** The compiler refuses a table in which a method of the port is missing. */
export const PORT = {
  backend: { openPolicy: 'policy', openPrm: 'prm', train: null, describe: null, initModel: null },
  policy: { generate: null, encode: null, logps: null, chatPrompt: null, countTokens: null },
  prm: { score: null, countTokens: null },
} as const satisfies PortTable;
