// The port of what grades a model's program: code and tests in, a verdict out.

/** Seconds of wall time that a program and its tests may take, where nobody says otherwise: in a run and in every command. */
export const PROGRAM_SECONDS = 10;

/** One program to grade: `code` is model-written, the rest is ours. */
export interface Program {
  readonly code: string;
  /** Ours, runs before the code (imports, helper definitions). What it defines keeps its meaning in the tests: the code cannot change it. */
  readonly setup?: string;
  /** Ours: Python statements, each run apart after the code (an assert, or a whole check function with its call). */
  readonly tests: readonly string[];
  /** The function that the tests use, where known: its absence is wrong (exception) with a clear detail. */
  readonly entryPoint?: string;
  /** What else the code must define for the tests: the absence of such a name is wrong, that of another one is the tests' own mistake. */
  readonly names?: readonly string[];
  /** Wall time in milliseconds for the whole program; default of the sandbox. */
  readonly timeoutMs?: number;
}

export type WrongReason = 'assertion' | 'exception' | 'timeout' | 'memory' | 'syntax' | 'exit';

/** `error` is infrastructure, or our own side (`fault: 'tests'`: graded again it would be the same): never a label. */
export type Verdict =
  | { readonly kind: 'right' }
  | { readonly kind: 'wrong'; readonly reason: WrongReason; readonly detail: string }
  | { readonly kind: 'error'; readonly detail: string; readonly fault?: 'tests' };

/** Grades programs, several at once. */
export interface Sandbox extends AsyncDisposable {
  /** @throws SipfError 'aborted' when `signal` fires, 'unsupported' or 'not-found' when the sandbox cannot run here at all. */
  grade(program: Program, options?: { readonly signal?: AbortSignal | undefined }): Promise<Verdict>;
  /** Sentences about the walls that hold here, for logs. Absent where there is nothing to say. */
  walls?(): Promise<readonly string[]>;
}
