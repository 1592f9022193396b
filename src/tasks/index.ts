// A task's name -> the Task. Leaves out a way to register more: a task is a value that satisfies the interface.
import { SipfError } from '../errors.ts';
import { editDistance } from './distinct.ts';
import { createGsm8k } from './gsm8k.ts';
import { createJsonl } from './jsonl.ts';
import { createMini } from './mini.ts';
import { miniTokenizerConfig, miniTokenizerJson } from './mini-tokenizer.ts';
import type { Task } from './task.ts';
import { createMmluMath, createMultiArith, createSvamp } from './word-problems.ts';

export const TASK_NAMES = ['gsm8k', 'mmlu-math', 'svamp', 'multiarith', 'jsonl', 'mini'] as const;
export type TaskName = (typeof TASK_NAMES)[number];

const MAKERS: Readonly<Record<TaskName, () => Task>> = {
  gsm8k: createGsm8k,
  'mmlu-math': createMmluMath,
  svamp: createSvamp,
  multiarith: createMultiArith,
  jsonl: createJsonl,
  mini: () => ({ ...createMini(), tokenizer: miniTokenizerJson, tokenizerConfig: miniTokenizerConfig }),
};

/** The task called `name`. Throws SipfError 'bad-input' listing the names, the nearest first. */
export function taskNamed(name: string): Task {
  const known = TASK_NAMES.find((one) => one === name);
  if (known !== undefined) return MAKERS[known]();
  const distance = (one: string): number => editDistance([...one], [...name.toLowerCase().replaceAll('_', '-')]);
  const [nearest] = [...TASK_NAMES].sort((a, b) => distance(a) - distance(b));
  const hint = nearest !== undefined && distance(nearest) <= 0.5 ? ` Did you mean ${nearest}?` : '';
  throw new SipfError('bad-input', `Expected a task (${TASK_NAMES.join(', ')}), got ${JSON.stringify(name)}.${hint}`);
}
