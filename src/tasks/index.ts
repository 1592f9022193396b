// A task's name -> the Task.
import { SipfError } from '../errors.ts';
import { editDistance } from '../nearest.ts';
import type { Sandbox } from '../sandbox.ts';
import { createPyodideSandbox } from '../sandboxes/embedded.ts';
import { lazySandbox } from '../sandboxes/lazy.ts';
import { closing, type Task } from '../task.ts';
import { createCode, createHumanEval, createMbpp } from './code/code-tasks.ts';
import { createJsonl } from './data/jsonl.ts';
import { createMini } from './generated/mini.ts';
import { createMiniCode } from './generated/mini-code.ts';
import { createMath, createMath500 } from './math/math.ts';
import { createGsm8k, createMmluMath, createMultiArith, createSvamp } from './math/word-problems.ts';
import { createMixed, MIXTURE_SIGN } from './mixed.ts';

interface TaskParts {
  /** Makes what runs programs, Python in WebAssembly where nothing else is said; called before the first one is graded. */
  readonly sandbox?: (() => Sandbox) | undefined;
}

/** The one list of tasks, by name. */
const MAKERS: Readonly<Record<string, (sandbox: () => Sandbox) => Task>> = {
  gsm8k: () => createGsm8k(),
  'mmlu-math': createMmluMath,
  svamp: () => createSvamp(),
  multiarith: () => createMultiArith(),
  math: () => createMath(),
  'math-500': () => createMath500(),
  jsonl: createJsonl,
  mini: createMini,
  mbpp: (sandbox) => createMbpp({ sandbox }),
  humaneval: (sandbox) => createHumanEval({ sandbox }),
  code: (sandbox) => createCode({ sandbox }),
  'mini-code': createMiniCode,
};

export const TASK_NAMES: readonly string[] = Object.keys(MAKERS);

/**
 * The task called `name`.
 * @throws SipfError 'bad-input' listing the names, and the nearest one.
 * @example
 * const questions = await taskNamed('gsm8k').load({ split: 'train', limit: 100 });
 */
export function taskNamed(name: string, { sandbox = createPyodideSandbox }: TaskParts = {}): Task {
  const make = Object.hasOwn(MAKERS, name) ? MAKERS[name] : undefined;
  if (make !== undefined) return make(sandbox);
  const distance = (one: string): number => editDistance(one, name.toLowerCase().replaceAll('_', '-'));
  const [nearest] = [...TASK_NAMES].sort((a, b) => distance(a) - distance(b));
  const hint = nearest !== undefined && distance(nearest) <= 0.5 ? ` Did you mean ${nearest}?` : '';
  throw new SipfError('bad-input', `Expected a task (${TASK_NAMES.join(', ')}), got ${JSON.stringify(name)}.${hint}`);
}

/** Opens tasks by name (`a+b`: a mixture) and disposes of all of them together. */
export interface OpenTasks extends AsyncDisposable {
  named(name: string): Task;
  /** What its code tasks run programs in; nothing is started before the first program. */
  readonly sandbox: Sandbox;
}

interface OpenTasksOptions extends TaskParts {
  /** Other tasks than this package's. */
  readonly make?: ((name: string) => Task) | undefined;
}

/**
 * The tasks of one run or command, each made once; those that run programs share one sandbox.
 * @example
 * await using tasks = openTasks();
 * const task = tasks.named('gsm8k+mbpp');
 */
export function openTasks({ make, sandbox = createPyodideSandbox }: OpenTasksOptions = {}): OpenTasks {
  const shared = lazySandbox(sandbox);
  const open = make ?? ((name: string) => taskNamed(name, { sandbox: () => shared }));
  const tasks = new Map<string, Task>();
  const named = (name: string): Task => {
    const known = tasks.get(name);
    if (known !== undefined) return known;
    const task = name.includes(MIXTURE_SIGN) ? createMixed(name.split(MIXTURE_SIGN).map(named)) : open(name);
    tasks.set(name, task);
    return task;
  };
  return {
    sandbox: shared,
    named,
    async [Symbol.asyncDispose]() {
      for (const task of tasks.values()) await closing(task)[Symbol.asyncDispose]();
      await shared[Symbol.asyncDispose]();
    },
  };
}
